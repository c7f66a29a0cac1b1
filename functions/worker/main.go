// Command worker is the Lambda function that runs tasks without a waiting client: the client asked
// to return immediately, or a run was cut off. It is invoked asynchronously with {"taskId":"…"}. An
// event that comes twice, or for a busy task, does nothing. With {"taskId":"…","later":["…"]} it looks
// after a while whether somebody runs the tasks in the list, and invokes workers for the others.
//
// usage.txt lists the environment.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"os"

	"a2alambda/internal/hosted"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/run"
	"a2alambda/internal/usage"
)

//go:embed usage.txt
var help string

func main() {
	lambdaenv.LimitMemory()
	usage.Exit(help)
	if err := serve(context.Background()); err != nil {
		lambdaenv.Fail("worker", err)
	}
}

func serve(ctx context.Context) error {
	if err := lambdaenv.CheckConcurrency(); err != nil {
		return err
	}
	getenv, err := lambdaenv.Settings(os.Getenv)
	if err != nil {
		return err
	}
	agent, err := hosted.Open(ctx, getenv)
	if err != nil {
		return err
	}
	table, err := lambdaenv.Open(ctx, getenv("TABLE_NAME"))
	if err != nil {
		return err
	}
	logger := lambdaenv.NewLogger(getenv("SERVICE_NAME"))
	journal, err := lambdaenv.Journal(getenv)
	if err != nil {
		return err
	}
	runner, err := table.Runner(getenv("WORKER_FUNCTION_NAME"), run.Config{
		Executor: agent.Executor, Peers: agent.Peers, Logger: logger, Callbacks: getenv("CALLBACK_URL"),
		Journal: journal,
	})
	if err != nil {
		return err
	}
	lambdaenv.Start(lambdaenv.WithCheck(table.Log.Reach, func(ctx context.Context, event json.RawMessage) (any, error) {
		var job lambdaenv.Job
		if err := json.Unmarshal(event, &job); err != nil {
			return nil, err
		}
		if job.TaskID == "" {
			return nil, errors.New(`the event has no "taskId"`)
		}
		return nil, job.Work(ctx, runner)
	}), runner.HandOver)
	return nil
}
