// Command callback is the Lambda function that takes what others send to the callbacks of tasks, at
// a function URL of its own. That URL asks for no authorization but the token in each callback's
// URL. The function has the rights that this needs, and no others: package callback says what it
// does.
//
// usage.txt lists the environment.
package main

import (
	"context"
	_ "embed"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"a2alambda/internal/callback"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/usage"
)

//go:embed usage.txt
var help string

func main() {
	lambdaenv.LimitMemory()
	usage.Exit(help)
	if err := serve(context.Background()); err != nil {
		lambdaenv.Fail("callback", err)
	}
}

func serve(ctx context.Context) error {
	table, err := lambdaenv.Open(ctx, os.Getenv("TABLE_NAME"))
	if err != nil {
		return err
	}
	invoke, err := table.InvokeWorker(os.Getenv("WORKER_FUNCTION_NAME"))
	if err != nil {
		return err
	}
	lambdaenv.Warm(ctx, table.Log)
	h := functionurl.Handler(callback.New(callback.Config{
		Store: table.Log, Invoke: invoke, Logger: lambdaenv.NewLogger(os.Getenv("SERVICE_NAME")),
	}))
	lambda.Start(lambdaenv.WithCheck(table.Log.Reach, h))
	return nil
}
