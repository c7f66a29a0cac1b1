package durable_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
)

// TestGoexit fails a task whose function ends its goroutine, wherever it does.
func TestGoexit(t *testing.T) {
	gone := func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }
	for name, f := range map[string]durable.Func{
		"function": func(context.Context, *durable.Task) error { runtime.Goexit(); return nil },
		"step": func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "a", gone)
			return err
		},
		"branch": func(ctx context.Context, _ *durable.Task) error {
			g := durable.NewGroup(ctx)
			g.Go("b", func(ctx context.Context) error { runtime.Goexit(); return nil })
			return g.Wait()
		},
		"step of a branch": func(ctx context.Context, _ *durable.Task) error {
			g := durable.NewGroup(ctx)
			g.Go("b", func(ctx context.Context) error {
				_, err := durable.Do(ctx, "a", gone)
				return err
			})
			return g.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			var runs atomic.Int32
			one(t, func(*durabletest.World) durable.Func {
				return func(ctx context.Context, task *durable.Task) error {
					runs.Add(1)
					return f(ctx, task)
				}
			}, func(w *durabletest.World) {
				w.Begin("hello")
				time.Sleep(time.Minute)
				if state := w.Task().Status.State; state != a2a.TaskStateFailed || runs.Load() != 1 {
					t.Errorf("the task is %s after %d runs\n%s", state, runs.Load(), w.Story())
				}
			})
		})
	}
}
