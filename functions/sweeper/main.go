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
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-lambda-go/lambda"

	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/push"
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
	runner, err := table.Runner(getenv("WORKER_FUNCTION_NAME"), nil, logger)
	if err != nil {
		return err
	}
	invoke, err := table.InvokePush(getenv("PUSH_FUNCTION_NAME"))
	if err != nil {
		return err
	}
	pushes := table.Log.Pushes()
	// The sweeper may not read what dynamolog.Log.Reach reads.
	check := func(ctx context.Context) error {
		return pushes.Due(ctx, func(a2a.TaskID, string) bool { return false })
	}
	lambda.Start(lambdaenv.WithCheck(check, func(ctx context.Context, _ json.RawMessage) (any, error) {
		used, begun := new(telemetry.Usage), time.Now()
		ctx = telemetry.With(ctx, used)
		n, err := runner.Sweep(ctx)
		due, pushErr := push.Sweep(ctx, pushes, invoke)
		err = errors.Join(err, pushErr)
		line := new(telemetry.Line)
		line.Count("running", int64(n))
		line.Count("due", int64(due))
		line.Took("sweepMs", time.Since(begun))
		line.Usage(used)
		line.Log(ctx, logger, telemetry.Sweep)
		return nil, err
	}))
	return nil
}
