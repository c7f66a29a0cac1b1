// Package hosttest hosts an agent in a test, in one process.
package hosttest

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// New returns the configuration of a server of the executor over the store, with the demo agent's
// card, for all callers. Its workers run in the background.
func New(s tasklog.Store, x a2asrv.AgentExecutor, logger *slog.Logger) a2ahttp.Config {
	var runner *run.Runner
	runner = run.New(run.Config{
		Store: s, Executor: x, Logger: logger,
		Invoke: func(ctx context.Context, id a2a.TaskID) error {
			go func() { _ = runner.Work(context.WithoutCancel(ctx), id) }() // it logs errors
			return nil
		},
	})
	return a2ahttp.Config{
		Server:  server.New(server.Config{Store: s, Runner: runner, Retention: time.Hour, Card: demoagent.Card()}),
		BaseURL: functionurl.BaseURL, Auth: auth.None(), Logger: logger,
	}
}

// Executor is an agent as a function. It yields nothing when it is canceled.
type Executor func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool)

// Execute implements [a2asrv.AgentExecutor].
func (x Executor) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) { x(ctx, ec, yield) }
}

// Cancel implements [a2asrv.AgentExecutor].
func (x Executor) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(func(a2a.Event, error) bool) {}
}
