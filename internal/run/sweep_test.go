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

	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/sweep"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// queue creates tasks that are left to workers.
func queue(t *testing.T, l tasklog.Store, n int) (ids []a2a.TaskID) {
	t.Helper()
	for range n {
		h, first := tasklogtest.NewTask()
		if _, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w"}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, h.ID)
	}
	return ids
}

// asking is a runner whose workers never come. It counts how often each was asked for.
type asking struct {
	*run.Runner
	mu    sync.Mutex
	times map[a2a.TaskID]int
}

func newAsking(l tasklog.Store) *asking {
	a := &asking{Runner: runner(l, io.Discard, nil), times: map[a2a.TaskID]int{}}
	a.Invoke = func(_ context.Context, id a2a.TaskID) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.times[id]++
		return nil
	}
	return a
}

// round does what the sweeper does each minute. A sweep has a minute at most.
func (a *asking) round(t *testing.T) (sweep.Report, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	report, err := a.Sweep(ctx)
	if ctx.Err() != nil {
		t.Error("the sweep did not end in time")
	}
	return report, err
}

// TestSweepAsksLessAndLess has a thousand tasks for which no worker comes, and a sweep each minute.
// In ten minutes the sweeps ask for each task 3 to 6 times, and soon not for all tasks in the same
// sweep. Later they ask every quarter of an hour.
func TestSweepAsksLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		ids := queue(t, l, 1000)
		a := newAsking(l)
		var asked []int
		for range 10 {
			report, err := a.round(t)
			if err != nil {
				t.Fatal(err)
			}
			asked = append(asked, report.Asked)
			time.Sleep(time.Minute)
		}
		for _, id := range ids {
			if n := a.times[id]; n < 3 || n > 6 {
				t.Errorf("asked for %d times in ten minutes, want 3 to 6", n)
				break
			}
		}
		if asked[0] != 1000 || asked[1] != 1000 || asked[8] == 1000 || asked[9] == 1000 {
			t.Errorf("the sweeps asked for %v", asked)
		}
		for range 20 {
			time.Sleep(time.Minute)
			if _, err := a.round(t); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range ids {
			if n := a.times[id]; n < 5 || n > 9 {
				t.Errorf("asked for %d times in half an hour, want 5 to 9", n)
				break
			}
		}
		// A holder takes a task, and crashes: the next sweep finds it.
		s, err := l.Load(t.Context(), ids[0])
		if err == nil {
			_, err = l.Acquire(t.Context(), s, tasklog.Claim{Writer: "x", Until: time.Now().Add(run.LeaseTime)})
		}
		if err != nil {
			t.Fatal(err)
		}
		before := a.times[ids[0]]
		time.Sleep(time.Minute)
		if _, err := a.round(t); err != nil || a.times[ids[0]] != before+1 {
			t.Errorf("it was taken, and asked for %d times more, %v", a.times[ids[0]]-before, err)
		}
	})
}

// TestSweepAsksForSoMany has more tasks wait than a sweep may ask for. The next sweeps ask for the
// rest.
func TestSweepAsksForSoMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		ids := queue(t, l, 5000)
		a := newAsking(l)
		for i, want := range []int{2000, 2000, 1000} {
			report, err := a.round(t)
			if err != nil || report.Asked != want || report.Asked+report.Left != report.Looked {
				t.Errorf("sweep %d: %+v, %v, want %d asked for", i+1, report, err, want)
			}
			time.Sleep(time.Second)
		}
		for _, id := range ids {
			if a.times[id] != 1 {
				t.Fatalf("asked for %d times", a.times[id])
			}
		}
	})
}

// TestSweepGoesOn has sweeps that end early, before their deadlines. The next one goes on from
// there. So every task is looked at, the youngest included, and none twice before all others.
func TestSweepGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		h, first := tasklogtest.NewTask()
		ids := queue(t, l, 500)
		loads := map[a2a.TaskID]int{}
		var mu sync.Mutex
		a := newAsking(tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Peek", Do: func(_ context.Context, op tasklog.Op) error {
			mu.Lock()
			loads[op.ID]++
			mu.Unlock()
			time.Sleep(time.Second)
			return errThrottled // so that they stay due
		}}))
		looked := 0
		for i := range 3 {
			report, err := a.round(t)
			if err == nil || (report.Behind == 1) != (i < 2) {
				t.Errorf("sweep %d: %+v, %v", i+1, report, err)
			}
			looked += report.Looked
			// A task that becomes due meanwhile comes last.
			if _, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w"}); err != nil {
				t.Fatal(err)
			}
		}
		if looked != 501 || len(loads) != 501 {
			t.Errorf("%d looks at %d tasks in three sweeps, want 501", looked, len(loads))
		}
		for _, id := range append(ids, h.ID) {
			if loads[id] != 1 {
				t.Errorf("a task was looked at %d times", loads[id])
			}
		}
	})
}

// TestSweepTwice has two sweepers at the same time. Each task is asked for once, and the places
// that both store do no harm.
func TestSweepTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		ids := queue(t, l, 300)
		a := newAsking(tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Peek", Do: func(context.Context, tasklog.Op) error {
			time.Sleep(time.Second)
			return nil
		}}))
		for minute := range 2 {
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() {
					if _, err := a.round(t); err != nil {
						t.Error(err)
					}
				})
			}
			both.Wait()
			for _, n := range a.times {
				if minute == 0 && n > 1 {
					t.Fatal("both have asked for a task")
				}
			}
			if minute == 0 && len(a.times) == len(ids) {
				t.Error("they had time for all")
			}
		}
		if len(a.times) != len(ids) {
			t.Errorf("%d of %d were asked for", len(a.times), len(ids))
		}
	})
}

// TestSweepInvokeFails has every request for a worker fail, at once or after a long time. The sweep
// still settles what it can, and ends in time.
func TestSweepInvokeFails(t *testing.T) {
	for name, invoke := range map[string]func(context.Context, a2a.TaskID) error{
		"fails": func(context.Context, a2a.TaskID) error { return errThrottled },
		"hangs": func(ctx context.Context, _ a2a.TaskID) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(memlog.Log)
				queue(t, l, 500)
				loads := 0
				var mu sync.Mutex
				a := newAsking(tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Peek", Do: func(context.Context, tasklog.Op) error {
					mu.Lock()
					defer mu.Unlock()
					loads++
					return nil
				}}))
				works := a.Invoke
				a.Invoke = invoke
				report, err := a.round(t)
				if err == nil || report.Looked != 500 || loads != 500 || report.Asked != 0 || report.Left < 400 {
					t.Errorf("%d loaded, %+v, %v", loads, report, err)
				}
				a.Invoke = works
				if report, err = a.round(t); err != nil || report.Asked < 400 {
					t.Errorf("when it works again: %+v, %v", report, err)
				}
				time.Sleep(time.Minute)
				if report, err = a.round(t); err != nil || len(a.times) != 500 {
					t.Errorf("a minute later: %d asked for, %+v, %v", len(a.times), report, err)
				}
			})
		})
	}
}

// TestSweepHealthy has tasks that run, tasks that are due in the far future, and one that has
// expired. The sweep asks for no worker, and does not look at what is not due.
func TestSweepHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		for _, c := range []struct{ until, renewed time.Duration }{{run.LeaseTime, 10 * time.Minute}, {30 * time.Minute, 0}} {
			h, first := tasklogtest.NewTask()
			lease, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(c.until)})
			if err == nil && c.renewed > 0 {
				_, err = lease.Renew(t.Context(), time.Now().Add(c.renewed))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		a := newAsking(l)
		var looked atomic.Bool // a round looks at several at once
		a.Store = tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Peek", Do: func(context.Context, tasklog.Op) error {
			looked.Store(true)
			return nil
		}})
		time.Sleep(time.Minute)
		if report, err := a.round(t); err != nil || report.Looked != 1 || len(a.times) != 0 || looked.Load() {
			t.Errorf("%+v, %v, %d asked for, a task was loaded: %v", report, err, len(a.times), looked.Load())
		}
		time.Sleep(29 * time.Minute) // one is due now, and the other's holder has crashed
		if report, err := a.round(t); err != nil || report.Looked != 2 || report.Asked != 2 || report.Oldest < 19*time.Minute {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

// TestSweepLeavesUnbegun has a turn that was left to a worker, whose message is to come. A worker and a
// sweep that come between leave it alone. A sweep that comes two minutes later keeps the message out.
func TestSweepLeavesUnbegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, late := range []time.Duration{0, 2 * time.Minute} {
			l := new(memlog.Log)
			a := newAsking(l)
			h := orphan(t, l, a2a.TaskStateInputRequired)
			s, err := l.Load(t.Context(), h.ID)
			if err != nil {
				t.Fatal(err)
			}
			left, err := l.Acquire(t.Context(), s, tasklog.Claim{Writer: "front"})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(late)
			if err := a.Work(t.Context(), h.ID); err != nil {
				t.Error(err)
			}
			if report, err := a.round(t); err != nil || report.Settled > 0 != (late > 0) {
				t.Errorf("after %v, the sweep is %+v, %v", late, report, err)
			}
			message := []tasklog.Entry{tasklogtest.Status(h, a2a.TaskStateSubmitted, "")}
			if err := left.Append(t.Context(), s.Seq+1, message); errors.Is(err, tasklog.ErrConflict) != (late > 0) {
				t.Errorf("after %v, the message comes: %v", late, err)
			}
		}
	})
}
