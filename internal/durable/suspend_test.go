package durable_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
)

// TestSuspended suspends the task in long waits, and only when all branches wait.
func TestSuspended(t *testing.T) {
	var runs atomic.Int32
	var last time.Time
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			runs.Add(1)
			last = time.Now()
			g := durable.NewGroup(ctx)
			g.Go("sleeps", func(ctx context.Context) error { return durable.Sleep(ctx, "s", 48*time.Hour) })
			g.Go("works", func(ctx context.Context) error {
				for i := range 10 { // between two steps, it is no step, and does not wait
					time.Sleep(30 * time.Second)
					if _, err := durable.Do(ctx, fmt.Sprint(i), effect(w, "work")); err != nil {
						return err
					}
				}
				return nil
			})
			return g.Wait()
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		time.Sleep(4 * time.Minute)
		if w.Lease().Suspended {
			t.Error("suspended while a branch works")
		}
		time.Sleep(2 * time.Minute)
		lease := w.Lease()
		if !lease.Suspended || w.Ledger()["work"] != 10 || runs.Load() != 1 {
			t.Errorf("after all branches wait: %+v, %v", lease, w.Ledger())
		}
		due := lease.Due
		time.Sleep(time.Until(due) - time.Minute)
		if runs.Load() != 1 || !w.Lease().Sleeps() {
			t.Errorf("%d runs before it was due", runs.Load())
		}
		ends(t, w, a2a.TaskStateCompleted)
		if late := last.Sub(due); late < 0 || late > 61*time.Second {
			t.Errorf("woken %v after its time", late)
		}
	})
}

// TestPoison: once the task is suspended, the function does no durable harm, whatever it does with
// the error.
func TestPoison(t *testing.T) {
	var charged atomic.Int32 // by a step that does not look at its context
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, task *durable.Task) error {
			err := durable.Sleep(ctx, "night", 8*time.Hour)
			if w.Lease().Suspended {
				if !errors.Is(err, durable.ErrSuspended) || context.Cause(ctx) != durable.ErrSuspended {
					t.Errorf("the call returned %v, the cause is %v", err, context.Cause(ctx))
				}
				if err := durable.Yield(ctx, say(task, "asleep")); !errors.Is(err, durable.ErrSuspended) {
					t.Errorf("Yield returned %v", err)
				}
				g := durable.NewGroup(ctx)
				g.Go("b", func(ctx context.Context) error { return w.Effect(ctx, "charge") })
				if err := g.Wait(); !errors.Is(err, durable.ErrSuspended) {
					t.Errorf("Wait returned %v", err)
				}
			}
			_, _ = durable.Do(ctx, "charge", func(context.Context) (int32, error) { return charged.Add(1), nil }) // the error of Sleep is swallowed
			if w.Lease().Suspended && charged.Load() > 0 {
				t.Error("charged during the suspension")
			}
			return nil
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		time.Sleep(time.Hour)
		if w.Task().Status.State.Terminal() {
			t.Errorf("ended during the suspension\n%s", w.Story())
		}
		ends(t, w, a2a.TaskStateCompleted)
		if n := charged.Load(); n != 1 {
			t.Errorf("charged %d times", n)
		}
	})
}

// TestWokenWhileSuspending delivers at the very moment of the suspension: the task is not suspended.
func TestWokenWhileSuspending(t *testing.T) {
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			c, err := durable.NewCallback(ctx, "c", 48*time.Hour)
			if err != nil {
				return err
			}
			d, err := c.Wait(ctx)
			if string(d.Body) != "here" {
				t.Errorf("delivered %q, %v", d.Body, err)
			}
			return err
		}
	}, func(w *durabletest.World) {
		w.On("Lease.Suspend", func() {
			if err := w.Deliver("c", "here"); err != nil {
				t.Error(err)
			}
		})
		w.Begin("hello")
		begun := time.Now()
		ends(t, w, a2a.TaskStateCompleted)
		if took := w.Task().Status.Timestamp.Sub(begun); took > time.Minute {
			t.Errorf("noticed after %v", took)
		}
	})
}

// TestCanceledWhileSuspending is the same for a request to cancel.
func TestCanceledWhileSuspending(t *testing.T) {
	one(t, refunder, func(w *durabletest.World) {
		w.On("Lease.Suspend", w.Cancel)
		w.Begin("hello")
		begun := time.Now()
		ends(t, w, a2a.TaskStateCanceled)
		if took := w.Task().Status.Timestamp.Sub(begun); took > time.Minute || w.Ledger()["refund"] != 1 {
			t.Errorf("canceled after %v, %v", took, w.Ledger())
		}
	})
}
