package run_test

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestSlowForAll has a process take tasks over from a slow store, where each renewal takes 0.9 s. No
// renewal is given up and made again: that would make the store slower.
func TestSlowForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		var tried, given atomic.Int32
		takes := func(d time.Duration) func(context.Context, tasklog.Op) error {
			return func(ctx context.Context, op tasklog.Op) error {
				if op.Name == "Lease.Renew" {
					tried.Add(1)
				}
				select {
				case <-time.After(d):
					return nil
				case <-ctx.Done():
					given.Add(1)
					return context.Cause(ctx)
				}
			}
		}
		waits := resumer{executor(func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			select {
			case <-time.After(time.Minute):
				yield(status(ec, a2a.TaskStateCompleted), nil)
			case <-ctx.Done():
			}
		})}
		r := runner(tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Acquire", Do: takes(700 * time.Millisecond)},
			tasklogtest.Fault{Op: "Lease.Renew", Do: takes(900 * time.Millisecond)}), io.Discard, waits)
		var running []*run.Run
		for range 8 {
			h, first := tasklogtest.NewTask()
			if err := create(t, l, h, first).Lease.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			x, err := r.Resume(t.Context(), h.ID)
			if err != nil || x == nil {
				t.Fatal(x, err)
			}
			running = append(running, x)
		}
		for _, x := range running {
			if err := x.Wait(); err != nil {
				t.Error(err)
			}
		}
		if tried.Load() < 8 || given.Load() > 0 {
			t.Errorf("of %d renewals %d were given up", tried.Load(), given.Load())
		}
	})
}
