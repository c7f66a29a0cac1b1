// Command agent hosts an A2A agent: as a Lambda function behind a function URL or an API Gateway, or, anywhere else, as an
// HTTP server at http://localhost:10000.
//
// The environment:
//
//	TABLE_NAME                 DynamoDB table of the tasks. Without it they are kept in memory, which a Lambda function may not.
//	AWS_ENDPOINT_URL_DYNAMODB  where DynamoDB is, if not at AWS. A local server creates the table there.
//	RETENTION_DAYS             how long a task is kept. Default 30.
//	PORT                       of the local server. Default 10000.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"a2alambda/internal/agent"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/wire"
)

// gap is the least time between two writes of a running task to DynamoDB: 20 a second at most, and 25 ms of delay on average
// for what comes faster.
const gap = 50 * time.Millisecond

func main() {
	if err := serve(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	onLambda := os.Getenv("AWS_LAMBDA_RUNTIME_API") != ""
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if onLambda {
		logger = lambdacontext.NewLogger()
	}

	days, err := strconv.Atoi(cmp.Or(os.Getenv("RETENTION_DAYS"), "30"))
	if err != nil || days < 1 {
		return fmt.Errorf("RETENTION_DAYS is %q, not a number of days", os.Getenv("RETENTION_DAYS"))
	}
	runner := &run.Runner{
		Executor: &agent.Executor{Stream: agent.New().Stream}, // put your own agent here
		Logger:   logger,
	}
	store := "memory: tasks are gone when this process ends"
	switch table := os.Getenv("TABLE_NAME"); {
	case table != "":
		log, err := openTable(ctx, table, !onLambda)
		if err != nil {
			return err
		}
		runner.Log, runner.Gap, store = log, gap, "DynamoDB table "+table
	case onLambda:
		return fmt.Errorf("TABLE_NAME is not set: a function's memory is no place for tasks")
	default:
		runner.Log = new(memlog.Log)
	}

	handler := wire.New(wire.Config{
		Server:  &server.Server{Log: runner.Log, Runner: runner, Retention: time.Duration(days) * 24 * time.Hour},
		Card:    agent.Card(),
		BaseURL: functionurl.BaseURL,
		Logger:  logger,
	})
	if onLambda {
		lambda.Start(functionurl.Handler(handler))
		return nil
	}
	return serveLocal(handler, cmp.Or(os.Getenv("PORT"), "10000"), store)
}
