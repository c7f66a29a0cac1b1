// Command worker is the Lambda function that runs tasks which no client waits for: those whose client wanted to return
// immediately, and those whose run was cut off. It is invoked asynchronously with {"taskId":"…"}; an event that comes twice, or
// for a task that somebody runs already, does nothing.
//
// The environment:
//
//	TABLE_NAME                 DynamoDB table of the tasks.
//	WORKER_FUNCTION_NAME       this function: what it can't finish it hands over to itself.
//	SERVICE_NAME               name of the service in CloudWatch's metrics. Without it there are none.
//	SETTINGS                   NAME=value of more variables, with spaces between them: see [cloud.Settings].
//	AWS_ENDPOINT_URL_DYNAMODB  where DynamoDB is, if not at AWS.
//
// and what the hosted agent wants to know: see [hosted.Open].
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"a2alambda/internal/cloud"
	"a2alambda/internal/hosted"
)

func main() {
	if err := serve(context.Background()); err != nil {
		cloud.Fail("worker", err)
	}
}

func serve(ctx context.Context) error {
	getenv, err := cloud.Settings(os.Getenv)
	if err != nil {
		return err
	}
	agent, err := hosted.Open(ctx, getenv)
	if err != nil {
		return err
	}
	runner, table, err := cloud.NewRunner(ctx, getenv("TABLE_NAME"), getenv("WORKER_FUNCTION_NAME"), agent.Executor)
	if err != nil {
		return err
	}
	runner.Logger = cloud.NewLogger(getenv("SERVICE_NAME"))
	lambda.Start(cloud.WithCheck(table.Connect, func(ctx context.Context, event json.RawMessage) (any, error) {
		var job cloud.Job
		if err := json.Unmarshal(event, &job); err != nil {
			return nil, err
		}
		if job.TaskID == "" {
			return nil, errors.New(`the event has no "taskId"`)
		}
		return nil, runner.Work(ctx, job.TaskID) // after an error, Lambda tries again
	}))
	return nil
}
