package run_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
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
	"a2alambda/internal/trace"
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

// runner returns a runner that loses all that it asks of workers.
func runner(l tasklog.Store, logs io.Writer, x a2asrv.AgentExecutor) *run.Runner {
	return run.New(run.Config{
		Store: l, Executor: x, Logger: slog.New(slog.NewTextHandler(logs, nil)),
		Invoke: func(context.Context, a2a.TaskID) error { return nil },
	})
}

var request = tasklog.Request{Trace: trace.Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")}

// create creates a task, and returns its turn.
func create(t *testing.T, l tasklog.Store, h tasklog.Head, first tasklog.Entry) run.Turn {
	t.Helper()
	until := time.Now().Add(run.LeaseTime)
	lease, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: until, Request: request})
	if err != nil {
		t.Fatal(err)
	}
	fold := tasklog.NewFold(nil, 0)
	fold.Add(tasklog.Event{Seq: 1, JSON: first.JSON})
	return run.Turn{
		Head: h, Request: request, Lease: lease, Until: until, Fold: fold, Size: first.Size(),
		Context: &a2asrv.ExecutorContext{
			TaskID: h.ID, ContextID: h.ContextID,
			Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hello")),
		},
	}
}

// start starts a turn of a new task.
func start(
	t *testing.T, ctx context.Context, l tasklog.Store, logs io.Writer, x a2asrv.AgentExecutor,
) (*run.Run, tasklog.Head) {
	t.Helper()
	h, first := tasklogtest.NewTask()
	return runner(l, logs, x).Start(ctx, create(t, l, h, first), run.Reader), h
}

// orphan returns a task whose holder has crashed after it had brought the states.
func orphan(t *testing.T, l tasklog.Store, states ...a2a.TaskState) tasklog.Head {
	t.Helper()
	h, first := tasklogtest.NewTask()
	lease := create(t, l, h, first).Lease
	for i, s := range states {
		if err := lease.Append(t.Context(), int64(i)+2, []tasklog.Entry{tasklogtest.Status(h, s, "")}); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(run.LeaseTime)
	return h
}

// describe returns the events of a task in the log after the first, one a line.
func describe(t *testing.T, l tasklog.Reader, id a2a.TaskID) (lines []string) {
	t.Helper()
	events, _, err := l.Read(t.Context(), id, 1, 100_000)
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

// TestIgnoresContext has an executor that notices nothing: it is left to itself, and nothing that it
// yields counts any more.
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

// TestThawed freezes a run for longer than its lease, while another instance takes its task over:
// when it wakes up, it appends nothing, also if it has not been told yet.
func TestThawed(t *testing.T) {
	for _, canResume := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := new(memlog.Log)
			var thaws atomic.Pointer[time.Time]
			thaws.Store(new(time.Time))
			wait := func(context.Context, tasklog.Op) error {
				time.Sleep(time.Until(*thaws.Load()))
				return nil
			}
			frozen := tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Lease.Append", Do: wait},
				tasklogtest.Fault{Op: "Lease.Renew", Do: wait}, tasklogtest.Fault{Op: "Lease.Asked", Do: wait})
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
			thaw := time.Now().Add(18 * time.Second)
			thaws.Store(&thaw)
			time.Sleep(16 * time.Second)
			next, err := runner(l, io.Discard, x).Resume(t.Context(), h.ID)
			if err != nil || (next != nil) != canResume {
				t.Fatalf("resuming: %v, %v", next, err)
			}
			if next != nil {
				if err := next.Wait(); err != nil {
					t.Fatal(err)
				}
			}
			if err := old.Wait(); !run.Superseded(err) {
				t.Errorf("the run that was frozen ended with %v", err)
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
		h := orphan(t, l)
		r := runner(l, io.Discard, resumer{
			func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				if ec.StoredTask != nil || ec.Message == nil {
					t.Errorf("executed with %+v", ec)
				}
				yield(status(ec, a2a.TaskStateCompleted), nil)
			},
		})
		if err := r.Work(t.Context(), h.ID); err != nil {
			t.Fatal(err)
		}
		if got := describe(t, l, h.ID); !slices.Equal(got, []string{"COMPLETED"}) {
			t.Errorf("got %q", got)
		}
	})
}

// fenced returns the store as somebody sees it whose tasks others have taken over.
func fenced(l tasklog.Store) tasklog.Store {
	return tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Lease.Append", Do: tasklogtest.Fails(tasklog.ErrConflict)})
}

// TestFenced checks that a run that was superseded stops its executor, silent as it may be, and
// appends nothing.
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

// TestSaysTooMuch checks that the task of an agent that says more than a task may hold fails, with
// the figure, and can be read.
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
