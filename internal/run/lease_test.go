package run_test

import (
	"bytes"
	"context"
	"io"
	"sync"
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

// waiter is an agent that is silent until its context ends.
var waiter = executor(func(ctx context.Context, _ *a2asrv.ExecutorContext, _ func(a2a.Event, error) bool) { <-ctx.Done() })

// TestAskTogether has the runs of a process, which began at different times, ask at the same times.
// Each asks as often as a single run does.
func TestAskTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := map[time.Time]int{}
		l := tasklog.Hooked(new(memlog.Log), tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			if mu.Lock(); op.Name == "Lease.Asked" || op.Name == "Lease.Renew" {
				asked[time.Now()]++
			}
			mu.Unlock()
			return nil
		}})
		var logs bytes.Buffer
		r := runner(l, &logs, canceler{waiter, func(context.Context, *a2asrv.ExecutorContext, func(a2a.Event, error) bool) {}})
		const n = 50
		var runs []*run.Run
		var heads []tasklog.Head
		for range n {
			time.Sleep(17 * time.Millisecond)
			h, first := tasklogtest.NewTask()
			runs, heads = append(runs, r.Start(t.Context(), create(t, l, h, first), run.Reader)), append(heads, h)
		}
		time.Sleep(time.Second)
		mu.Lock()
		clear(asked)
		mu.Unlock()
		time.Sleep(30 * time.Second)
		mu.Lock()
		times, all := len(asked), 0
		for _, of := range asked {
			all += of
		}
		mu.Unlock()
		if times < 99 || times > 101 || all != times*n {
			t.Errorf("in 30 s, %d runs asked %d times, at %d times", n, all, times)
		}

		// A request in the same process reaches the run at once, before it asks.
		time.Sleep(10 * time.Millisecond)
		for i, h := range heads {
			begun := time.Now()
			if err := r.RequestCancel(t.Context(), h); err != nil {
				t.Fatal(err)
			}
			if err := runs[i].Wait(); err != nil {
				t.Fatal(err)
			}
			if task, err := runs[i].Task(); err != nil || task.Status.State != a2a.TaskStateCanceled || time.Since(begun) > 0 {
				t.Errorf("run %d is %v, %v, after %v", i, task.Status.State, err, time.Since(begun))
			}
		}
		h, _ := tasklogtest.NewTask() // nobody runs it
		if err := r.RequestCancel(t.Context(), h); err != nil {
			t.Error(err)
		}
	})
}

// TestAnswers asks a holder whether it is alive, at each moment between two of its looks. It answers
// at the next look.
func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		r := runner(l, io.Discard, waiter)
		h, first := tasklogtest.NewTask()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		running := r.Start(ctx, create(t, l, h, first), run.Nobody)
		lease := func() tasklog.LeaseInfo {
			t.Helper()
			lease, err := l.Lease(t.Context(), h.ID)
			if err != nil {
				t.Fatal(err)
			}
			return lease
		}
		for range 40 {
			time.Sleep(317 * time.Millisecond)
			before := lease()
			if asked, err := l.Doubt(t.Context(), h.ID, before); !asked || err != nil {
				t.Fatal(asked, err)
			}
			time.Sleep(331 * time.Millisecond)
			if now := lease(); now.Doubted || !now.Until.After(before.Until) {
				t.Errorf("the lease was %+v and is %+v", before, now)
			}
		}
		cancel()
		if err := running.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// TestBeginsLate has a run begin when its lease is four seconds old, and somebody may have asked its
// holder for a renewal. It answers at once.
func TestBeginsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		r := runner(l, io.Discard, waiter)
		h, first := tasklogtest.NewTask()
		turn := create(t, l, h, first)
		time.Sleep(4 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		running := r.Start(ctx, turn, run.Nobody)
		time.Sleep(10 * time.Millisecond)
		if lease, err := l.Lease(t.Context(), h.ID); err != nil || time.Until(lease.Until) < run.LeaseTime-time.Second {
			t.Errorf("the lease is %+v, %v", lease, err)
		}
		cancel()
		if err := running.Wait(); err != nil {
			t.Error(err)
		}
	})
}
