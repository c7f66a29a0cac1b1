package durable_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
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
		{"scope in a step", "a scope is made inside of the step", func(ctx context.Context, task *durable.Task) error {
			_, err := durable.Do(ctx, "a", func(ctx context.Context) (int, error) {
				return 0, durable.Yield(durable.Scope(ctx, "s"), say(task, "x"))
			})
			return err
		}},
		{"outer context in a branch", "waited for while its branch is in", func(ctx context.Context, _ *durable.Task) error {
			begun := make(chan struct{})
			g := durable.NewGroup(ctx)
			g.Go("b", func(context.Context) error {
				_, err := durable.Do(ctx, "a", func(context.Context) (int, error) {
					close(begun)
					time.Sleep(time.Second)
					return 0, nil
				})
				return err
			})
			<-begun
			return g.Wait()
		}},
		{"yield with the outer context in a branch", "use the context that they get", func(ctx context.Context, task *durable.Task) error {
			g := durable.NewGroup(ctx)
			g.Go("b", func(context.Context) error {
				time.Sleep(time.Second)
				return durable.Yield(ctx, say(task, "x"))
			})
			return g.Wait()
		}},
		{"yield in a branch that has returned", "or has returned", func(ctx context.Context, task *durable.Task) error {
			var inside context.Context
			g := durable.NewGroup(ctx)
			g.Go("b", func(ctx context.Context) error { inside = ctx; return nil })
			return errors.Join(g.Wait(), durable.Yield(inside, say(task, "x")))
		}},
		{"yield while the branch sleeps", `outside of the step "nap"`, func(ctx context.Context, task *durable.Task) error {
			said := make(chan error, 1)
			go func() {
				time.Sleep(time.Second)
				said <- durable.Yield(ctx, say(task, "x"))
			}()
			return errors.Join(durable.Sleep(ctx, "nap", 10*time.Second), <-said)
		}},
		{"waiting for a group in its branch", "waits for others", func(ctx context.Context, _ *durable.Task) error {
			g := durable.NewGroup(ctx)
			g.Go("b", func(context.Context) error {
				time.Sleep(time.Second)
				return g.Wait()
			})
			return g.Wait()
		}},
		{"waiting for two groups at once", "waits for others", func(ctx context.Context, _ *durable.Task) error {
			one, other := durable.NewGroup(ctx), durable.NewGroup(ctx)
			slow := func(ctx context.Context) error { return durable.Sleep(ctx, "nap", 10*time.Second) }
			one.Go("b", slow)
			other.Go("c", slow)
			waited := make(chan error, 1)
			go func() { waited <- one.Wait() }()
			time.Sleep(time.Second)
			return errors.Join(other.Wait(), <-waited)
		}},
		{"a group that is not made", "not that of a durable agent", func(context.Context, *durable.Task) error {
			var g durable.Group
			g.Go("b", func(context.Context) error { return nil })
			return g.Wait()
		}},
		{"a nil pointer as an error", "a: panic", func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "a", func(context.Context) (int, error) { return 0, (*durable.StepError)(nil) }, nil)
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

// TestPanics has an author's code panic, or end its goroutine, in each place where the engine calls
// it: its task fails, and the process, in which others run, goes on.
func TestPanics(t *testing.T) {
	for end, how := range map[string]func(){"panic": func() { panic("oh") }, "Goexit": runtime.Goexit} {
		for place, f := range map[string]durable.Func{
			"function": func(context.Context, *durable.Task) error { how(); return nil },
			"step": func(ctx context.Context, _ *durable.Task) error {
				_, err := durable.Do(ctx, "a", func(context.Context) (int, error) { how(); return 0, nil })
				return err
			},
			"branch": func(ctx context.Context, _ *durable.Task) error {
				g := durable.NewGroup(ctx)
				g.Go("b", func(context.Context) error { how(); return nil })
				g.Go("c", func(ctx context.Context) error {
					_, err := durable.Do(ctx, "a", func(context.Context) (int, error) { return 0, nil })
					return err
				})
				return g.Wait()
			},
		} {
			t.Run(end+" in a "+place, func(t *testing.T) {
				one(t, func(*durabletest.World) durable.Func { return f }, func(w *durabletest.World) {
					w.Begin("hello")
					ends(t, w, a2a.TaskStateFailed)
				})
			})
		}
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

// TestInput gives the function the same in every run.
func TestInput(t *testing.T) {
	var seen []string
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, task *durable.Task) error {
			_, deadline := ctx.Deadline()
			call, _ := a2asrv.CallContextFrom(ctx)
			seen = append(seen, fmt.Sprint(task.ID == w.ID() || w.ID() == "", task.Message.Parts[0].Text(), task.Message.Metadata, task.User.Name, task.Metadata, deadline, call != nil))
			task.Message.Parts[0], task.Message.Metadata = a2a.NewTextPart("changed"), map[string]any{"changed": true}
			if shown := w.Task(); shown.History[0].Parts[0].Text() != "hello" {
				t.Errorf("the agent has changed what clients see: %+v", shown.History[0])
			}
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
