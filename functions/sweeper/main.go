// Command sweeper is the Lambda function that finds tasks whose run was cut off, and has a worker see to them. It is invoked each
// minute; what the event says does not matter.
//
// The environment:
//
//	TABLE_NAME                 DynamoDB table of the tasks.
//	WORKER_FUNCTION_NAME       the worker.
//	AWS_ENDPOINT_URL_DYNAMODB  where DynamoDB is, if not at AWS.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"a2alambda/internal/cloud"
)

func main() {
	runner, err := cloud.NewRunner(context.Background(), os.Getenv("TABLE_NAME"), os.Getenv("WORKER_FUNCTION_NAME"), nil)
	if err != nil {
		log.Fatal("sweeper: ", err)
	}
	lambda.Start(func(ctx context.Context) error {
		n, err := runner.Sweep(ctx)
		runner.Logger.InfoContext(ctx, "swept", "running", n, "error", err)
		return err
	})
}
