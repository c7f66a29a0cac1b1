package durable_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
	"a2alambda/internal/run"
)

// refunder charges, waits, and refunds if the task is canceled meanwhile.
func refunder(w *durabletest.World) durable.Func {
	return func(ctx context.Context, t *durable.Task) error {
		if _, err := durable.Do(ctx, "charge", effect(w, "charge")); err != nil {
			return err
		}
		err := durable.Sleep(ctx, "wait", 48*time.Hour)
		if !errors.Is(err, durable.ErrCanceled) {
			return err
		}
		if _, err := durable.Do(ctx, "refund", effect(w, "refund")); err != nil {
			return err
		}
		return durable.Yield(ctx, say(t, "refunded"))
	}
}

// TestCancel lets the function undo what it did, and cancels the task then: in a suspended task and
// in one that waits in place, killed at each operation.
func TestCancel(t *testing.T) {
	durabletest.Test(t, durabletest.Case{Agent: refunder, Script: func(w *durabletest.World) {
		w.Begin("hello")
		w.Until("the charge", func() bool { return len(w.Entries()) >= 2 })
		w.Cancel()
		w.AwaitEnd()
	}, Check: func(t *testing.T, w *durabletest.World) {
		fault, _ := w.Fault()
		ledger := w.Ledger()
		if w.State() != a2a.TaskStateCanceled || ledger["refund"] < 1 || fault == durabletest.None && ledger["refund"] != 1 {
			t.Errorf("%s, %v", w.State(), ledger)
		}
	}})
}

// TestCancelOnce: the time to undo is half a minute. Then the task is canceled, whatever the
// function does.
func TestCancelOnce(t *testing.T) {
	for _, test := range []struct {
		name string
		f    func(w *durabletest.World) durable.Func
		most time.Duration
	}{
		{"nothing begun", func(w *durabletest.World) durable.Func {
			return func(ctx context.Context, t *durable.Task) error {
				time.Sleep(90 * time.Second)
				_, err := durable.Do(ctx, "a", effect(w, "a"))
				return err
			}
		}, 3 * time.Second},
		{"hangs while it undoes", func(w *durabletest.World) durable.Func {
			return func(ctx context.Context, _ *durable.Task) error {
				if _, err := durable.Do(ctx, "charge", effect(w, "charge")); err != nil {
					return err
				}
				err := durable.Sleep(ctx, "a", time.Hour)
				if !errors.Is(err, durable.ErrCanceled) {
					return err
				}
				return durable.Sleep(ctx, "b", time.Hour)
			}
		}, 33 * time.Second},
		{"swallows it", func(w *durabletest.World) durable.Func {
			return func(ctx context.Context, _ *durable.Task) error {
				for i := range 1000 {
					_ = durable.Sleep(ctx, fmt.Sprint(i), 20*time.Second)
				}
				return nil
			}
		}, 33 * time.Second},
		{"completes all the same", func(w *durabletest.World) durable.Func {
			return func(ctx context.Context, t *durable.Task) error {
				_ = durable.Sleep(ctx, "a", time.Hour)
				if err := durable.Yield(ctx, a2a.NewStatusUpdateEvent(t, a2a.TaskStateCompleted, nil)); !errors.Is(err, durable.ErrCanceled) {
					return fmt.Errorf("Yield returned %w", err)
				}
				return nil
			}
		}, 3 * time.Second},
		{"in a step", func(w *durabletest.World) durable.Func {
			return func(ctx context.Context, _ *durable.Task) error {
				_, err := durable.Do(ctx, "a", func(ctx context.Context) (int, error) {
					<-ctx.Done()
					return 0, ctx.Err()
				}, durable.Retry(3, time.Second))
				if !errors.Is(err, durable.ErrCanceled) {
					return fmt.Errorf("Do returned %w", err)
				}
				_, err = durable.Do(ctx, "undo", effect(w, "undo"))
				return err
			}
		}, 3 * time.Second},
		{"gives up after Once", func(w *durabletest.World) durable.Func {
			return func(ctx context.Context, _ *durable.Task) error {
				_, err := durable.Do(ctx, "a", func(ctx context.Context) (int, error) {
					<-ctx.Done()
					return 0, ctx.Err()
				}, durable.Once())
				return err
			}
		}, 3 * time.Second},
		{"in Once", func(w *durabletest.World) durable.Func {
			return func(ctx context.Context, _ *durable.Task) error {
				_, err := durable.Do(ctx, "a", func(ctx context.Context) (int, error) {
					<-ctx.Done()
					return 0, ctx.Err()
				}, durable.Once())
				if !errors.Is(err, durable.ErrInterrupted) {
					return fmt.Errorf("Do returned %w", err)
				}
				if _, err = durable.Do(ctx, "ask", effect(w, "ask")); !errors.Is(err, durable.ErrCanceled) {
					return fmt.Errorf("Do returned %w", err)
				}
				_, err = durable.Do(ctx, "undo", effect(w, "undo"))
				return err
			}
		}, 3 * time.Second},
		{"two branches", func(w *durabletest.World) durable.Func {
			return func(ctx context.Context, _ *durable.Task) error {
				g := durable.NewGroup(ctx)
				for i := range 2 {
					g.Go(fmt.Sprint(i), func(ctx context.Context) error { return durable.Sleep(ctx, "s", 24*time.Hour) })
				}
				if err := g.Wait(); !errors.Is(err, durable.ErrCanceled) {
					return fmt.Errorf("Wait returned %w", err)
				}
				_, err := durable.Do(ctx, "undo", effect(w, "undo"))
				return err
			}
		}, 3 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			one(t, test.f, func(w *durabletest.World) {
				w.Begin("hello")
				time.Sleep(2 * time.Second)
				begun := time.Now()
				w.Cancel()
				ends(t, w, a2a.TaskStateCanceled)
				if took := w.Task().Status.Timestamp.Sub(begun); took > test.most {
					t.Errorf("canceled after %v\n%s", took, w.Story())
				}
				if strings.HasPrefix(test.name, "in ") || test.name == "two branches" {
					if w.Ledger()["undo"] != 1 {
						t.Errorf("%v\n%s", w.Ledger(), w.Story())
					}
				}
				if s := w.Log.String(); strings.Contains(s, "Yield returned") || strings.Contains(s, "Do returned") || strings.Contains(s, "Wait returned") {
					t.Error(s)
				}
			})
		})
	}
}

// TestChanged parks a task whose code has changed, and goes on once the former code is back.
func TestChanged(t *testing.T) {
	type program = func(ctx context.Context, t *durable.Task, w *durabletest.World) error
	do := func(ctx context.Context, w *durabletest.World, names ...string) error {
		for _, name := range names {
			if _, err := durable.Do(ctx, name, effect(w, name)); err != nil {
				return err
			}
		}
		return nil
	}
	night := func(ctx context.Context) error { return durable.Sleep(ctx, "night", 8*time.Hour) }
	former := func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
		return errors.Join(do(ctx, w, "a"), durable.Yield(ctx, say(t, "x")), durable.Yield(ctx, chunk(t, "art", "y")), do(ctx, w, "b"), night(ctx), do(ctx, w, "c"))
	}
	for _, test := range []struct {
		name   string
		parked string // the step
		later  program
	}{
		{"renamed", "b2", func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			return errors.Join(do(ctx, w, "a"), durable.Yield(ctx, say(t, "x")), durable.Yield(ctx, chunk(t, "art", "y")), do(ctx, w, "b2"), night(ctx), do(ctx, w, "c"))
		}},
		{"inserted", "a2", func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			return errors.Join(do(ctx, w, "a", "a2"), durable.Yield(ctx, say(t, "x")), durable.Yield(ctx, chunk(t, "art", "y")), do(ctx, w, "b"), night(ctx), do(ctx, w, "c"))
		}},
		{"another type", "a", func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			_, err := durable.Do(ctx, "a", func(context.Context) (int, error) { return 1, nil })
			return err
		}},
		{"another kind of call", "b", func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			return errors.Join(do(ctx, w, "a"), durable.Yield(ctx, say(t, "x")), durable.Yield(ctx, chunk(t, "art", "y")), durable.Sleep(ctx, "b", time.Second))
		}},
		{"events in another order", `event 2 of branch ""`, func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			return errors.Join(do(ctx, w, "a"), durable.Yield(ctx, chunk(t, "art", "y")), durable.Yield(ctx, say(t, "x")), do(ctx, w, "b"), night(ctx), do(ctx, w, "c"))
		}},
		{"an event less", "b", func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			return errors.Join(do(ctx, w, "a"), durable.Yield(ctx, say(t, "x")), do(ctx, w, "b"), night(ctx), do(ctx, w, "c"))
		}},
		{"another branch", "g/b", func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			g := durable.NewGroup(ctx)
			g.Go("g", func(ctx context.Context) error { return do(ctx, w, "b") })
			return g.Wait()
		}},
		{"a renamed branch", "h/b", func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			if err := errors.Join(do(ctx, w, "a"), durable.Yield(ctx, say(t, "x")), durable.Yield(ctx, chunk(t, "art", "y"))); err != nil {
				return err
			}
			h := durable.NewGroup(ctx)
			h.Go("h", func(ctx context.Context) error { return do(ctx, w, "b") })
			return errors.Join(h.Wait(), do(ctx, w, "b"), night(ctx), do(ctx, w, "c"))
		}},
		{"a branch that comes later", "", func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			g := durable.NewGroup(ctx)
			g.Go("g", func(ctx context.Context) error { return do(ctx, w, "in the branch") })
			return errors.Join(former(ctx, t, w), g.Wait())
		}},
		{"appended", "", func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			return errors.Join(former(ctx, t, w), do(ctx, w, "d"))
		}},
		{"appended to the end of what was reached", "", func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			return errors.Join(do(ctx, w, "a"), durable.Yield(ctx, say(t, "x")), durable.Yield(ctx, chunk(t, "art", "y")), do(ctx, w, "b"), night(ctx), do(ctx, w, "between", "c"))
		}},
		{"never reached", "", func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			return errors.Join(do(ctx, w, "a"), durable.Yield(ctx, say(t, "x")), durable.Yield(ctx, chunk(t, "art", "y")))
		}},
		{"guarded", "", func(ctx context.Context, t *durable.Task, w *durabletest.World) error {
			v, err := durable.Version(ctx, "a2", 1)
			if err != nil || v != 0 {
				return fmt.Errorf("version %d, %w", v, err)
			}
			return former(ctx, t, w)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var later atomic.Bool
			one(t, func(w *durabletest.World) durable.Func {
				return func(ctx context.Context, t *durable.Task) error {
					if later.Load() {
						return test.later(ctx, t, w)
					}
					return former(ctx, t, w)
				}
			}, func(w *durabletest.World) {
				w.Begin("hello")
				w.Until("the suspension", func() bool { return w.Lease().Suspended })
				later.Store(true)
				time.Sleep(8*time.Hour + 30*time.Minute) // it is tried again after an hour
				if test.parked == "" {
					ends(t, w, a2a.TaskStateCompleted)
					if strings.Contains(w.Log.String(), "never reached") != (test.name == "never reached") {
						t.Error(w.Log.String())
					}
					return
				}
				entries := w.Entries()
				last := entries[len(entries)-1]
				if !w.Lease().Sleeps() || last.Kind != durable.Parked || last.Mismatch.Step != test.parked {
					t.Fatalf("not parked at %q: %+v\n%s", test.parked, last.Mismatch, w.Story())
				}
				if s := w.Log.String(); !strings.Contains(s, "task parked") || !strings.Contains(s, "parked=1") {
					t.Error(s)
				}
				later.Store(false)
				ends(t, w, a2a.TaskStateCompleted)
				for name, n := range w.Ledger() {
					if n != 1 {
						t.Errorf("%s happened %d times", name, n)
					}
				}
			})
		})
	}
}

// TestParkedTooLong fails a task that was parked for a week, after a few tries, or at once if the
// deployer wants it so. It can be canceled at any time.
func TestParkedTooLong(t *testing.T) {
	agent := func(w *durabletest.World) durable.Func {
		first := true
		return func(ctx context.Context, _ *durable.Task) error {
			name := "b"
			if first {
				first, name = false, "a"
			}
			if _, err := durable.Do(ctx, name, effect(w, name)); err != nil {
				return err
			}
			return durable.Sleep(ctx, "night", 8*time.Hour)
		}
	}
	one(t, agent, func(w *durabletest.World) {
		w.Begin("hello")
		begun := time.Now()
		ends(t, w, a2a.TaskStateFailed)
		if took := w.Task().Status.Timestamp.Sub(begun); took < 7*24*time.Hour || took > 8*24*time.Hour {
			t.Errorf("failed after %v", took)
		}
		if n := len(w.Entries()); n > 20 {
			t.Errorf("%d entries", n)
		}
	})
	one(t, agent, func(w *durabletest.World) {
		w.Begin("hello")
		time.Sleep(10 * time.Hour)
		w.Cancel()
		ends(t, w, a2a.TaskStateCanceled)
	})
	durabletest.Run(t, durabletest.Case{Agent: agent, Script: func(w *durabletest.World) {
		w.Begin("hello")
		begun := time.Now()
		ends(t, w, a2a.TaskStateFailed)
		if took := w.Task().Status.Timestamp.Sub(begun); took > 9*time.Hour {
			t.Errorf("failed after %v", took)
		}
	}, Journal: run.JournalConfig{FailOnMismatch: true}})
}

// TestCancelLate undoes what a task did that is canceled when its invocation has little time left: the
// next one does, at once.
func TestCancelLate(t *testing.T) {
	var undone time.Time
	durabletest.Run(t, durabletest.Case{Invocation: 5 * time.Minute, Agent: func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "buy", func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			})
			if errors.Is(err, durable.ErrCanceled) {
				_, err = durable.Do(ctx, "give back", effect(w, "give back"))
				undone = time.Now()
			}
			return err
		}
	}, Script: func(w *durabletest.World) {
		w.Begin("hello")
		time.Sleep(4*time.Minute + 35*time.Second)
		canceled := time.Now()
		w.Cancel()
		ends(t, w, a2a.TaskStateCanceled)
		if took := undone.Sub(canceled); w.Ledger()["give back"] != 1 || took > 10*time.Second {
			t.Errorf("undone after %v, %v\n%s", took, w.Ledger(), w.Story())
		}
	}})
}
