package run_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/internal/trace"
)

// executor is an agent's Execute, as a function.
type executor func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool)

func (x executor) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) { x(ctx, ec, yield) }
}

func (x executor) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	panic("not called")
}

// canceler is an executor that says something when it is canceled.
type canceler struct {
	executor
	cancel executor
}

func (c canceler) Cancel(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return c.cancel.Execute(ctx, ec)
}

// runner returns a runner whose requests for workers are lost.
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
	return createBy(t, l, "w", h, first)
}

// createBy is create by a writer that others can ask. See [run.Runner.Writer].
func createBy(t *testing.T, l tasklog.Store, writer string, h tasklog.Head, first tasklog.Entry) run.Turn {
	t.Helper()
	until := time.Now().Add(run.LeaseTime)
	lease, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: writer, Until: until, Request: request})
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
	r := runner(l, logs, x)
	return r.Start(ctx, createBy(t, l, r.Writer(), h, first), run.Reader), h
}

// orphan returns a task whose holder has crashed after it had reached the states.
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

// describe returns the events in a task's log after the first, one per line.
func describe(t *testing.T, l tasklog.Reader, id a2a.TaskID) (lines []string) {
	t.Helper()
	var events []tasklog.Event
	for after := int64(1); ; after = events[len(events)-1].Seq {
		some, _, err := l.Read(t.Context(), id, after, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			break
		}
		events = append(events, some...)
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
