// Command agent hosts an A2A agent: as a Lambda function behind a function URL or an API Gateway, or, anywhere else, as an
// HTTP server at http://localhost:10000.
//
// The environment:
//
//	TABLE_NAME                 DynamoDB table of the tasks. A local server without it keeps them in memory.
//	WORKER_FUNCTION_NAME       function that runs what this one leaves to it. A local server does so itself.
//	AWS_ENDPOINT_URL_DYNAMODB  where DynamoDB is, if not at AWS. A local server creates the table there.
//	RETENTION_DAYS             how long a task is kept. Default 30.
//	PORT                       of the local server. Default 10000.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/agent"
	"a2alambda/internal/cloud"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/wire"
)

func main() {
	if err := serve(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	days, err := strconv.Atoi(cmp.Or(os.Getenv("RETENTION_DAYS"), "30"))
	if err != nil || days < 1 {
		return fmt.Errorf("RETENTION_DAYS is %q, not a number of days", os.Getenv("RETENTION_DAYS"))
	}
	runner := &run.Runner{
		Executor: agent.NewExecutor(), // put your own agent here, and in ../worker
	}
	handler := func() http.Handler {
		return wire.New(wire.Config{
			Server:  &server.Server{Log: runner.Log, Runner: runner, Retention: time.Duration(days) * 24 * time.Hour},
			Card:    agent.Card(),
			BaseURL: functionurl.BaseURL,
			Logger:  runner.Logger,
		})
	}
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		runner.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
		l, err := openLocal(ctx, runner)
		if err != nil {
			return err
		}
		return l.serve(handler(), cmp.Or(os.Getenv("PORT"), "10000"))
	}

	table, worker := os.Getenv("TABLE_NAME"), os.Getenv("WORKER_FUNCTION_NAME")
	if table == "" || worker == "" {
		return errors.New("TABLE_NAME or WORKER_FUNCTION_NAME is not set")
	}
	cfg, err := cloud.Config(ctx)
	if err != nil {
		return err
	}
	runner.Log, runner.Gap = dynamolog.New(dynamodb.NewFromConfig(cfg), table), cloud.Gap
	runner.Invoke, runner.Logger = cloud.Worker(cfg, worker), lambdacontext.NewLogger()
	lambda.Start(functionurl.Handler(handler()))
	return nil
}
