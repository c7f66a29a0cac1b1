// Command function runs all that the benchmark measures in Go: this project's packages, wired as in
// functions/agent and functions/worker, the SDK's own server, and a handler that only writes. It is
// a Lambda function or, outside of Lambda, an HTTP server at the listener that it inherits as file
// 3.
//
// The environment:
//
//	MODE                  limit, a2a-go, memory, dynamodb or worker.
//	STORE_LATENCY         delay of each call to the log, such as 5ms. Of memory and dynamodb.
//	TABLE_NAME            as in functions/agent. Of dynamodb and worker.
//	WORKER_FUNCTION_NAME  as in functions/agent. Of dynamodb and worker.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-lambda-go/lambdaurl"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/memlog"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/page"
	"a2alambda/internal/push"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/webhook"
	"a2alambda/localtest/bench/internal/load"
)

func main() {
	lambdaenv.LimitMemory()
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
		return start(limit(load.Executor{}), lambdaurl.Wrap)
	case "a2a-go":
		return start(a2asrv.NewJSONRPCHandler(a2asrv.NewHandler(load.Executor{})), flushed)
	case "memory":
		l := new(memlog.Log)
		return start(ours(run.New(stored(run.Config{
			Store: l, Executor: load.Executor{}, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
			Invoke: func(context.Context, a2a.TaskID) error { return nil },
		}, latency)), l.Pushes()), functionurl.Handler)
	case "dynamodb", "worker":
		table, err := lambdaenv.Open(ctx, os.Getenv("TABLE_NAME"))
		if err != nil {
			return err
		}
		if lambdacontext.MaxConcurrency() > 1 {
			table.Log.Share()
		}
		runner, err := table.Runner(os.Getenv("WORKER_FUNCTION_NAME"), run.Config{Executor: load.Executor{}, Logger: lambdaenv.NewLogger("")})
		if err != nil {
			return err
		}
		runner = run.New(stored(runner.Config, latency))
		answer := functionurl.Handler(ours(runner, table.Log.Pushes()))
		if mode == "worker" {
			answer = func(ctx context.Context, event json.RawMessage) (any, error) {
				var job lambdaenv.Job
				if err := json.Unmarshal(event, &job); err != nil {
					return nil, err
				}
				return nil, job.Work(ctx, runner)
			}
		}
		lambdaenv.Start(answer, runner.HandOver)
		return nil
	default:
		return fmt.Errorf("MODE is %q", mode)
	}
}

// start serves a handler for ever: as a Lambda function that wrap makes, or at a listener.
func start[Function any](h http.Handler, wrap func(http.Handler) Function) error {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		lambda.Start(wrap(h))
	}
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	return http.Serve(l, h)
}

// flushed is lambdaurl.Wrap with a Flusher, which the SDK's server demands. Each write goes out at
// once anyway.
func flushed(h http.Handler) any {
	return lambdaurl.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(flusher{w}, r) }))
}

type flusher struct{ http.ResponseWriter }

func (flusher) Flush() {}

// stored adds the latency to each call to the store.
func stored(c run.Config, latency time.Duration) run.Config {
	if latency > 0 {
		c.Store = tasklog.Hooked(c.Store, tasklog.Hooks{Before: func(context.Context, tasklog.Op) error {
			time.Sleep(latency)
			return nil
		}})
	}
	return c
}

// ours returns the handler of functions/agent.
func ours(r *run.Runner, pushes push.Store) http.Handler {
	return a2ahttp.New(a2ahttp.Config{
		Server: server.New(server.Config{
			Store: r.Store, Runner: r, Retention: 24 * time.Hour, Card: demoagent.Card(),
			Push: &server.Push{Store: pushes, Check: webhook.Check(outgoing.Guard{})},
		}),
		BaseURL: functionurl.BaseURL,
		Auth:    auth.None(),
		Page:    page.New(false),
		Logger:  r.Logger,
	})
}
