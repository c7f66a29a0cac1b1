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
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/cloud"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/run"
)

func main() {
	if err := serve(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "sweeper:", err)
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
		Log:    dynamolog.New(dynamodb.NewFromConfig(cfg), table),
		Logger: lambdacontext.NewLogger(),
		Invoke: cloud.Worker(cfg, worker),
	}
	lambda.Start(func(ctx context.Context) error {
		n, err := runner.Sweep(ctx)
		runner.Logger.InfoContext(ctx, "swept", "running", n, "error", err)
		return err
	})
	return nil
}
