package run_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/durable"
	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

const (
	interrupted = "FAILED: The agent was interrupted and cannot resume."

	onLambda = 400 * time.Millisecond
	onServer = 25 * time.Second
)

// works is an executor that works for some time and heeds its context.
func works(d time.Duration) executor {
	return func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		if !yield(status(ec, a2a.TaskStateWorking), nil) {
			return
		}
		select {
		case <-time.After(d):
			yield(status(ec, a2a.TaskStateCompleted), nil)
		case <-ctx.Done():
			yield(nil, context.Cause(ctx))
		}
	}
}

// hangs is an executor that works for some time, whatever its context says.
func hangs(d time.Duration) executor {
	return func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		yield(status(ec, a2a.TaskStateWorking), nil)
		time.Sleep(d)
		yield(status(ec, a2a.TaskStateCompleted), nil)
	}
}

// TestEnding has a process end while an executor works. One that can resume is handed over at once,
// or when it must be abandoned; another process completes the task. One that cannot resume has the
// time that is left. In a process of its own, there is nobody to hand over to.
func TestEnding(t *testing.T) {
	resumed := []string{"WORKING", "WORKING: resumed after TASK_STATE_WORKING", "COMPLETED"}
	for _, test := range []struct {
		name   string
		x      a2asrv.AgentExecutor
		alone  bool
		within time.Duration
		took   time.Duration
		want   []string
	}{
		{"can resume", resumer{works(time.Hour)}, false, onLambda, 0, resumed},
		{"can resume, on a server", resumer{works(time.Hour)}, false, onServer, 0, resumed},
		{"ignores its context", resumer{hangs(time.Hour)}, false, onLambda, 280 * time.Millisecond, resumed},
		{"ignores its context, on a server", resumer{hangs(time.Hour)}, false, onServer, 2 * time.Second, resumed},
		{"cannot resume, and ends in time", works(10 * time.Second), false, onServer, 9 * time.Second, []string{"WORKING", "COMPLETED"}},
		{"cannot resume", works(time.Hour), false, onServer, 20 * time.Second, []string{"WORKING", interrupted}},
		{"cannot resume, on Lambda", works(time.Hour), false, onLambda, 200 * time.Millisecond, []string{"WORKING", interrupted}},
		{"cannot resume, and ignores its context", hangs(time.Hour), false, onLambda, 280 * time.Millisecond, []string{"WORKING", interrupted}},
		{"alone, and ends in time", resumer{works(10 * time.Second)}, true, onServer, 9 * time.Second, []string{"WORKING", "COMPLETED"}},
		{"alone", resumer{works(time.Hour)}, true, onServer, 20 * time.Second, []string{"WORKING", interrupted}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(memlog.Log)
				var logs bytes.Buffer
				asked := 0
				r := run.New(run.Config{
					Store: l, Executor: test.x, Logger: slog.New(slog.NewTextHandler(&logs, nil)), Alone: test.alone,
					Invoke: func(ctx context.Context, id a2a.TaskID) error {
						asked++
						if s, err := l.Load(ctx, id); err != nil || s.Busy() {
							t.Errorf("a worker is asked for, and somebody has the lease: %+v, %v", s, err)
						}
						return nil
					},
				})
				h, first := tasklogtest.NewTask()
				running := r.Start(t.Context(), create(t, l, h, first), run.Nobody)
				time.Sleep(time.Second)
				begun := time.Now()
				r.HandOver(test.within)
				took := time.Since(begun)
				if err := running.Wait(); err != nil || took != test.took {
					t.Errorf("it took %v, want %v: %v", took, test.took, err)
				}
				over := test.want[len(test.want)-1] != "COMPLETED" || test.want[len(test.want)-2] == "WORKING"
				if running.Over() != over || asked != map[bool]int{true: 0, false: 1}[over] {
					t.Errorf("over: %v, workers asked for: %d", running.Over(), asked)
				}
				next, err := runner(l, io.Discard, test.x).Resume(t.Context(), h.ID)
				if (next == nil) != over || err != nil {
					t.Errorf("another process runs %v, %v", next, err)
				}
				if next != nil && next.Wait() != nil {
					t.Error("it did not end")
				}
				if got := describe(t, l, h.ID); !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q\n%s", got, test.want, &logs)
				}
				time.Sleep(2 * time.Hour) // for executors that were abandoned
			})
		})
	}
}

// TestEndingTurnsAway begins nothing in a process that is about to end. What was accepted just
// before is handed over, and its executor not called.
func TestEndingTurnsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		r := runner(l, io.Discard, resumer{func(context.Context, *a2asrv.ExecutorContext, func(a2a.Event, error) bool) {
			t.Error("the executor was called")
		}})
		h, first := tasklogtest.NewTask()
		turn := create(t, l, h, first)
		if err := r.Ending(); err != nil {
			t.Error(err)
		}
		r.HandOver(onServer)
		if err := r.Ending(); !errors.Is(err, tasklog.ErrEnding) {
			t.Error(err)
		}
		running := r.Start(t.Context(), turn, run.Nobody)
		if err := running.Wait(); err != nil || running.Over() {
			t.Errorf("over: %v, %v", running.Over(), err)
		}
		if s, err := l.Load(t.Context(), h.ID); err != nil || s.Seq != 1 || !s.Lease.Released {
			t.Errorf("the task is %+v, %v", s, err)
		}
		if next, err := r.Resume(t.Context(), h.ID); next != nil || !errors.Is(err, tasklog.ErrEnding) {
			t.Errorf("it runs %v, %v", next, err)
		}
	})
}

// TestEndingStep has a process end while a step of a durable agent is under way. A step that ends in
// time is recorded, and the next one begins in another process. One that does not is cut off, which
// is no failure.
func TestEndingStep(t *testing.T) {
	for _, test := range []struct {
		name    string
		takes   time.Duration
		within  time.Duration
		took    time.Duration
		charges int32
		deaf    bool
	}{
		{"in time on a server", 15 * time.Second, onServer, 14 * time.Second, 1, false},
		{"too long for a server", time.Minute, onServer, 20 * time.Second, 2, false},
		{"in time on Lambda", 1100 * time.Millisecond, onLambda, 100 * time.Millisecond, 1, false},
		{"too long for Lambda", time.Minute, onLambda, 200 * time.Millisecond, 2, false},
		{"ignores its context", time.Minute, onLambda, 280 * time.Millisecond, 2, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(memlog.Log)
				var logs bytes.Buffer
				var charges, sends atomic.Int32
				agent := durable.New(func(ctx context.Context, _ *durable.Task) error {
					n, err := durable.Do(ctx, "charge", func(ctx context.Context) (int, error) {
						charges.Add(1)
						if test.deaf {
							time.Sleep(test.takes)
							return durable.Attempt(ctx), nil
						}
						select {
						case <-time.After(test.takes):
							return durable.Attempt(ctx), nil
						case <-ctx.Done():
							return 0, ctx.Err()
						}
					})
					if err != nil || int32(n) != test.charges {
						return errors.Join(err, errors.New("a failure, or another attempt"))
					}
					_, err = durable.Do(ctx, "send", func(context.Context) (int, error) { return int(sends.Add(1)), nil })
					return err
				})
				h, turn := createDurable(t, l)
				r := runner(l, &logs, agent)
				running := r.Start(t.Context(), turn, run.Nobody)
				time.Sleep(time.Second)
				begun := time.Now()
				r.HandOver(test.within)
				if took := time.Since(begun); took != test.took {
					t.Errorf("it took %v, want %v", took, test.took)
				}
				if err := running.Wait(); err != nil || running.Over() || sends.Load() != 0 {
					t.Errorf("over: %v, %v; %d further steps", running.Over(), err, sends.Load())
				}
				if err := runner(l, &logs, agent).Work(t.Context(), h.ID); err != nil {
					t.Fatal(err)
				}
				if got := describe(t, l, h.ID); !slices.Equal(got, []string{"COMPLETED"}) {
					t.Errorf("got %q\n%s", got, &logs)
				}
				if charges.Load() != test.charges || sends.Load() != 1 {
					t.Errorf("charged %d times, sent %d times", charges.Load(), sends.Load())
				}
			})
		})
	}
}

// TestEndingWait has a process end while a durable agent waits for some seconds: another process
// waits for the rest.
func TestEndingWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		begun := time.Now()
		agent := durable.New(func(ctx context.Context, _ *durable.Task) error { return durable.Sleep(ctx, "nap", 30*time.Second) })
		h, turn := createDurable(t, l)
		r := runner(l, io.Discard, agent)
		r.Start(t.Context(), turn, run.Nobody)
		time.Sleep(10 * time.Second)
		if r.HandOver(onServer); time.Since(begun) != 10*time.Second {
			t.Errorf("handed over after %v", time.Since(begun))
		}
		if err := runner(l, io.Discard, agent).Work(t.Context(), h.ID); err != nil || time.Since(begun) != 30*time.Second {
			t.Errorf("it ended after %v, %v", time.Since(begun), err)
		}
		if got := describe(t, l, h.ID); !slices.Equal(got, []string{"COMPLETED"}) {
			t.Errorf("got %q", got)
		}
	})
}

// TestEndingTogether has a process with a hundred runs end: all leases are given up at the same
// time, however long that takes for each. Only then workers are asked for.
func TestEndingTogether(t *testing.T) {
	for name, test := range map[string]struct{ slowest, took time.Duration }{
		"in time":                           {100 * time.Millisecond, 100 * time.Millisecond},
		"one takes too long for the others": {300 * time.Millisecond, 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(memlog.Log)
				var ids []a2a.TaskID
				store := tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Lease.Release", Do: func(_ context.Context, op tasklog.Op) error {
					if op.ID == ids[0] {
						time.Sleep(test.slowest)
					} else {
						time.Sleep(50 * time.Millisecond)
					}
					return nil
				}})
				var begun time.Time
				var mu sync.Mutex
				asked := map[a2a.TaskID]time.Duration{}
				r := run.New(run.Config{
					Store: store, Executor: resumer{works(time.Hour)}, Logger: slog.New(slog.DiscardHandler),
					Invoke: func(_ context.Context, id a2a.TaskID) error {
						mu.Lock()
						defer mu.Unlock()
						asked[id] = time.Since(begun)
						return nil
					},
				})
				for range 100 {
					h, first := tasklogtest.NewTask()
					h.ID = a2a.NewTaskID()
					ids = append(ids, h.ID)
					r.Start(t.Context(), create(t, store, h, first), run.Nobody)
				}
				time.Sleep(time.Second)
				begun = time.Now()
				if r.HandOver(onLambda); time.Since(begun) != test.took {
					t.Errorf("it took %v, want %v", time.Since(begun), test.took)
				}
				for i, id := range ids {
					if s, err := l.Load(t.Context(), id); err != nil || !s.Lease.Released {
						t.Fatalf("%+v, %v", s.Lease, err)
					}
					want := min(test.slowest, onLambda/2)
					if i == 0 {
						want = test.slowest
					}
					if asked[id] != want {
						t.Errorf("a worker was asked for after %v, want %v", asked[id], want)
					}
				}
			})
		})
	}
}

// TestHere has requests for workers refused. A process that lives on works on the tasks itself, on
// some at the same time; another one leaves them to the sweeper.
func TestHere(t *testing.T) {
	for _, livesOn := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := new(memlog.Log)
			var logs bytes.Buffer
			r := run.New(run.Config{
				Store: l, Executor: works(time.Minute), Logger: slog.New(slog.NewTextHandler(&logs, nil)), LivesOn: livesOn,
				Invoke: func(context.Context, a2a.TaskID) error { return errors.New("throttled") },
			})
			var left []*tasklog.Snapshot
			for range 40 {
				h, first := tasklogtest.NewTask()
				h.ID = a2a.NewTaskID()
				if _, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w"}); err != nil {
					t.Fatal(err)
				}
				s, err := l.Load(t.Context(), h.ID)
				if err != nil {
					t.Fatal(err)
				}
				left = append(left, s)
			}
			time.Sleep(time.Minute)
			recover := func() (refused int) {
				for _, s := range left {
					if s, err := l.Load(t.Context(), s.Head.ID); err != nil || r.Recover(t.Context(), s) != nil {
						refused++
					}
				}
				return refused
			}
			refused := recover()
			synctest.Wait()
			if want := map[bool]int{true: 8, false: 40}[livesOn]; refused != want {
				t.Errorf("lives on: %v, refused: %d, want %d\n%s", livesOn, refused, want, &logs)
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			ended := 0
			for _, s := range left {
				if s, err := l.Load(t.Context(), s.Head.ID); err == nil && s.Task.Status.State == a2a.TaskStateCompleted {
					ended++
				}
			}
			if ended != 40-refused {
				t.Errorf("lives on: %v, ended: %d\n%s", livesOn, ended, &logs)
			}
			if refused = recover(); livesOn && refused != 0 {
				t.Errorf("places are not free again: %d", refused)
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if strings.Contains(logs.String(), "working on a task") {
				t.Error(logs.String())
			}
		})
	}
}

// TestEndingSweep ends a sweep early, as the end of its process does. The next one goes on from
// there.
func TestEndingSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		ids := queue(t, l, 300)
		loads := map[a2a.TaskID]int{}
		var mu sync.Mutex
		a := newAsking(tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Peek", Do: func(_ context.Context, op tasklog.Op) error {
			mu.Lock()
			loads[op.ID]++
			mu.Unlock()
			time.Sleep(time.Second)
			return errThrottled // so that they stay due
		}}, tasklogtest.Fault{Op: "SavePlace", Do: func(ctx context.Context, _ tasklog.Op) error { return ctx.Err() }}))
		ctx, end := context.WithTimeout(t.Context(), time.Hour)
		time.AfterFunc(5*time.Second, end)
		report, _ := a.Sweep(ctx)
		if report.Behind == 0 || report.Looked >= len(ids) {
			t.Errorf("it did not end early: %+v", report)
		}
		for range 3 {
			_, _ = a.round(t)
			if len(loads) == len(ids) {
				break
			}
		}
		twice := 0
		for _, id := range ids {
			if loads[id] == 0 {
				t.Errorf("%s was never looked at", id)
			}
			if loads[id] > 1 {
				twice++
			}
		}
		if twice > 0 {
			t.Errorf("%d tasks were looked at twice", twice)
		}
	})
}
