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
)

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
	for _, crash := range []string{"crash", "silent crash", "hand-over", "silent hand-over"} {
		t.Run(crash, func(t *testing.T) {
			durabletest.Run(t, durabletest.Case{Invocation: 3 * time.Minute, Agent: func(w *durabletest.World) durable.Func {
				return func(ctx context.Context, task *durable.Task) error {
					_, err := durable.Do(ctx, "bad", func(ctx context.Context) (int, error) {
						if err := w.Effect(ctx, fmt.Sprint("attempt ", durable.Attempt(ctx))); err != nil {
							return 0, err
						}
						if !strings.HasPrefix(crash, "silent") {
							if err := durable.Yield(ctx, say(task, "streams")); err != nil { // events are no progress
								return 0, err
							}
							if err := durable.Flush(ctx); err != nil {
								return 0, err
							}
						}
						if strings.HasSuffix(crash, "crash") {
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

// TestIdleCrashes fails a task whose holders crash again and again before they record anything.
func TestIdleCrashes(t *testing.T) {
	var runs atomic.Int32
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, task *durable.Task) error {
			runs.Add(1)
			if _, err := durable.Do(ctx, "first", effect(w, "first")); err != nil {
				return err
			}
			// It says something each time, which is no progress.
			if err := errors.Join(durable.Yield(ctx, say(task, "here")), durable.Flush(ctx)); err != nil {
				return err
			}
			w.Kill()
			<-ctx.Done()
			return ctx.Err()
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateFailed)
		if n := runs.Load(); n != 6 { // the first one has recorded something
			t.Errorf("%d runs", n)
		}
	})
}

// TestNoRoom hands a task over for a step that has too little time, but not for ever: if the code
// before it takes the time in each run, the step is begun all the same, or fails if it must not be cut
// off.
func TestNoRoom(t *testing.T) {
	for _, test := range []struct {
		name  string
		plain time.Duration // before the step
		opts  []durable.Option
		err   string
	}{
		{"slow code", 4*time.Minute + 30*time.Second, nil, ""},
		{"slow code and Once", 4*time.Minute + 30*time.Second, []durable.Option{durable.Once()}, "of an invocation only 25s are left"},
		{"Within is tight", time.Second, []durable.Option{durable.Within(5*time.Minute - 5500*time.Millisecond)}, "of an invocation only 4m54s are left"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var runs atomic.Int32
			durabletest.Run(t, durabletest.Case{Invocation: 5 * time.Minute, Agent: func(w *durabletest.World) durable.Func {
				return func(ctx context.Context, _ *durable.Task) error {
					if runs.Add(1) > 10 {
						return errors.New("handed over again and again")
					}
					if _, err := durable.Do(ctx, "first", effect(w, "first")); err != nil {
						return err
					}
					time.Sleep(test.plain)
					_, err := durable.Do(ctx, "second", effect(w, "second"), test.opts...)
					if errors.Is(err, durable.ErrSuspended) {
						return err
					}
					if test.err == "" && err == nil || test.err != "" && err != nil && strings.Contains(err.Error(), test.err) {
						return nil
					}
					return fmt.Errorf("got %w, want %q", err, test.err)
				}
			}, Script: func(w *durabletest.World) {
				w.Begin("hello")
				ends(t, w, a2a.TaskStateCompleted)
				if runs.Load() != 2 {
					t.Errorf("%d runs", runs.Load())
				}
			}})
		})
	}
}
