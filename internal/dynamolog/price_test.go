package dynamolog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/localtest/dynamodblocal"
)

// TestPriceOfReads has a caller ask about ended tasks that each began with a message of 5.9 MB and have an
// artifact of 1 MB. What shows neither costs two units at most.
func TestPriceOfReads(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	client, meter := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	s := server.New(server.Config{
		Store: l, Retention: retention, JoinWindow: -1, Card: new(a2a.AgentCard),
		Runner: run.New(run.Config{
			Store: l, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
			Executor: executor(func(info a2a.TaskInfo) []a2a.Event {
				return []a2a.Event{piece(info, "a", false, raw(1<<20)), completed(info)}
			}),
			Invoke: func(context.Context, a2a.TaskID) error { return nil },
		}),
	})
	caller := server.Caller{Owner: "owner", Version: "1.0"}
	const tasks = 3
	var id a2a.TaskID
	for i := range tasks {
		m := a2a.NewMessage(a2a.MessageRoleUser, raw(44<<20/10), a2a.NewTextPart(fmt.Sprint(i)))
		task, err := s.SendMessage(t.Context(), caller, &a2a.SendMessageRequest{Message: m})
		must(t, err)
		id = task.ID
	}
	none, one := 0, 1
	for _, test := range []struct {
		name string
		do   func() error
		most float64 // read units
	}{
		{"ListTasks without history", func() error {
			list, err := s.ListTasks(t.Context(), caller, &a2a.ListTasksRequest{HistoryLength: &none})
			if err == nil && len(list.Tasks) != tasks {
				t.Errorf("%d tasks are listed", len(list.Tasks))
			}
			return err
		}, 6 + tasks}, // the list itself, and one for each task
		{"SubscribeToTask, once it has ended", func() error {
			_, err := s.SubscribeToTask(t.Context(), caller, &a2a.SubscribeToTaskRequest{ID: id})
			return refusal(t, err, a2a.ErrUnsupportedOperation)
		}, 2},
		{"SubscribeToTask, after the last event", func() error {
			seen := int64(3)
			again := caller
			again.Seen = &seen
			_, err := s.SubscribeToTask(t.Context(), again, &a2a.SubscribeToTaskRequest{ID: id})
			return refusal(t, err, a2a.ErrUnsupportedOperation)
		}, 2},
		{"CancelTask", func() error {
			_, err := s.CancelTask(t.Context(), caller, &a2a.CancelTaskRequest{ID: id})
			return refusal(t, err, a2a.ErrTaskNotCancelable)
		}, 2},
		{"SendMessage, a follow-up to an ended task", func() error {
			m := a2a.NewMessage(a2a.MessageRoleUser, words("more")...)
			m.TaskID = id
			_, err := s.SendMessage(t.Context(), caller, &a2a.SendMessageRequest{Message: m})
			return refusal(t, err, a2a.ErrUnsupportedOperation)
		}, 2},
		{"the steps", func() error {
			_, err := s.ListSteps(t.Context(), caller, &server.ListStepsRequest{ID: id})
			return err
		}, 3}, // one for the journal
		{"GetTask with the last message", func() error {
			task, err := s.GetTask(t.Context(), caller, &a2a.GetTaskRequest{ID: id, HistoryLength: &one})
			if err == nil && len(task.History) != 1 {
				t.Errorf("%d messages", len(task.History))
			}
			return err
		}, 1500},
		{"GetTask without history", func() error {
			task, err := s.GetTask(t.Context(), caller, &a2a.GetTaskRequest{ID: id, HistoryLength: &none})
			if err == nil && (task.History != nil || len(task.Artifacts) != 1) {
				t.Errorf("%d messages, %d artifacts", len(task.History), len(task.Artifacts))
			}
			return err
		}, 2 + 1.05*1024/4}, // the artifact is shown
	} {
		meter.Reset()
		must(t, test.do())
		u := meter.Units()
		t.Logf("%s: %v read units, %d requests", test.name, u.Read, u.Requests)
		if u.Read > test.most || u.Write > 0 {
			t.Errorf("%s: %+v, want %v read units at most", test.name, u, test.most)
		}
	}
}

// refusal returns nil if err is the refusal.
func refusal(t *testing.T, err, want error) error {
	t.Helper()
	if errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("got %w, want %v", err, want)
}
