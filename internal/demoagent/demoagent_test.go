package demoagent_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/demoagent"
)

// run returns the executor's events for the message, one per line, each with the time since the
// start.
func run(ctx context.Context, x *demoagent.Executor, stored *a2a.Task, parts ...*a2a.Part) (lines []string) {
	ec := &a2asrv.ExecutorContext{
		TaskID: "t", ContextID: "c", StoredTask: stored,
		Message: a2a.NewMessage(a2a.MessageRoleUser, parts...),
	}
	return describe(x.Execute(ctx, ec))
}

func describe(events iter.Seq2[a2a.Event, error]) (lines []string) {
	start := time.Now()
	for event, err := range events {
		line := fmt.Sprintf("%v ", time.Since(start))
		switch e := event.(type) {
		case nil:
			line += "error " + err.Error()
		case *a2a.Task:
			line += fmt.Sprint("task ", e.Status.State)
		case *a2a.TaskStatusUpdateEvent:
			line += fmt.Sprint("status ", e.Status.State)
			if m := e.Status.Message; m != nil {
				line += fmt.Sprint(" ", m.Role, " ", m.Parts[0].Text())
			}
		case *a2a.TaskArtifactUpdateEvent:
			line += fmt.Sprint("artifact ", e.Artifact.Name, " ", e.Artifact.Parts[0].Text())
			if !e.LastChunk {
				line += " and more to come"
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func check(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestExecute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &demoagent.Executor{Stream: demoagent.New().Stream}
		check(t, run(t.Context(), x, nil, a2a.NewTextPart("Stream me"), a2a.NewDataPart(1), a2a.NewTextPart("a response!")),
			"0s task TASK_STATE_SUBMITTED",
			"0s status TASK_STATE_WORKING ROLE_AGENT Starting to process your request...",
			"1s status TASK_STATE_WORKING ROLE_AGENT Analyzing your query...",
			"2s status TASK_STATE_WORKING ROLE_AGENT Generating response...",
			"3s artifact streaming_result Your query 'Stream me\na response!' has been processed successfully!",
			"3s status TASK_STATE_COMPLETED")
	})
}

func TestExecuteAsksForInput(t *testing.T) {
	x := &demoagent.Executor{Stream: (&demoagent.Agent{}).Stream}
	synctest.Test(t, func(t *testing.T) {
		check(t, run(t.Context(), x, nil, a2a.NewDataPart(map[string]any{"a": 1})),
			"0s task TASK_STATE_SUBMITTED",
			"0s status TASK_STATE_INPUT_REQUIRED ROLE_AGENT What should I process?")
		check(t, run(t.Context(), x, &a2a.Task{ID: "t", ContextID: "c"}, a2a.NewTextPart("this")),
			"0s artifact streaming_result Your query 'this' has been processed successfully!",
			"0s status TASK_STATE_COMPLETED")
	})
}

func TestExecuteFails(t *testing.T) {
	x := &demoagent.Executor{Stream: func(context.Context, string, int, time.Duration) iter.Seq2[demoagent.Step, error] {
		return func(yield func(demoagent.Step, error) bool) {
			_ = yield(demoagent.Step{Content: "working"}, nil) && yield(demoagent.Step{}, errors.New("no more ideas"))
		}
	}}
	synctest.Test(t, func(t *testing.T) {
		check(t, run(t.Context(), x, nil, a2a.NewTextPart("x")),
			"0s task TASK_STATE_SUBMITTED",
			"0s status TASK_STATE_WORKING ROLE_AGENT working",
			"0s status TASK_STATE_FAILED ROLE_AGENT Error occurred: no more ideas")
	})
}

func TestExecuteInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel(errors.New("stopped")) })
		x := &demoagent.Executor{Stream: demoagent.New().Stream}
		check(t, run(ctx, x, nil, a2a.NewTextPart("x")),
			"0s task TASK_STATE_SUBMITTED",
			"0s status TASK_STATE_WORKING ROLE_AGENT Starting to process your request...",
			"1s status TASK_STATE_WORKING ROLE_AGENT Analyzing your query...",
			"1.5s error stopped")
	})
}

func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &demoagent.Executor{Stream: demoagent.New().Stream}
		say := func(role a2a.MessageRole, text string) *a2a.Message {
			return a2a.NewMessage(role, a2a.NewTextPart(text))
		}
		question := say(a2a.MessageRoleUser, "this")
		ec := &a2asrv.ExecutorContext{TaskID: "t", ContextID: "c", Message: question, StoredTask: &a2a.Task{
			ID: "t", ContextID: "c",
			// An earlier turn, and the first two steps of this one.
			History: []*a2a.Message{
				say(a2a.MessageRoleUser, ""), say(a2a.MessageRoleAgent, "What should I process?"),
				question, say(a2a.MessageRoleAgent, "Starting to process your request..."),
			},
			Status: a2a.TaskStatus{State: a2a.TaskStateWorking, Message: say(a2a.MessageRoleAgent, "Analyzing your query...")},
		}}
		check(t, describe(x.Resume(t.Context(), ec)),
			"1s status TASK_STATE_WORKING ROLE_AGENT Generating response...",
			"2s artifact streaming_result Your query 'this' has been processed successfully!",
			"2s status TASK_STATE_COMPLETED")
		for ago, want := range map[time.Duration]string{
			300 * time.Millisecond: "700ms", time.Minute: "0s", -time.Minute: "1s", // by another clock
		} {
			at := time.Now().Add(-ago)
			ec.StoredTask.Status.Timestamp = &at
			check(t, describe(x.Resume(t.Context(), ec))[:1], want+" status TASK_STATE_WORKING ROLE_AGENT Generating response...")
		}
		ec.StoredTask.History, ec.StoredTask.Status.Message = []*a2a.Message{question}, nil
		check(t, describe(x.Resume(t.Context(), ec))[:1], "0s status TASK_STATE_WORKING ROLE_AGENT Starting to process your request...")
		ec.StoredTask.Artifacts = []*a2a.Artifact{{ID: "x", Name: "streaming_result"}}
		check(t, describe(x.Resume(t.Context(), ec)), "0s status TASK_STATE_COMPLETED")
	})
}

func TestCancel(t *testing.T) {
	x := &demoagent.Executor{Stream: demoagent.New().Stream}
	synctest.Test(t, func(t *testing.T) {
		check(t, describe(x.Cancel(t.Context(), &a2asrv.ExecutorContext{TaskID: "t", ContextID: "c"})),
			"0s status TASK_STATE_CANCELED ROLE_AGENT Streaming operation cancelled")
	})
}
