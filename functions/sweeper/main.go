// Command sweeper is the Lambda function that finds orphaned tasks, for a worker to resume or end
// them, and due push notifications, for the push function to deliver them. It is invoked each
// minute, with any event.
//
// usage.txt lists the environment.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/push"
	"a2alambda/internal/run"
	"a2alambda/internal/sweep"
	"a2alambda/internal/telemetry"
	"a2alambda/internal/usage"
)

//go:embed usage.txt
var help string

func main() {
	lambdaenv.LimitMemory()
	usage.Exit(help)
	if err := serve(context.Background()); err != nil {
		lambdaenv.Fail("sweeper", err)
	}
}

func serve(ctx context.Context) error {
	getenv, err := lambdaenv.Settings(os.Getenv)
	if err != nil {
		return err
	}
	table, err := lambdaenv.Open(ctx, getenv("TABLE_NAME"))
	if err != nil {
		return err
	}
	logger := lambdaenv.NewLogger(getenv("SERVICE_NAME"))
	runner, err := table.Runner(getenv("WORKER_FUNCTION_NAME"), run.Config{Logger: logger})
	if err != nil {
		return err
	}
	invoke, err := table.InvokePush(getenv("PUSH_FUNCTION_NAME"))
	if err != nil {
		return err
	}
	pushes := table.Log.Pushes()
	check := func(ctx context.Context) error {
		_, _, err := pushes.Due(ctx, 0, time.Now(), "", 1) // it reads the index, which no other function reads
		return err
	}
	ending, end := context.WithCancel(ctx)
	lambdaenv.Start(lambdaenv.WithCheck(check, func(ctx context.Context, _ json.RawMessage) (any, error) {
		used, begun := new(telemetry.Usage), time.Now()
		ctx = telemetry.With(ctx, used)
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(ending, stop)()
		// At the same time: neither has to wait for the other.
		var tasks, deliveries sweep.Report
		var err, pushErr error
		var rounds sync.WaitGroup
		rounds.Go(func() { tasks, err = runner.Sweep(ctx) })
		rounds.Go(func() { deliveries, pushErr = push.Sweep(ctx, pushes, invoke) })
		rounds.Wait()
		line := new(telemetry.Line)
		line.Count("running", int64(tasks.Looked))
		line.Count("due", int64(deliveries.Looked))
		line.Count("asked", int64(tasks.Asked))
		line.Count("pushesAsked", int64(deliveries.Asked))
		line.Count("settled", int64(tasks.Settled))
		line.Count("left", int64(tasks.Left+deliveries.Left))
		line.Count("behind", int64(tasks.Behind+deliveries.Behind))
		line.Count("oldestMs", max(tasks.Oldest, deliveries.Oldest).Milliseconds())
		line.Took("sweepMs", time.Since(begun))
		line.Usage(used)
		line.Log(ctx, logger, telemetry.Sweep)
		if ending.Err() != nil {
			return nil, nil // the next sweep goes on
		}
		return nil, errors.Join(err, pushErr)
	}), func(time.Duration) { end() })
	return nil
}
