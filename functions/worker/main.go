// Command worker is the Lambda function that runs tasks which no client waits for: those whose client wanted to return
// immediately, and those whose run was cut off. It is invoked asynchronously with {"taskId":"…"}; an event that comes twice, or
// for a task that somebody runs already, does nothing.
//
// The environment:
//
//	TABLE_NAME                 DynamoDB table of the tasks.
//	WORKER_FUNCTION_NAME       this function: what it can't finish it hands over to itself.
//	AWS_ENDPOINT_URL_DYNAMODB  where DynamoDB is, if not at AWS.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/agent"
	"a2alambda/internal/cloud"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/run"
)

func main() {
	if err := serve(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	table, worker := os.Getenv("TABLE_NAME"), os.Getenv("WORKER_FUNCTION_NAME")
	if table == "" || worker == "" {
		return errors.New("TABLE_NAME or WORKER_FUNCTION_NAME is not set")
	}
	cfg, err := cloud.Config(ctx)
	if err != nil {
		return err
	}
	runner := &run.Runner{
		Executor: agent.NewExecutor(), // put your own agent here, and in ../agent
		Log:      dynamolog.New(dynamodb.NewFromConfig(cfg), table),
		Gap:      cloud.Gap,
		Logger:   lambdacontext.NewLogger(),
		Invoke:   cloud.Worker(cfg, worker),
	}
	lambda.Start(func(ctx context.Context, job cloud.Job) error {
		if job.TaskID == "" {
			return errors.New(`the event has no "taskId"`)
		}
		r, err := runner.Resume(ctx, job.TaskID)
		if err != nil || r == nil {
			return err
		}
		return r.Wait()
	})
	return nil
}
