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
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"a2alambda/internal/agent"
	"a2alambda/internal/cloud"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/wire"
)

func main() {
	if err := serve(context.Background()); err != nil {
		log.Fatal("agent: ", err)
	}
}

func serve(ctx context.Context) error {
	executor, card := agent.NewExecutor(), agent.Card() // put your own agent here, and in ../worker

	days, err := strconv.Atoi(cmp.Or(os.Getenv("RETENTION_DAYS"), "30"))
	if err != nil || days < 1 {
		return fmt.Errorf("RETENTION_DAYS is %q, not a number of days", os.Getenv("RETENTION_DAYS"))
	}
	handler := func(r *run.Runner) http.Handler {
		return wire.New(wire.Config{
			Server:  &server.Server{Log: r.Log, Runner: r, Retention: time.Duration(days) * 24 * time.Hour},
			Card:    card,
			BaseURL: functionurl.BaseURL,
			Logger:  r.Logger,
		})
	}
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		l, err := openLocal(ctx, executor)
		if err != nil {
			return err
		}
		return l.serve(handler(l.runner), cmp.Or(os.Getenv("PORT"), "10000"))
	}
	runner, err := cloud.NewRunner(ctx, os.Getenv("TABLE_NAME"), os.Getenv("WORKER_FUNCTION_NAME"), executor)
	if err != nil {
		return err
	}
	lambda.Start(functionurl.Handler(handler(runner)))
	return nil
}
