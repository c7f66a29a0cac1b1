package run_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestCancel checks that a task that is to be canceled is canceled, whatever its executor does.
func TestCancel(t *testing.T) {
	for name, test := range map[string]struct {
		cancel executor
		want   []string
	}{
		"says so": {func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			if ec.Message != nil || ec.StoredTask.Status.State != a2a.TaskStateWorking {
				t.Errorf("canceled with %+v", ec)
			}
			yield(status(ec, a2a.TaskStateCanceled), nil)
		}, []string{"WORKING", "CANCELED"}},
		"says nothing": {func(context.Context, *a2asrv.ExecutorContext, func(a2a.Event, error) bool) {}, []string{"WORKING", "CANCELED"}},
		"asks": {func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			yield(status(ec, a2a.TaskStateInputRequired), nil)
		}, []string{"WORKING", "INPUT_REQUIRED", "CANCELED"}},
		"fails": {func(_ context.Context, _ *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			yield(nil, errors.New("no"))
		}, []string{"WORKING", "CANCELED"}},
		"panics": {func(context.Context, *a2asrv.ExecutorContext, func(a2a.Event, error) bool) { panic("no") }, []string{"WORKING", "CANCELED"}},
		"hangs":  {func(ctx context.Context, _ *a2asrv.ExecutorContext, _ func(a2a.Event, error) bool) { <-ctx.Done() }, []string{"WORKING", "CANCELED"}},
		"ignores everything": {func(context.Context, *a2asrv.ExecutorContext, func(a2a.Event, error) bool) {
			time.Sleep(time.Minute)
		}, []string{"WORKING", "CANCELED"}},
		"has failed": {func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			yield(status(ec, a2a.TaskStateFailed), nil)
		}, []string{"WORKING", "FAILED"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(memlog.Log)
				r, h := start(t, t.Context(), l, new(bytes.Buffer), canceler{cancel: test.cancel, executor: func(
					ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool,
				) {
					yield(status(ec, a2a.TaskStateWorking), nil)
					<-ctx.Done()
					yield(status(ec, a2a.TaskStateFailed), nil) // too late
				}})
				time.Sleep(time.Minute)
				if err := l.RequestCancel(t.Context(), h); err != nil {
					t.Fatal(err)
				}
				if err := r.Wait(); err != nil {
					t.Fatal(err)
				}
				if got := describe(t, l, h.ID); !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
				time.Sleep(2 * time.Minute) // for executors that were abandoned
			})
		})
	}
}

// TestOutcomes checks how a task ends, for all that an executor may do.
func TestOutcomes(t *testing.T) {
	for _, test := range []struct {
		name   string
		run    executor
		want   []string
		logged string
	}{
		{
			"completes", func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				_ = yield(a2a.NewSubmittedTask(ec, ec.Message), nil) &&
					yield(status(ec, a2a.TaskStateWorking), nil) &&
					yield(status(ec, a2a.TaskStateCompleted), nil) &&
					yield(status(ec, a2a.TaskStateFailed), nil)
			}, []string{"WORKING", "COMPLETED"}, "",
		},
		{
			"ends in auth-required", func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				if yield(status(ec, a2a.TaskStateAuthRequired), nil) {
					t.Error("the executor was asked for more")
				}
			}, []string{"AUTH_REQUIRED"}, "",
		},
		{
			"answers with a message", func(_ context.Context, _ *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart("hi")), nil)
			}, []string{"COMPLETED: hi"}, "",
		},
		{
			"begins with a task that says more", func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				task := a2a.NewSubmittedTask(ec, ec.Message)
				task.Metadata = map[string]any{"a": 1}
				task.Status.State = a2a.TaskStateCompleted
				yield(task, nil)
			}, []string{"task TASK_STATE_COMPLETED"}, "",
		},
		{
			"leaves out what is known", func(_ context.Context, _ *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(&a2a.TaskStatusUpdateEvent{Status: a2a.TaskStatus{State: a2a.TaskStateCompleted}}, nil)
			}, []string{"COMPLETED"}, "",
		},
		{
			"reuses an event", func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				e := a2a.NewArtifactEvent(ec, a2a.NewTextPart("one"))
				yield(e, nil)
				e.Append, e.Artifact.Parts[0].Content = true, a2a.Text("two")
				yield(e, nil)
				e.Artifact.Parts[0].Content = a2a.Text("three")
				yield(status(ec, a2a.TaskStateCompleted), nil)
			}, []string{"artifact one", "artifact two", "COMPLETED"}, "",
		},
		{
			"says nothing", func(context.Context, *a2asrv.ExecutorContext, func(a2a.Event, error) bool) {},
			[]string{unfinished}, "",
		},
		{
			"stops halfway", func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(status(ec, a2a.TaskStateWorking), nil)
			}, []string{"WORKING", unfinished}, "",
		},
		{
			"fails", func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(status(ec, a2a.TaskStateWorking), nil)
				yield(nil, errors.New("secret cause"))
			}, []string{"WORKING", failed}, "secret cause",
		},
		{
			"panics", func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(status(ec, a2a.TaskStateWorking), nil)
				panic("secret cause")
			}, []string{"WORKING", failed}, "secret cause",
		},
		{
			"ends its goroutine", func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(status(ec, a2a.TaskStateWorking), nil)
				runtime.Goexit()
			}, []string{"WORKING", failed}, "ended its goroutine",
		},
		{
			"yields nil", func(_ context.Context, _ *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(nil, nil)
			}, []string{failed}, "invalid agent response",
		},
		{
			"yields a nil message", func(_ context.Context, _ *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield((*a2a.Message)(nil), nil)
			}, []string{failed}, "invalid agent response",
		},
		{
			"yields a nil status", func(_ context.Context, _ *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield((*a2a.TaskStatusUpdateEvent)(nil), nil)
			}, []string{failed}, "invalid agent response",
		},
		{
			"yields an empty artifact", func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(a2a.NewArtifactEvent(ec), nil)
			}, []string{failed}, "invalid agent response",
		},
		{
			"yields no state", func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(status(ec, ""), nil)
			}, []string{failed}, "invalid agent response",
		},
		{
			"speaks of another task", func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(a2a.NewStatusUpdateEvent(a2a.TaskInfo{TaskID: "other", ContextID: ec.ContextID}, a2a.TaskStateWorking, nil), nil)
			}, []string{failed}, "invalid agent response",
		},
		{
			"yields what has no JSON", func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(a2a.NewArtifactEvent(ec, a2a.NewDataPart(func() {})), nil)
			}, []string{failed}, "unsupported type",
		},
		{
			"is told of the deadline", func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(status(ec, a2a.TaskStateWorking), nil)
				<-ctx.Done()
				yield(nil, ctx.Err())
			}, []string{"WORKING", outOfTime}, "out of time",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(memlog.Log)
				var logs bytes.Buffer
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				r, h := start(t, ctx, l, &logs, test.run)
				if err := r.Wait(); err != nil {
					t.Fatal(err)
				}
				got := describe(t, l, h.ID)
				if !slices.Equal(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
				if strings.Contains(strings.Join(got, ""), "secret") || !strings.Contains(logs.String(), test.logged) {
					t.Errorf("got %q, logged %q", got, &logs)
				}
				r.Tap.End()
				var shown []tasklog.Event
				for {
					events, err := r.Tap.Next(t.Context())
					if err != nil {
						break
					}
					shown = append(shown, events...)
				}
				if len(shown) != len(test.want) {
					t.Errorf("%d events were shown, %d are in the log", len(shown), len(test.want))
				}
			})
		})
	}
}

func TestManyEvents(t *testing.T) {
	const n = 10_000
	l := new(memlog.Log)
	r, h := start(t, t.Context(), l, new(bytes.Buffer), executor(
		func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			for range n {
				yield(status(ec, a2a.TaskStateWorking), nil)
			}
			yield(status(ec, a2a.TaskStateCompleted), nil)
		}))
	if err := r.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := describe(t, l, h.ID); len(got) != n+1 || got[n] != "COMPLETED" {
		t.Errorf("%d events, the last is %s", len(got), got[len(got)-1])
	}
}

// TestGoesOnWithoutClient checks that a request that is cancelled does not cancel its run.
func TestGoesOnWithoutClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		ctx, cancel := context.WithCancel(t.Context())
		r, h := start(t, ctx, l, new(bytes.Buffer), executor(
			func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				cancel()
				time.Sleep(time.Second)
				if ctx.Err() != nil {
					t.Error("the executor was cancelled")
				}
				yield(status(ec, a2a.TaskStateCompleted), nil)
			}))
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		if got := describe(t, l, h.ID); !slices.Equal(got, []string{"COMPLETED"}) {
			t.Errorf("got %q", got)
		}
	})
}

// TestIgnoresContext has an executor that ignores the end of its context. The run abandons it, and
// takes no more of its events.
func TestIgnoresContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		var logs bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		var more atomic.Bool
		more.Store(true)
		r, h := start(t, ctx, l, &logs, executor(
			func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(status(ec, a2a.TaskStateWorking), nil)
				time.Sleep(2 * time.Minute)
				more.Store(yield(status(ec, a2a.TaskStateCompleted), nil))
			}))
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took >= time.Minute {
			t.Errorf("the run took %v, longer than its invocation", took)
		}
		time.Sleep(3 * time.Minute)
		if got := describe(t, l, h.ID); !slices.Equal(got, []string{"WORKING", outOfTime}) || more.Load() {
			t.Errorf("got %q, and was asked for more: %v", got, more.Load())
		}
		if !strings.Contains(logs.String(), "ignores") {
			t.Errorf("logged %s", &logs)
		}
	})
}

// fenced returns the store as a run sees it after others have taken its tasks over.
func fenced(l tasklog.Store) tasklog.Store {
	return tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Lease.Append", Do: tasklogtest.Fails(tasklog.ErrConflict)})
}

// TestFenced checks that a superseded run stops its executor, even a silent one, and appends
// nothing.
func TestFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := fenced(new(memlog.Log))
		var cause error
		r, h := start(t, t.Context(), l, new(bytes.Buffer), executor(
			func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(status(ec, a2a.TaskStateWorking), nil)
				<-ctx.Done()
				cause = context.Cause(ctx)
			}))
		if err := r.Wait(); !errors.Is(err, tasklog.ErrConflict) || !errors.Is(cause, tasklog.ErrConflict) {
			t.Errorf("the run ended with %v, its executor's context with %v", err, cause)
		}
		if got := describe(t, l, h.ID); len(got) != 0 {
			t.Errorf("got %q", got)
		}
	})
}

// cleaner is an executor that tidies up.
type cleaner struct {
	executor
	cleaned []string
}

func (c *cleaner) Cleanup(_ context.Context, _ *a2asrv.ExecutorContext, result a2a.SendMessageResult, err error) {
	c.cleaned = append(c.cleaned, fmt.Sprint(result.(*a2a.Task).Status.State, " ", err))
}

func TestCleanup(t *testing.T) {
	c := &cleaner{executor: func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		yield(nil, errors.New("oh"))
	}}
	r, _ := start(t, t.Context(), new(memlog.Log), new(bytes.Buffer), c)
	if err := r.Wait(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"TASK_STATE_FAILED oh"}; !slices.Equal(c.cleaned, want) {
		t.Errorf("got %q, want %q", c.cleaned, want)
	}
}

// TestSaysTooMuch checks that a task fails if its agent says more than a task may hold. The error
// has the limit, and the task can be read.
func TestSaysTooMuch(t *testing.T) {
	objects := make([]any, 50_000)
	for i := range objects {
		objects[i] = map[string]any{}
	}
	for name, test := range map[string]struct {
		part *a2a.Part
		want string
		n    int // how many events fit in, besides the last
	}{
		"one event":  {a2a.NewRawPart(make([]byte, 9<<20)), "one event may have 10 MB", 0},
		"all events": {a2a.NewTextPart(strings.Repeat("x", 9<<20)), "the events of a task may have 64 MB together", 7},
		"values":     {a2a.NewDataPart(objects), "the events of a task may have 400000 values together", 7},
	} {
		t.Run(name, func(t *testing.T) {
			l := new(memlog.Log)
			r, h := start(t, t.Context(), l, new(bytes.Buffer), executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				for yield(a2a.NewArtifactEvent(ec, test.part), nil) {
				}
			}))
			if err := r.Wait(); err != nil {
				t.Fatal(err)
			}
			s, err := l.Load(t.Context(), h.ID)
			if err != nil {
				t.Fatal(err)
			}
			said := s.Task.Status.Message.Parts[0].Text()
			if s.Task.Status.State != a2a.TaskStateFailed || !strings.Contains(said, test.want) || len(s.Task.Artifacts) != test.n {
				t.Errorf("%s with %q and %d artifacts, want %d", s.Task.Status.State, said, len(s.Task.Artifacts), test.n)
			}
		})
	}
}
