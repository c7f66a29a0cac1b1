// Command worker is the Lambda function that runs tasks which no client waits for: those whose client wanted to return
// immediately, and those whose run was cut off. It is invoked asynchronously with {"taskId":"…"}; an event that comes twice, or
// for a task that somebody runs already, does nothing.
//
// usage.txt lists the environment.
package main

import (
	"context"
	_ "embed"
	"errors"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"a2alambda/internal/cloud"
	"a2alambda/internal/hosted"
	"a2alambda/internal/usage"
)

//go:embed usage.txt
var help string

func main() {
	usage.Exit(help)
	ctx := context.Background()
	agent, err := hosted.Open(ctx, os.Getenv)
	if err != nil {
		log.Fatal("worker: ", err)
	}
	runner, _, err := cloud.NewRunner(ctx, os.Getenv("TABLE_NAME"), os.Getenv("WORKER_FUNCTION_NAME"), agent.Executor)
	if err != nil {
		log.Fatal("worker: ", err)
	}
	runner.Logger = cloud.NewLogger(os.Getenv("SERVICE_NAME"))
	lambda.Start(func(ctx context.Context, job cloud.Job) error {
		if job.TaskID == "" {
			return errors.New(`the event has no "taskId"`)
		}
		return runner.Work(ctx, job.TaskID) // after an error, Lambda tries again
	})
}
