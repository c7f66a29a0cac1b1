package run_test

import (
	"bytes"
	"context"
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

// waiter is an agent that is silent until its context ends.
var waiter = executor(func(ctx context.Context, _ *a2asrv.ExecutorContext, _ func(a2a.Event, error) bool) { <-ctx.Done() })

// TestAskTogether has a process with many runs. It asks what others want of them as often as one with a
// single run does.
func TestAskTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		l := tasklog.Hooked(new(memlog.Log), tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			if op.Name == "AskedOf" {
				asked.Add(1)
			}
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
			runs, heads = append(runs, r.Start(t.Context(), createBy(t, l, r.Writer(), h, first), run.Reader)), append(heads, h)
		}
		time.Sleep(time.Second)
		before := asked.Load()
		time.Sleep(30 * time.Second)
		if times := asked.Load() - before; times < 99 || times > 101 {
			t.Errorf("in 30 s, a process with %d runs asked %d times", n, times)
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

// TestRenewApart has a thousand runs begin in the same instant. Their renewals are spread from the
// first on, and do not come together again. Nobody renews often, or late.
func TestRenewApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, over = 1000, 30 * time.Second
		begun := time.Now()
		var mu sync.Mutex
		var renewals []time.Duration
		last, longest := map[a2a.TaskID]time.Time{}, time.Duration(0)
		l := tasklog.Hooked(new(memlog.Log), tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			if op.Name == "Lease.Renew" {
				mu.Lock()
				defer mu.Unlock()
				renewals = append(renewals, time.Since(begun))
				longest = max(longest, time.Since(last[op.ID]))
				last[op.ID] = time.Now()
			}
			return nil
		}})
		r := runner(l, io.Discard, waiter)
		ctx, cancel := context.WithTimeout(t.Context(), over+5*time.Second) // 5 s before its end they stop
		defer cancel()
		var runs []*run.Run
		for range n {
			h, first := tasklogtest.NewTask()
			last[h.ID] = begun
			runs = append(runs, r.Start(ctx, create(t, l, h, first), run.Nobody))
		}
		for _, r := range runs {
			if err := r.Wait(); err != nil {
				t.Fatal(err)
			}
		}
		first, rest := 0, 0 // the most in 100 ms
		for i, at := range renewals {
			together := i + 1
			for j := i; at-renewals[j] < 100*time.Millisecond; j-- {
				if together = i - j + 1; j == 0 {
					break
				}
			}
			if at < 6*time.Second {
				first = max(first, together)
			} else {
				rest = max(rest, together)
			}
		}
		t.Logf("%d runs renew %d times in %v: the first time after %v, and up to %d in 100 ms; then up to %d; %v apart at most",
			n, len(renewals), over, renewals[0], first, rest, longest)
		if renewals[0] < 3500*time.Millisecond || first > n*15/100 || rest > n*15/100 || longest > 5*time.Second || len(renewals) > n*7 {
			t.Errorf("%d renewals, the first after %v; up to %d in 100 ms at first, %d later; up to %v apart", len(renewals), renewals[0], first, rest, longest)
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
		running := r.Start(ctx, createBy(t, l, r.Writer(), h, first), run.Nobody)
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
