package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"a2alambda/internal/cloud"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
)

// sweepEvery is how often a local server looks for runs that were cut off, as the sweeper does in a deployment.
const sweepEvery = time.Minute

// local is what surrounds the agent on a machine that is not Lambda: it is its own worker and sweeper.
type local struct {
	runner *run.Runner
	store  string         // where the tasks are, for people
	jobs   sync.WaitGroup // running workers
}

// openLocal returns a runner whose log is in the table that the environment names, or in memory.
func openLocal(ctx context.Context, executor a2asrv.AgentExecutor) (*local, error) {
	runner := &run.Runner{Executor: executor, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	l := &local{runner: runner, store: "memory: tasks are gone when this process ends"}
	runner.Invoke = l.work
	table := os.Getenv("TABLE_NAME")
	if table == "" {
		runner.Log = new(memlog.Log)
		return l, nil
	}
	// A DynamoDB on this machine has no tables and accepts anybody.
	engine := os.Getenv("AWS_ENDPOINT_URL_DYNAMODB") != ""
	var options []func(*config.LoadOptions) error
	if engine {
		options = append(options, config.WithDefaultRegion("us-east-1"))
		if os.Getenv("AWS_ACCESS_KEY_ID") == "" && os.Getenv("AWS_PROFILE") == "" {
			options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")))
		}
	}
	cfg, err := cloud.Config(ctx, options...)
	if err != nil {
		return nil, err
	}
	client := cloud.DynamoDB(cfg)
	if engine {
		if err := dynamolog.CreateTable(ctx, client, table); err != nil {
			return nil, err
		}
	}
	runner.Log, runner.Gap = dynamolog.New(client, table), cloud.Gap
	l.store = "DynamoDB table " + table
	return l, nil
}

// work runs a task in the background.
func (l *local) work(_ context.Context, id a2a.TaskID) error {
	l.jobs.Go(func() {
		if err := l.runner.Work(context.Background(), id); err != nil {
			l.runner.Logger.Error("worker failed", "task", id, "error", err)
		}
	})
	return nil
}

// sweep recovers runs that were cut off, now and then.
func (l *local) sweep(ctx context.Context) {
	for {
		if _, err := l.runner.Sweep(ctx); err != nil && ctx.Err() == nil {
			l.runner.Logger.Error("sweep failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepEvery):
		}
	}
}

// serve serves the handler on localhost until SIGINT or SIGTERM, and then until what is running has ended. A second signal ends
// it at once.
func (l *local) serve(handler http.Handler, port string) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("localhost", port))
	if err != nil {
		return err
	}
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	url := "http://localhost:" + port + "/"
	fmt.Printf(`🌊 Streaming Demo Agent
📋 Agent card: %[1]s.well-known/agent-card.json
💬 A2A endpoint: %[1]s
💾 Tasks in %[2]s

Try it:
curl -N %[1]s -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"role":"user","parts":[{"kind":"text","text":"Stream me a response!"}],"messageId":"'$RANDOM'"}}}'
`, url, l.store)

	s := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	signalled, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go l.sweep(signalled)
	stopped := make(chan error, 1)
	go func() {
		<-signalled.Done()
		restore() // a second signal is deadly
		err := s.Shutdown(context.Background())
		l.jobs.Wait()
		stopped <- err
	}()
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
