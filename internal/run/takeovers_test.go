package run_test

import (
	"context"
	"errors"
	"io"
	"sync"
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

// TestTakeOversInTurn has a process take over 96 tasks that are given to it at once, on a store where
// that takes a second for each. Runs go on while others wait; those that wait when the process ends
// are left to others.
func TestTakeOversInTurn(t *testing.T) {
	for _, ends := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := new(memlog.Log)
			var at, most atomic.Int32
			slow := tasklogtest.Fault{Op: "Acquire", Do: func(context.Context, tasklog.Op) error {
				if n := at.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(time.Second)
				at.Add(-1)
				return nil
			}}
			r := runner(tasklogtest.Faulty(l, slow), io.Discard, resumer{})
			var ids []a2a.TaskID
			for range 96 {
				h, first := tasklogtest.NewTask()
				if err := create(t, l, h, first).Lease.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
				ids = append(ids, h.ID)
			}
			begun := time.Now()
			done := map[time.Duration]int{}
			left := 0
			var mu sync.Mutex
			var working sync.WaitGroup
			for _, id := range ids {
				working.Go(func() {
					x, err := r.Resume(t.Context(), id)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case errors.Is(err, tasklog.ErrEnding):
						left++
					case err != nil || x == nil:
						t.Errorf("task %s: %v, %v", id, x, err)
					default:
						done[time.Since(begun)]++
					}
				})
			}
			if ends {
				time.Sleep(time.Second / 2)
				r.HandOver(time.Second)
			}
			working.Wait()
			if most.Load() != 32 {
				t.Errorf("%d were taken over at the same time", most.Load())
			}
			if want := map[bool]int{false: 0, true: 64}[ends]; left != want || len(done) != 3-want/32 || done[time.Second] != 32 {
				t.Errorf("taken over: %v; left to others: %d", done, left)
			}
		})
	}
}

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
