package model_test

import (
	"context"
	"iter"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/durable"
	"a2alambda/internal/memlog"
	"a2alambda/internal/model"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// former is an executor as the agent on Bedrock was before it was a durable one: it is cut off in the
// middle of an answer.
type former struct{}

func (former) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		yield(a2a.NewSubmittedTask(ec, ec.Message), nil)
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil)
		chunk := a2a.NewArtifactUpdateEvent(ec, "answer", a2a.NewTextPart("Once upon "))
		chunk.Artifact.Name = "answer"
		yield(chunk, nil)
		<-ctx.Done()
	}
}

func (f former) Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return f.Execute(ctx, ec)
}

func (former) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(func(a2a.Event, error) bool) {}
}

// TestFormer checks that a task which the former executor has begun is answered anew.
func TestFormer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(memlog.Log)
		runner := func(x a2asrv.AgentExecutor) *run.Runner {
			return run.New(run.Config{
				Store: store, Executor: x, Logger: slog.New(slog.DiscardHandler), Invoke: func(context.Context, a2a.TaskID) error { return nil },
			})
		}
		before := runner(former{})
		s := server.New(server.Config{Store: store, Runner: before, Retention: 24 * time.Hour, Card: &a2a.AgentCard{Name: "test"}})
		task, err := s.SendMessage(t.Context(), server.Caller{}, &a2a.SendMessageRequest{
			Message: says("Tell me a story"), Config: &a2a.SendMessageConfig{ReturnImmediately: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		go before.Work(t.Context(), task.ID)
		synctest.Wait()
		before.HandOver(time.Second)
		synctest.Wait()
		f, err := model.Agent(model.Config{Model: modelFunc(func(r *model.Request) (*model.Answer, error) {
			if got := lines(r.Messages); got != "user: Tell me a story" {
				t.Errorf("asked %q", got)
			}
			return &model.Answer{Text: "There was.", Stop: model.StopEnd}, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		after := runner(durable.New(f))
		if err := after.Work(t.Context(), task.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		loaded, err := store.Load(t.Context(), task.ID)
		if err != nil {
			t.Fatal(err)
		}
		tasklog.JoinTexts(loaded.Task)
		a := loaded.Task.Artifacts
		if loaded.Task.Status.State != a2a.TaskStateCompleted || len(a) != 1 || len(a[0].Parts) != 1 || a[0].Parts[0].Text() != "There was." {
			t.Errorf("the task is %s, with %+v", loaded.Task.Status.State, a)
		}
	})
}
