package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/hosted"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
)

// TestSleeps: a local server without AWS suspends a task that sleeps, and wakes it within a minute
// of its time.
func TestSleeps(t *testing.T) {
	t.Setenv("TABLE_NAME", "")
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		agent := &hosted.Agent{Executor: durable.New(func(ctx context.Context, _ *durable.Task) error {
			return durable.Sleep(ctx, "night", 8*time.Hour)
		})}
		l, err := openLocal(ctx, agent, outgoing.Guard{}, "", run.JournalConfig{})
		if err != nil {
			t.Fatal(err)
		}
		go l.sweep(ctx)
		s := server.New(server.Config{
			Store: l.runner.Store, Runner: l.runner, Retention: 30 * 24 * time.Hour, Card: new(a2a.AgentCard),
		})
		begun := time.Now()
		task, err := s.SendMessage(ctx, server.Caller{}, &a2a.SendMessageRequest{
			Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hello")),
		})
		if err != nil || task.Status.State.Terminal() || time.Since(begun) > time.Minute {
			t.Fatalf("%+v after %v, %v", task, time.Since(begun), err)
		}
		time.Sleep(7 * time.Hour)
		if n := l.running.Load(); n > 0 {
			t.Errorf("%d jobs run while the task sleeps", n)
		}
		time.Sleep(time.Until(begun.Add(8*time.Hour + time.Minute + time.Second)))
		task, err = s.GetTask(ctx, server.Caller{}, &a2a.GetTaskRequest{ID: task.ID})
		if err != nil || task.Status.State != a2a.TaskStateCompleted {
			t.Errorf("a minute after its time: %+v, %v", task, err)
		}
		stop()
		l.jobs.Wait()
		time.Sleep(time.Second)
	})
}
