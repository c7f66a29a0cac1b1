package run_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
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

// TestStalledAppend checks that an append without an answer is tried again soon.
func TestStalledAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := tasklogtest.Fault{Op: "Lease.Append", Nth: 1, Do: tasklogtest.StopsUntil(nil, nil)}
		begun := time.Now()
		r, _ := start(t, t.Context(), tasklogtest.Faulty(new(memlog.Log), hangs), io.Discard, executor(
			func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(status(ec, a2a.TaskStateCompleted), nil)
			}))
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

var errThrottled = errors.New("throttled")

// TestNoRenewals has renewals fail, or get no answer. The holder stops before its lease ends, and
// does not send many requests.
func TestNoRenewals(t *testing.T) {
	for name, do := range map[string]func(context.Context, tasklog.Op) error{
		"refused": tasklogtest.Fails(errThrottled), "stuck": tasklogtest.StopsUntil(nil, nil),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				trouble, tried := time.Now().Add(time.Minute), atomic.Int32{}
				renew := func(ctx context.Context, op tasklog.Op) error {
					if time.Now().Before(trouble) {
						return nil
					}
					tried.Add(1)
					return do(ctx, op)
				}
				ask := func(ctx context.Context, op tasklog.Op) error {
					if name == "stuck" && time.Now().After(trouble) {
						return do(ctx, op)
					}
					return nil
				}
				l := tasklogtest.Faulty(new(memlog.Log),
					tasklogtest.Fault{Op: "Lease.Renew", Do: renew}, tasklogtest.Fault{Op: "AskedOf", Do: ask})
				r, h := start(t, t.Context(), l, io.Discard, executor(
					func(ctx context.Context, _ *a2asrv.ExecutorContext, _ func(a2a.Event, error) bool) { <-ctx.Done() },
				))
				if err := r.Wait(); !run.Superseded(err) {
					t.Errorf("the run ended with %v", err)
				}
				if lease, err := l.Lease(t.Context(), h.ID); err != nil || lease.Expired() {
					t.Errorf("by then the lease was %+v, %v", lease, err)
				}
				if n := tried.Load(); n == 0 || n > 8 {
					t.Errorf("%d renewals were tried in the ten seconds of a lease", n)
				}
			})
		})
	}
}

// TestStandsStill has the store refuse all requests of a run while an append is under way. For the
// run, this means that it was superseded, and its log line says why.
func TestStandsStill(t *testing.T) {
	for name, do := range map[string]func(context.Context, tasklog.Op) error{
		"refused": tasklogtest.Fails(errThrottled), "stuck": tasklogtest.StopsUntil(nil, nil),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, logs := new(memlog.Log), new(bytes.Buffer)
				down := tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Lease.Append", Do: do},
					tasklogtest.Fault{Op: "Lease.Renew", Do: do}, tasklogtest.Fault{Op: "AskedOf", Do: do})
				var cause error
				r, h := start(t, t.Context(), down, logs, executor(
					func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
						yield(status(ec, a2a.TaskStateWorking), nil)
						<-ctx.Done()
						cause = context.Cause(ctx)
					}))
				err := r.Wait()
				why := errThrottled
				if name == "stuck" {
					why = context.DeadlineExceeded
				}
				if !run.Superseded(err) || !errors.Is(err, why) || !run.Superseded(cause) {
					t.Errorf("the run ended with %v, its executor's context with %v", err, cause)
				}
				if lease, err := l.Lease(t.Context(), h.ID); err != nil || lease.Expired() {
					t.Errorf("by then the lease was %+v, %v", lease, err)
				}
				if !strings.Contains(logs.String(), "lease lost while the log could not be written") ||
					!strings.Contains(logs.String(), why.Error()) {
					t.Errorf("logged %s", logs)
				}
				if got := describe(t, l, h.ID); len(got) != 0 {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}

// TestBusyWorker has a store that is busy for half a minute. It gives a worker no lease of an
// orphaned task, and does not settle one that has ended. The worker tries again by itself.
func TestBusyWorker(t *testing.T) {
	for name, states := range map[string][]a2a.TaskState{
		"Acquire": nil, "Settle": {a2a.TaskStateCompleted},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(memlog.Log)
				h := orphan(t, l, states...)
				start, settled := time.Now(), 0
				busy := tasklogtest.Faulty(l, tasklogtest.Fault{Op: name, Do: func(context.Context, tasklog.Op) error {
					if time.Since(start) < 30*time.Second {
						return tasklogtest.ErrThrottled
					}
					settled++
					return nil
				}})
				done := resumer{executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
					yield(status(ec, a2a.TaskStateCompleted), nil)
				})}
				if err := runner(busy, io.Discard, done).Work(t.Context(), h.ID); err != nil {
					t.Fatal(err)
				}
				if s, err := l.Load(t.Context(), h.ID); err != nil || s.Task.Status.State != a2a.TaskStateCompleted || settled != 1 {
					t.Errorf("the task is %+v, %v; %s was done %d times", s, err, name, settled)
				}
				if took := time.Since(start); took > 32*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // but not forever
		l := new(memlog.Log)
		h := orphan(t, l)
		busy := tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Acquire", Do: tasklogtest.Fails(tasklogtest.ErrThrottled)})
		if err := runner(busy, io.Discard, executor(nil)).Work(t.Context(), h.ID); !errors.Is(err, tasklog.ErrThrottled) {
			t.Errorf("got %v", err)
		}
	})
}

// TestSlowRenewals has each renewal take its time, while questions are answered at once. The holder
// keeps its lease, and does not ask much more often than needed.
func TestSlowRenewals(t *testing.T) {
	for _, takes := range []time.Duration{500 * time.Millisecond, 900 * time.Millisecond, 2800 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			var tried atomic.Int32
			slow := tasklogtest.Fault{Op: "Lease.Renew", Do: func(ctx context.Context, _ tasklog.Op) error {
				tried.Add(1)
				select {
				case <-time.After(takes):
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			r, _ := start(t, ctx, tasklogtest.Faulty(new(memlog.Log), slow), io.Discard, executor(
				func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
					select {
					case <-time.After(2 * time.Minute):
						yield(status(ec, a2a.TaskStateCompleted), nil)
					case <-ctx.Done():
					}
				}))
			if err := r.Wait(); err != nil {
				t.Errorf("renewals take %v: %v", takes, err)
			}
			if n := tried.Load(); n < 14 || n > 30 {
				t.Errorf("renewals take %v: %d were tried in two minutes", takes, n)
			}
		})
	}
}

// TestStuckHandOver has a store that does not answer any more when a run is out of time. Its invocation
// is over before its deadline nevertheless, since where others are in the process nobody else ends it. A
// worker is asked for: the lease may have been released.
func TestStuckHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := tasklogtest.Faulty(new(memlog.Log), tasklogtest.Fault{Op: "Lease.Release", Do: tasklogtest.StopsUntil(nil, nil)})
		asked := make(chan a2a.TaskID, 1)
		r := run.New(run.Config{
			Store: l, Logger: slog.New(slog.DiscardHandler),
			Executor: resumer{executor(func(ctx context.Context, _ *a2asrv.ExecutorContext, _ func(a2a.Event, error) bool) { <-ctx.Done() })},
			Invoke: func(_ context.Context, id a2a.TaskID) error {
				asked <- id
				return nil
			},
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		h, first := tasklogtest.NewTask()
		if err := r.Start(ctx, create(t, l, h, first), run.Nobody).Wait(); err != nil {
			t.Error(err)
		}
		if ctx.Err() != nil {
			t.Error("the run ended after its deadline")
		}
		if got := <-asked; got != h.ID {
			t.Errorf("a worker was asked for %s", got)
		}
	})
}
