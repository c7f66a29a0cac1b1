package operate_test

import (
	"context"
	"iter"
	"log/slog"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/operate"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
)

// greeter is an executor of the SDK that cannot resume.
type greeter struct{}

func (greeter) Execute(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		yield(a2a.NewStatusUpdateEvent(ec, completed, nil), nil)
	}
}

func (greeter) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(func(a2a.Event, error) bool) {}
}

// TestWakePlain wakes a task that was left to a worker, whose invocation was lost, and that keeps no
// journal. It has not begun, and must not be taken for one that was cut off.
func TestWakePlain(t *testing.T) {
	t.Parallel()
	var r *run.Runner
	lost := true
	invoke := func(ctx context.Context, id a2a.TaskID) error {
		if lost {
			return nil
		}
		return r.Work(ctx, id)
	}
	store := new(memlog.Log)
	r = run.New(run.Config{Store: store, Executor: greeter{}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Invoke: invoke})
	s := server.New(server.Config{Store: store, Runner: r, Retention: 30 * 24 * time.Hour, Card: new(a2a.AgentCard)})
	task, err := s.SendMessage(t.Context(), server.Caller{Version: "1.0"}, &a2a.SendMessageRequest{
		Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go")), Config: &a2a.SendMessageConfig{ReturnImmediately: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	lost = false
	o := operate.Operator{Store: store, Invoke: invoke, By: "ann@desk"}
	if next, err := o.Wake(t.Context(), task.ID); err != nil || next == "" {
		t.Errorf("the command says %q, %v", next, err)
	}
	now, err := o.Read(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	if now.Snapshot.Task.Status.State != completed {
		t.Errorf("the task is %+v", now.Snapshot.Task.Status)
	}
}
