package durable_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
	"a2alambda/internal/run"
)

// one runs an agent undisturbed, in one world.
func one(t *testing.T, agent func(w *durabletest.World) durable.Func, script func(w *durabletest.World)) {
	t.Helper()
	durabletest.Run(t, durabletest.Case{Agent: agent, Script: script})
}

func ends(t *testing.T, w *durabletest.World, state a2a.TaskState) {
	t.Helper()
	w.AwaitEnd()
	if got := w.Task().Status.State; got != state {
		t.Errorf("the task is %s, want %s\n%s", got, state, w.Story())
	}
}

// TestMisuse has what an author may get wrong told by errors, at the first run.
func TestMisuse(t *testing.T) {
	nothing := func(context.Context) (int, error) { return 0, nil }
	do := func(ctx context.Context, name string, opts ...durable.Option) error {
		_, err := durable.Do(ctx, name, nothing, opts...)
		return err
	}
	for _, test := range []struct {
		name, want string
		f          func(ctx context.Context, task *durable.Task) error
	}{
		{"name twice", "used twice", func(ctx context.Context, _ *durable.Task) error {
			_ = do(ctx, "a")
			return do(ctx, "a")
		}},
		{"no name", "a name is empty", func(ctx context.Context, _ *durable.Task) error { return do(ctx, "") }},
		{"long name", "129 bytes", func(ctx context.Context, _ *durable.Task) error { return do(ctx, strings.Repeat("x", 129)) }},
		{"slash", "use Scope", func(ctx context.Context, _ *durable.Task) error { return do(ctx, "a/b") }},
		{"control", "control characters", func(ctx context.Context, _ *durable.Task) error { return do(ctx, "a\n") }},
		{"long path", "full name", func(ctx context.Context, _ *durable.Task) error {
			for range 3 {
				ctx = durable.Scope(ctx, strings.Repeat("x", 100))
			}
			return do(ctx, "a")
		}},
		{"scope twice", "used twice", func(ctx context.Context, _ *durable.Task) error {
			_ = do(durable.Scope(ctx, "s"), "a")
			return do(durable.Scope(ctx, "s"), "b")
		}},
		{"branch twice", "used twice", func(ctx context.Context, _ *durable.Task) error {
			g := durable.NewGroup(ctx)
			g.Go("b", func(context.Context) error { return nil })
			g.Go("b", func(context.Context) error { return nil })
			return g.Wait()
		}},
		{"step in a step", "inside of the step", func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "a", func(ctx context.Context) (int, error) { return 0, do(ctx, "b") })
			return err
		}},
		{"outer context", "inside of a step use the step's context", func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "a", func(context.Context) (int, error) { return 0, do(ctx, "b") })
			return err
		}},
		{"yield with the outer context", "inside of a step use the step's context", func(ctx context.Context, task *durable.Task) error {
			_, err := durable.Do(ctx, "a", func(context.Context) (int, error) { return 0, durable.Yield(ctx, say(task, "x")) })
			return err
		}},
		{"group in a step", "has no branches", func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "a", func(ctx context.Context) (int, error) { return 0, durable.NewGroup(ctx).Wait() })
			return err
		}},
		{"once and retry", "exclude", func(ctx context.Context, _ *durable.Task) error {
			return do(ctx, "a", durable.Once(), durable.Retry(2, time.Second))
		}},
		{"task", "not a *a2a.Task", func(ctx context.Context, task *durable.Task) error {
			return durable.Yield(ctx, &a2a.Task{ID: task.ID})
		}},
		{"message", "not a *a2a.Message", func(ctx context.Context, task *durable.Task) error {
			return durable.Yield(ctx, task.Message)
		}},
		{"waiting state", "see Ask", func(ctx context.Context, task *durable.Task) error {
			return durable.Yield(ctx, a2a.NewStatusUpdateEvent(task, a2a.TaskStateInputRequired, nil))
		}},
		{"final state in a step", "only what is outside", func(ctx context.Context, task *durable.Task) error {
			_, err := durable.Do(ctx, "a", func(ctx context.Context) (int, error) {
				return 0, durable.Yield(ctx, a2a.NewStatusUpdateEvent(task, a2a.TaskStateCompleted, nil))
			})
			return err
		}},
		{"appending to another's artifact", "has not begun", func(ctx context.Context, task *durable.Task) error {
			if err := durable.Yield(ctx, chunk(task, "x", "a")); err != nil {
				return err
			}
			_, err := durable.Do(ctx, "a", func(ctx context.Context) (int, error) { return 0, durable.Yield(ctx, chunk(task, "x", "b")) })
			return err
		}},
		{"after the end", "has ended", func(ctx context.Context, task *durable.Task) error {
			if err := durable.Yield(ctx, a2a.NewStatusUpdateEvent(task, a2a.TaskStateRejected, nil)); err != nil {
				return err
			}
			return do(ctx, "a")
		}},
		{"a wait longer than the task", "the task lasts until", func(ctx context.Context, _ *durable.Task) error {
			return durable.Sleep(ctx, "a", 30*24*time.Hour)
		}},
		{"a result without JSON", "cannot be recorded", func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "a", func(context.Context) (chan int, error) { return nil, nil })
			return err
		}},
		{"a huge result", "can be recorded", func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "a", func(context.Context) (string, error) { return strings.Repeat("x", durable.MaxResult), nil })
			return err
		}},
		{"no task", "not that of a durable agent", func(context.Context, *durable.Task) error { return do(context.Background(), "a") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			one(t, func(*durabletest.World) durable.Func {
				return func(ctx context.Context, task *durable.Task) error {
					if err := test.f(ctx, task); err == nil || !strings.Contains(err.Error(), test.want) {
						t.Errorf("got %v, want an error with %q", err, test.want)
					}
					return nil
				}
			}, nil)
		})
	}
}

// TestErrors returns the same errors in the first run and in later ones.
func TestErrors(t *testing.T) {
	sold := errors.New("sold out")
	var seen []string
	durabletest.Run(t, durabletest.Case{Agent: func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "buy", func(ctx context.Context) (int, error) { return 0, fmt.Errorf("shop: %w", sold) }, durable.Retry(3, time.Second))
			step := (*durable.StepError)(nil)
			if !errors.As(err, &step) {
				return fmt.Errorf("no StepError: %w", err)
			}
			_, panicked := durable.Do(ctx, "panic", func(ctx context.Context) (int, error) { panic("oh") })
			_, final := durable.Do(ctx, "permanent", func(ctx context.Context) (int, error) {
				if durable.Attempt(ctx) > 1 {
					t.Error("tried again after Permanent")
				}
				return 0, durable.Permanent(sold)
			}, durable.Retry(3, time.Second))
			seen = append(seen, fmt.Sprintf("%v|%t|%s|%d|%v|%v", err, errors.Is(err, sold), step.Step, len(step.Key), panicked, final))
			return durable.Sleep(ctx, "sleep", time.Hour)
		}
	}, Script: func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
		if n := len(w.Entries()); n != 6 { // 2 tried, 3 failed, 1 waits
			t.Errorf("%d entries\n%s", n, w.Story())
		}
	}})
	want := "buy: shop: sold out|false|buy|32|panic: panic: oh|permanent: sold out"
	if len(seen) != 2 || seen[0] != want || seen[1] != want {
		t.Errorf("seen %q, want twice %q", seen, want)
	}
}

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

// TestHandOver hands over without doing anything again: neither steps that say how long they take,
// nor those that take less than a minute, nor Once.
func TestHandOver(t *testing.T) {
	var runs atomic.Int32
	durabletest.Run(t, durabletest.Case{Invocation: 5 * time.Minute, Agent: func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			runs.Add(1)
			if d, ok := ctx.Deadline(); !ok || time.Until(d) > 5*time.Minute {
				t.Errorf("the deadline is %v, %t", d, ok)
			}
			for i := range 60 {
				var opts []durable.Option
				took := 25 * time.Second
				switch i % 3 {
				case 1:
					opts = append(opts, durable.Within(2*time.Minute))
					took = 110 * time.Second
				case 2:
					opts = append(opts, durable.Once())
				}
				if _, err := durable.Do(ctx, fmt.Sprint(i), func(ctx context.Context) (int, error) {
					err := w.Effect(ctx, fmt.Sprint(i))
					select {
					case <-time.After(took):
					case <-ctx.Done():
						err = ctx.Err()
					}
					return 0, err
				}, opts...); err != nil {
					return err
				}
			}
			return nil
		}
	}, Script: func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
		for name, n := range w.Ledger() {
			if n != 1 {
				t.Errorf("%s happened %d times", name, n)
			}
		}
		if len(w.Ledger()) != 60 || runs.Load() < 10 {
			t.Errorf("%d effects in %d runs", len(w.Ledger()), runs.Load())
		}
		if n := len(w.Entries()); n != 80 {
			t.Errorf("%d entries", n)
		}
	}})
}

// TestWithin refuses a step that no invocation has time for, and ends the context of one that takes
// longer than it said.
func TestWithin(t *testing.T) {
	durabletest.Run(t, durabletest.Case{Invocation: 2 * time.Minute, Agent: func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "long", effect(w, "long"), durable.Within(time.Hour))
			if errors.Is(err, durable.ErrSuspended) {
				return err
			}
			if err == nil || !strings.Contains(err.Error(), "an invocation has only") {
				t.Errorf("got %v", err)
			}
			_, err = durable.Do(ctx, "slow", func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			}, durable.Within(10*time.Second), durable.Retry(2, time.Second))
			if err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
				t.Errorf("got %v", err)
			}
			return nil
		}
	}, Script: func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
	}})
}

// TestCutOff ends a step that is cut off five times: by crashes, or by the ends of its runs.
func TestCutOff(t *testing.T) {
	for _, crash := range []string{"crash", "silent crash", "hand-over"} {
		t.Run(crash, func(t *testing.T) {
			durabletest.Run(t, durabletest.Case{Invocation: 3 * time.Minute, Agent: func(w *durabletest.World) durable.Func {
				return func(ctx context.Context, task *durable.Task) error {
					_, err := durable.Do(ctx, "bad", func(ctx context.Context) (int, error) {
						if err := w.Effect(ctx, fmt.Sprint("attempt ", durable.Attempt(ctx))); err != nil {
							return 0, err
						}
						if crash != "silent crash" {
							if err := durable.Yield(ctx, say(task, "streams")); err != nil { // events are no progress
								return 0, err
							}
							if err := durable.Flush(ctx); err != nil {
								return 0, err
							}
						}
						if crash != "hand-over" {
							w.Kill()
						}
						<-ctx.Done()
						return 0, ctx.Err()
					})
					if errors.Is(err, durable.ErrSuspended) {
						return err
					}
					if err == nil || !strings.Contains(err.Error(), "cut off 5 times") {
						t.Errorf("got %v", err)
					}
					return nil
				}
			}, Script: func(w *durabletest.World) {
				w.Begin("hello")
				ends(t, w, a2a.TaskStateCompleted)
				want := map[string]int{"attempt 1": 1, "attempt 2": 1, "attempt 3": 1, "attempt 4": 1, "attempt 5": 1}
				if got := w.Ledger(); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%v, want %v\n%s", got, want, w.Story())
				}
			}})
		})
	}
}

// TestThawed freezes a holder in a step for longer than its lease. Another run goes on. When it
// thaws, its result is refused, and it begins nothing more.
func TestThawed(t *testing.T) {
	var frozen atomic.Bool
	var after atomic.Int32 // steps that the thawed holder has begun
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			thawed := false
			for i := range 5 {
				_, err := durable.Do(ctx, fmt.Sprint(i), func(ctx context.Context) (string, error) {
					if thawed {
						after.Add(1)
					}
					err := w.Effect(ctx, fmt.Sprint(i))
					if i == 1 && frozen.CompareAndSwap(false, true) {
						thawed = true
						w.Freeze(10 * time.Minute)
					}
					return fmt.Sprint("by ", thawed), err
				})
				if err != nil {
					return err
				}
			}
			return nil
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
		time.Sleep(20 * time.Minute)
		if after.Load() > 0 {
			t.Errorf("the thawed holder has begun %d steps", after.Load())
		}
		want := map[string]int{"0": 1, "1": 2, "2": 1, "3": 1, "4": 1}
		if got := w.Ledger(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("effects %v, want %v\n%s", got, want, w.Story())
		}
		for _, e := range w.Entries() {
			if string(e.Result) == `"by true"` {
				t.Error("the thawed holder has recorded its result")
			}
		}
	})
}

// TestUnseen kills a run that has recorded something before it came to an event which the run before
// it had emitted in another branch. The event is emitted once all the same.
func TestUnseen(t *testing.T) {
	one(t, func(w *durabletest.World) durable.Func {
		var runs atomic.Int32
		return func(ctx context.Context, task *durable.Task) error {
			number := runs.Add(1)
			said := make(chan struct{})
			g := durable.NewGroup(ctx)
			g.Go("says", func(ctx context.Context) error {
				time.Sleep(time.Second)
				defer close(said)
				return errors.Join(durable.Yield(ctx, say(task, "once")), durable.Flush(ctx))
			})
			g.Go("works", func(ctx context.Context) error {
				for i := range 3 {
					if _, err := durable.Do(ctx, fmt.Sprint(i), func(ctx context.Context) (int, error) {
						if number == 1 {
							<-said
							w.Kill()
						} else if number == 2 && i == 1 {
							w.Kill() // before the other branch has come to its event
						}
						return 0, w.Effect(ctx, "work")
					}); err != nil {
						return err
					}
				}
				return nil
			})
			return g.Wait()
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
		if n := strings.Count(strings.Join(w.Events(), "\n"), "once"); n != 1 {
			t.Errorf("emitted %d times\n%s", n, w.Story())
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

// TestLimit refuses more entries than a journal has room for, in words.
func TestLimit(t *testing.T) {
	durabletest.Run(t, durabletest.Case{Agent: func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			for i := range 30 {
				if _, err := durable.Do(ctx, fmt.Sprint(i), effect(w, "work")); err != nil {
					if !strings.Contains(err.Error(), "20 entries at most") || i != 20 {
						t.Errorf("step %d: %v", i, err)
					}
					return err
				}
			}
			return nil
		}
	}, Script: func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateFailed)
		if w.Ledger()["work"] != 20 {
			t.Errorf("%v", w.Ledger())
		}
	}, Journal: run.JournalConfig{MaxEntries: 20}})
}

// TestInput gives the function the same in every run.
func TestInput(t *testing.T) {
	var seen []string
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, task *durable.Task) error {
			_, deadline := ctx.Deadline()
			call, _ := a2asrv.CallContextFrom(ctx)
			seen = append(seen, fmt.Sprint(task.ID == w.ID() || w.ID() == "", task.Message.Parts[0].Text(), task.User.Name, task.Metadata, deadline, call != nil))
			if _, err := run.Earlier(ctx, 3); err != nil {
				t.Errorf("a task that begins its context has nothing before it: %v", err)
			}
			return durable.Sleep(ctx, "night", 8*time.Hour)
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
	})
	if len(seen) != 2 || seen[0] != seen[1] {
		t.Errorf("seen %q", seen)
	}
}

// TestAlone runs a durable agent by the SDK's own means.
func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := durable.New(func(ctx context.Context, task *durable.Task) error {
			if err := durable.Sleep(ctx, "s", time.Hour); err != nil {
				return err
			}
			n, err := durable.Do(ctx, "n", func(context.Context) (int, error) { return 7, nil })
			if err != nil {
				return err
			}
			return durable.Yield(ctx, say(task, fmt.Sprint(n)))
		})
		slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
		m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hi"))
		var got []string
		for event, err := range x.Execute(t.Context(), &a2asrv.ExecutorContext{TaskID: "t", ContextID: "c", Message: m}) {
			if err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintf("%T", event)
			if s, ok := event.(*a2a.TaskStatusUpdateEvent); ok {
				line = string(s.Status.State)
			}
			got = append(got, line)
		}
		if want := []string{"*a2a.Task", "TASK_STATE_WORKING", "TASK_STATE_COMPLETED"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		for range x.Execute(t.Context(), &a2asrv.ExecutorContext{TaskID: "t", ContextID: "c", Message: m}) {
			break // the reader goes away
		}
	})
}
