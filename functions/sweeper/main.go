// Command sweeper is the Lambda function that finds tasks whose run was cut off, for a worker to resume or end them, and push
// notifications that are due, for the push function to deliver them. It is invoked each minute; what the event says does not
// matter.
//
// The environment:
//
//	TABLE_NAME                 DynamoDB table of the tasks.
//	WORKER_FUNCTION_NAME       the worker.
//	PUSH_FUNCTION_NAME         the push function.
//	SERVICE_NAME               name of the service in CloudWatch's metrics. Without it there are none.
//	AWS_ENDPOINT_URL_DYNAMODB  where DynamoDB is, if not at AWS.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"a2alambda/internal/cloud"
	"a2alambda/internal/push"
	"a2alambda/internal/telemetry"
)

func main() {
	ctx, table := context.Background(), os.Getenv("TABLE_NAME")
	runner, _, err := cloud.NewRunner(ctx, table, os.Getenv("WORKER_FUNCTION_NAME"), nil)
	if err != nil {
		log.Fatal("sweeper: ", err)
	}
	runner.Logger = cloud.NewLogger(os.Getenv("SERVICE_NAME"))
	pushes, invoke, err := cloud.NewPush(ctx, table, os.Getenv("PUSH_FUNCTION_NAME"))
	if err != nil {
		log.Fatal("sweeper: ", err)
	}
	lambda.Start(func(ctx context.Context) error {
		usage, begun := new(telemetry.Usage), time.Now()
		ctx = telemetry.With(ctx, usage)
		n, err := runner.Sweep(ctx)
		due, pushErr := push.Sweep(ctx, pushes, invoke)
		err = errors.Join(err, pushErr)
		line := new(telemetry.Line)
		line.Count("running", int64(n))
		line.Count("due", int64(due))
		line.Took("sweepMs", time.Since(begun))
		line.Usage(usage)
		line.Log(ctx, runner.Logger, telemetry.Sweep)
		return err
	})
}
