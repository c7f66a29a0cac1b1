package durable_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/callback"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/durable"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
	"a2alambda/internal/peer"
	"a2alambda/internal/peer/peertest"
	"a2alambda/internal/push"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/webhook"
)

// hosts serves an agent as a local server does: with workers, sweeps and push notifications, which
// go to a handler. It ends with ctx. It is known by the name "other".
func hosts(ctx context.Context, x a2asrv.AgentExecutor, peers peer.Set, hook http.Handler) (agent *peer.Peer, callbacks http.Handler) {
	log, logger := new(memlog.Log), slog.New(slog.DiscardHandler)
	var d *webhook.Deliverer
	d = webhook.New(webhook.Config{
		Log: log, Store: log.Pushes(), Client: &http.Client{Transport: peertest.Transport{Handler: hook}}, Logger: logger,
		Invoke: func(_ context.Context, refs ...push.Ref) error {
			go func() { _ = d.Deliver(context.WithoutCancel(ctx), refs...) }()
			return nil
		},
	})
	jobs := new(sync.WaitGroup)
	store, pushes := d.Watch(log, jobs)
	var r *run.Runner
	r = run.New(run.Config{
		Store: store, Executor: x, Logger: logger, Peers: peers, Callbacks: "http://callbacks.example/",
		Invoke: func(_ context.Context, id a2a.TaskID) error {
			go func() { _ = r.Work(context.WithoutCancel(ctx), id) }()
			return nil
		},
	})
	go func() {
		for ctx.Err() == nil {
			_, _ = r.Sweep(ctx)
			_, _ = push.Sweep(ctx, pushes, push.Gather(func(_ context.Context, refs ...push.Ref) error { return d.Deliver(ctx, refs...) }))
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute):
			}
		}
	}()
	set, err := peer.Parse("other=http://127.0.0.1:9", "", "")
	if err != nil {
		panic(err)
	}
	set["other"].Through(peertest.Transport{Handler: a2ahttp.New(a2ahttp.Config{
		Server: server.New(server.Config{
			Store: store, Runner: r, Retention: 30 * 24 * time.Hour, Card: demoagent.Card(),
			Push: &server.Push{Store: pushes, Check: func(*a2a.PushConfig) error { return nil }},
		}),
		BaseURL: functionurl.BaseURL, Auth: auth.None(), Logger: logger,
	})})
	return set["other"], callback.New(callback.Config{Store: store, Invoke: r.Invoke, Logger: logger})
}

// TestCallPushed has an agent of this project call another one, which works for three hours. Its
// push notifications wake the caller, as soon as it is done. If it says a thousand things meanwhile,
// they wake the caller a few times only.
func TestCallPushed(t *testing.T) {
	for _, chats := range []int{0, 5, 1000} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer synctest.Wait()
			defer stop()
			var callbacks http.Handler // set below
			var posts atomic.Int64
			hook := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				posts.Add(1)
				callbacks.ServeHTTP(w, r)
			})
			b, _ := hosts(ctx, hosttest.Executor(func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				if !yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil) {
					return
				}
				time.Sleep(time.Hour)
				for i := range chats {
					m := a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart(fmt.Sprint(i)))
					if !yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, m), nil) {
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
				time.Sleep(2 * time.Hour)
				if yield(a2a.NewArtifactEvent(ec, a2a.NewTextPart("hi")), nil) {
					yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
				}
			}), nil, hook)
			b.Deduplicates = true
			var runs atomic.Int64
			var got atomic.Value
			a, own := hosts(ctx, durable.New(func(ctx context.Context, t *durable.Task) error {
				runs.Add(1)
				r, err := durable.Call(ctx, "ask", "other", text("hello"))
				if err != nil {
					return err
				}
				got.Store(r.Task.Artifacts[0].Parts[0].Text())
				return nil
			}), peer.Set{"other": b}, http.NotFoundHandler())
			callbacks = own // before anything is sent
			begun := time.Now()
			sent, err := a.Send(t.Context(), text("begin"))
			if err != nil {
				t.Fatal(err)
			}
			id := sent.(*a2a.Task).ID
			for {
				task, err := a.Task(t.Context(), id, 0)
				if err != nil {
					t.Fatal(err)
				}
				if task.Status.State.Terminal() {
					if task.Status.State != a2a.TaskStateCompleted || got.Load() != "hi" {
						t.Errorf("%d: %s, %v", chats, jsonOf(task), got.Load())
					}
					break
				}
				time.Sleep(time.Second)
			}
			late := time.Since(begun) - 3*time.Hour - time.Duration(chats)*50*time.Millisecond
			const unwoken = 17 // runs because of the time
			if late > 10*time.Second || posts.Load() < int64(chats) || runs.Load() > unwoken+5 {
				t.Errorf("%d: %d posts, %d runs, and the reply was seen after %v", chats, posts.Load(), runs.Load(), late)
			}
		})
	}
}
