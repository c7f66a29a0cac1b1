// Command function runs all that the benchmark measures in Go, as a Lambda function or, where there is no Lambda, as an HTTP
// server at the listener that it inherits as file 3: this project's packages, wired as functions/agent and functions/worker do
// it, the SDK's own server, and a handler that only writes.
//
// The environment:
//
//	MODE                  limit, a2a-go, memory, dynamodb or worker.
//	STORE_LATENCY         what each call to the log takes longer, such as 5ms. Of memory and dynamodb.
//	TABLE_NAME            as in functions/agent. Of dynamodb and worker.
//	WORKER_FUNCTION_NAME  as in functions/agent. Of dynamodb and worker.
//	CPU_PROFILES          a directory that gets a CPU profile of each stream of 100 ms and more.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdaurl"

	"a2alambda/internal/functionurl"
	"a2alambda/internal/lambdaenv"
	"a2alambda/localtest/bench/internal/load"
)

func main() {
	if err := serve(context.Background()); err != nil {
		log.Fatal("function: ", err)
	}
}

func serve(ctx context.Context) error {
	latency, err := time.ParseDuration(cmp.Or(os.Getenv("STORE_LATENCY"), "0s"))
	if err != nil {
		return fmt.Errorf("STORE_LATENCY: %w", err)
	}
	switch mode := os.Getenv("MODE"); mode {
	case "limit":
		return start(limit(load.Executor{}), lambdaurlWrap)
	case "a2a-go":
		return start(peer(load.Executor{}), lambdaurlWrap)
	case "memory":
		return start(ours(inMemory(latency)), functionurlHandler)
	case "dynamodb", "worker":
		runner, table, err := lambdaenv.NewRunner(ctx, os.Getenv("TABLE_NAME"), os.Getenv("WORKER_FUNCTION_NAME"), load.Executor{})
		if err != nil {
			return err
		}
		if mode == "worker" {
			lambda.Start(func(ctx context.Context, job lambdaenv.Job) error { return runner.Work(ctx, job.TaskID) })
		}
		if latency > 0 {
			runner.Log = slowTable{slow{runner.Log, latency}, table}
		}
		return start(ours(runner, table.Pushes()), functionurlHandler)
	default:
		return fmt.Errorf("MODE is %q", mode)
	}
}

// start serves a handler for ever: as a Lambda function of the shape that wrap makes, or at a listener.
func start(h http.Handler, wrap func(http.Handler) any) error {
	if dir := os.Getenv("CPU_PROFILES"); dir != "" {
		h = profiled(h, dir)
	}
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		lambda.Start(wrap(h))
	}
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	return http.Serve(l, h)
}

func lambdaurlWrap(h http.Handler) any { return lambdaurl.Wrap(flushable(h)) }

func functionurlHandler(h http.Handler) any { return functionurl.Handler(h) }
