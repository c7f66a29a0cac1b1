package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/memlog"
	"a2alambda/internal/push"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/webhook"
	"a2alambda/localtest/bench/internal/load"
)

// limit returns the least that a handler has to do for a stream: it encodes each event, and writes it.
func limit(x a2asrv.AgentExecutor) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			ID     json.RawMessage
			Params a2a.SendMessageRequest
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil || call.Params.Message == nil {
			http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		ec := &a2asrv.ExecutorContext{Message: call.Params.Message, TaskID: a2a.NewTaskID(), ContextID: a2a.NewContextID()}
		for event, err := range x.Execute(r.Context(), ec) {
			if err != nil {
				panic(err)
			}
			data, err := json.Marshal(struct {
				Version string             `json:"jsonrpc"`
				ID      json.RawMessage    `json:"id"`
				Result  a2a.StreamResponse `json:"result"`
			}{"2.0", call.ID, a2a.StreamResponse{Event: event}})
			if err != nil {
				panic(err)
			}
			frame := append(append([]byte("data: "), data...), "\n\n"...)
			if _, err := w.Write(frame); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
}

// peer returns the SDK's own server, in memory.
func peer(x a2asrv.AgentExecutor) http.Handler {
	return a2asrv.NewJSONRPCHandler(a2asrv.NewHandler(x))
}

// flushable gives a handler on lambdaurl a writer that can be flushed, as the SDK's server demands. What is written there goes
// out at once anyway.
func flushable(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(flusher{w}, r) })
}

type flusher struct{ http.ResponseWriter }

func (flusher) Flush() {}

// ours returns the handler of functions/agent.
func ours(r *run.Runner, pushes push.Store) http.Handler {
	return a2ahttp.New(a2ahttp.Config{
		Server: &server.Server{
			Log: r.Log, Runner: r, Retention: 24 * time.Hour, Card: demoagent.Card(),
			Push: &server.Push{Store: pushes, Check: webhook.Guard{}.Check},
		},
		BaseURL: functionurl.BaseURL,
		Auth:    auth.None(),
		Logger:  r.Logger,
	})
}

// inMemory returns a runner whose tasks are in memory.
func inMemory(latency time.Duration) (*run.Runner, push.Store) {
	l := new(memlog.Log)
	r := &run.Runner{
		Log: l, Executor: load.Executor{}, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Invoke: func(context.Context, a2a.TaskID) error { return nil },
	}
	if latency > 0 {
		r.Log = slow{l, latency}
	}
	return r, l.Pushes()
}

var (
	_ tasklog.Log         = slow{}
	_ tasklog.Snapshotter = slowTable{}
)
