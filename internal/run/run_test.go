package run_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
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

	"a2alambda/internal/memlog"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// executor is what an agent does, as a function.
type executor func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool)

func (x executor) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) { x(ctx, ec, yield) }
}

func (x executor) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	panic("not called")
}

// canceler is an executor that has something to say when it is canceled.
type canceler struct {
	executor
	cancel executor
}

func (c canceler) Cancel(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return c.cancel.Execute(ctx, ec)
}

// TestCancel checks that a canceled task is canceled, whatever its executor says to it.
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
					yield(status(ec, a2a.TaskStateFailed), nil) // which nobody asked
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
				time.Sleep(2 * time.Minute) // for whoever was left to itself
			})
		})
	}
}

// start starts a turn of a new task.
func start(t *testing.T, ctx context.Context, l tasklog.Log, logs *bytes.Buffer, x a2asrv.AgentExecutor) (*run.Run, tasklog.Head) {
	t.Helper()
	h, first := tasklogtest.NewTask()
	if err := l.Create(t.Context(), h, "w", time.Now().Add(run.LeaseTime), first); err != nil {
		t.Fatal(err)
	}
	fold := tasklog.NewFold(nil, 0)
	fold.Add(tasklog.Event{Seq: 1, JSON: first})
	r := &run.Runner{Log: l, Executor: x, Logger: slog.New(slog.NewTextHandler(logs, nil))}
	r.Invoke = func(context.Context, a2a.TaskID) error { return nil }
	return r.Start(ctx, run.Turn{
		Head: h, Writer: "w", Until: time.Now().Add(run.LeaseTime), Fold: fold, Watched: true,
		Context: &a2asrv.ExecutorContext{
			TaskID: h.ID, ContextID: h.ContextID,
			Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hello")),
		},
	}), h
}

// describe returns the events of a task in the log after the first, one a line.
func describe(t *testing.T, l tasklog.Log, id a2a.TaskID) (lines []string) {
	t.Helper()
	events, err := l.Read(t.Context(), id, 1, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		event, err := tasklog.Decode(e.JSON)
		if err != nil {
			t.Fatal(err)
		}
		var line string
		switch e := event.(type) {
		case *a2a.Task:
			line = fmt.Sprint("task ", e.Status.State)
		case *a2a.TaskStatusUpdateEvent:
			line = string(e.Status.State)
			if m := e.Status.Message; m != nil {
				line += ": " + m.Parts[0].Text()
			}
			if e.Status.Timestamp == nil {
				line += " without time"
			}
		case *a2a.TaskArtifactUpdateEvent:
			line = "artifact " + e.Artifact.Parts[0].Text()
		}
		if info := event.TaskInfo(); info.TaskID != id {
			line += fmt.Sprint(" of task ", info.TaskID)
		}
		lines = append(lines, strings.TrimPrefix(line, "TASK_STATE_"))
	}
	return lines
}

const (
	failed     = "FAILED: The agent failed to process this message."
	unfinished = "FAILED: The agent stopped before the task was finished."
	outOfTime  = "FAILED: The agent ran out of time."
)

func status(ec *a2asrv.ExecutorContext, s a2a.TaskState) *a2a.TaskStatusUpdateEvent {
	return a2a.NewStatusUpdateEvent(ec, s, nil)
}

// TestOutcomes checks what becomes of a task, whatever its executor does.
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

// TestIgnoresContext has an executor that notices nothing: it is left to itself, and nothing that it yields counts any more.
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

// resumer is an executor that can resume.
type resumer struct{ executor }

func (x resumer) Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		_ = yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, a2a.NewMessageForTask(a2a.MessageRoleAgent, ec,
			a2a.NewTextPart("resumed after "+string(ec.StoredTask.Status.State)))), nil) &&
			yield(status(ec, a2a.TaskStateCompleted), nil)
	}
}

// TestThawed freezes a run for longer than its lease, while another instance takes its task over: when it wakes up, it appends
// nothing, also if it has not been told yet.
func TestThawed(t *testing.T) {
	for _, canResume := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := new(memlog.Log)
			frozen := &freezer{Log: l}
			var x a2asrv.AgentExecutor = executor(
				func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
					yield(status(ec, a2a.TaskStateWorking), nil)
					time.Sleep(20 * time.Second)
					yield(status(ec, a2a.TaskStateCompleted), nil)
				})
			want := []string{"WORKING", "FAILED: The agent was interrupted and cannot resume."}
			if canResume {
				x = resumer{x.(executor)}
				want = []string{"WORKING", "WORKING: resumed after TASK_STATE_WORKING", "COMPLETED"}
			}
			old, h := start(t, t.Context(), frozen, new(bytes.Buffer), x)
			time.Sleep(time.Second)
			frozen.freeze(18 * time.Second)
			time.Sleep(16 * time.Second)
			other := &run.Runner{Log: l, Executor: x, Logger: slog.New(slog.DiscardHandler)}
			next, err := other.Resume(t.Context(), h.ID)
			if err != nil || (next != nil) != canResume {
				t.Fatalf("resuming: %v, %v", next, err)
			}
			if next != nil {
				if err := next.Wait(); err != nil {
					t.Fatal(err)
				}
			}
			if err := old.Wait(); err == nil {
				t.Error("the run that was frozen does not know that it has lost its lease")
			}
			if got := describe(t, l, h.ID); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestCutOffAtOnce has a run cut off before its executor has said anything: it begins anew.
func TestCutOffAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		h, first := tasklogtest.NewTask()
		if err := l.Create(t.Context(), h, "dead", time.Now().Add(run.LeaseTime), first); err != nil {
			t.Fatal(err)
		}
		time.Sleep(run.LeaseTime)
		r := &run.Runner{Log: l, Logger: slog.New(slog.DiscardHandler), Executor: resumer{
			func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				if ec.StoredTask != nil || ec.Message == nil {
					t.Errorf("executed with %+v", ec)
				}
				yield(status(ec, a2a.TaskStateCompleted), nil)
			},
		}}
		if err := r.Work(t.Context(), h.ID); err != nil {
			t.Fatal(err)
		}
		if got := describe(t, l, h.ID); !slices.Equal(got, []string{"COMPLETED"}) {
			t.Errorf("got %q", got)
		}
	})
}

// freezer is a log that its instance can't reach while it is frozen.
type freezer struct {
	tasklog.Log
	mu    sync.Mutex
	until time.Time
}

func (f *freezer) freeze(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.until = time.Now().Add(d)
}

func (f *freezer) wait() {
	f.mu.Lock()
	until := f.until
	f.mu.Unlock()
	time.Sleep(time.Until(until))
}

func (f *freezer) Append(ctx context.Context, b tasklog.Batch) error {
	f.wait()
	return f.Log.Append(ctx, b)
}

func (f *freezer) Renew(ctx context.Context, h tasklog.Head, writer string, until time.Time) (tasklog.Asked, error) {
	f.wait()
	return f.Log.Renew(ctx, h, writer, until)
}

// fenced is a log in which somebody else has taken over the task.
type fenced struct{ memlog.Log }

func (f *fenced) Append(context.Context, tasklog.Batch) error { return tasklog.ErrConflict }

// TestFenced checks that a run that is no longer the task's writer stops its executor, silent as it may be, and writes nothing.
func TestFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(fenced)
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

// marks is a log that remembers which events were appended with the mark that webhooks are to be told.
type marks struct {
	memlog.Log
	marked []int64
}

func (m *marks) Append(ctx context.Context, b tasklog.Batch) error {
	if b.Push {
		m.marked = append(m.marked, b.First)
	}
	return m.Log.Append(ctx, b)
}

// TestPushInTheMiddle gives a task its first push notification configuration while it runs.
func TestPushInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(marks)
		r, h := start(t, t.Context(), l, new(bytes.Buffer), executor(
			func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				yield(status(ec, a2a.TaskStateWorking), nil)
				time.Sleep(10 * time.Second)
				yield(status(ec, a2a.TaskStateWorking), nil)
				yield(status(ec, a2a.TaskStateCompleted), nil)
			}))
		time.Sleep(5 * time.Second)
		if err := l.Pushes().Put(t.Context(), h, pushtest.NewConfig(h, "c", "https://example.com")); err != nil {
			t.Fatal(err)
		}
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		if len(l.marked) == 0 || l.marked[0] != 3 {
			t.Errorf("marked are %v, want those from event 3 on", l.marked)
		}
	})
}

// TestSaysTooMuch checks that the task of an agent that says more than a task may hold fails, with the figure, and can be read.
func TestSaysTooMuch(t *testing.T) {
	objects := make([]any, 50_000)
	for i := range objects {
		objects[i] = map[string]any{}
	}
	for name, test := range map[string]struct {
		part *a2a.Part
		want string
		n    int // events that there is room for, besides the last
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
