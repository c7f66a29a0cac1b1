package durable_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
	"a2alambda/internal/tasklog"
)

// TestEndClosesCallbacks ends tasks without their function, which would close their callbacks: who
// delivers to one must hear that nobody waits for it any more.
func TestEndClosesCallbacks(t *testing.T) {
	// begins opens a callback, and then does something that differs from run to run.
	begins := func(next func(ctx context.Context, w *durabletest.World, run int) error) func(w *durabletest.World) durable.Func {
		return func(w *durabletest.World) durable.Func {
			runs := 0
			return func(ctx context.Context, _ *durable.Task) error {
				runs++
				if _, err := durable.NewCallback(ctx, "delivered", 48*time.Hour); err != nil {
					return err
				}
				return next(ctx, w, runs)
			}
		}
	}
	changed := begins(func(ctx context.Context, _ *durabletest.World, run int) error {
		return durable.Sleep(ctx, map[bool]string{true: "a", false: "b"}[run == 1], time.Hour)
	})
	for name, test := range map[string]struct {
		agent  func(w *durabletest.World) durable.Func
		cancel bool
		state  a2a.TaskState
	}{
		"parked for too long": {changed, false, a2a.TaskStateFailed},
		"canceled as parked":  {changed, true, a2a.TaskStateCanceled},
		"crashes": {begins(func(ctx context.Context, w *durabletest.World, _ int) error {
			w.Kill()
			<-ctx.Done()
			return ctx.Err()
		}), false, a2a.TaskStateFailed},
	} {
		t.Run(name, func(t *testing.T) {
			one(t, test.agent, func(w *durabletest.World) {
				w.Begin("hello")
				if test.cancel {
					time.Sleep(90 * time.Minute)
					w.Cancel()
				}
				ends(t, w, test.state)
				if err := w.Deliver("delivered", "here"); !errors.Is(err, tasklog.ErrWaitClosed) {
					t.Errorf("a delivery to a task that has ended: %v", err)
				}
			})
		})
	}
}
