// Package server gives the methods of A2A their meaning, over logs and runs. It knows no HTTP and no protocol version: it
// speaks the SDK's types, and its errors are the SDK's, told apart with errors.Is.
package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
)

// Server serves the tasks in a log. All fields are required.
type Server struct {
	Log    tasklog.Log
	Runner *run.Runner
	// Retention is how long a task is kept after it was created.
	Retention time.Duration
}

// Stream is a turn that is under way.
type Stream struct {
	// First is the task as it was when the turn began, with the number of the last event in it.
	First tasklog.Event
	*run.Run
}

// SendMessage implements specification 3.1.1: it answers with the task when its turn has ended. (It does so, too, if the
// client asked to return immediately.)
func (s *Server) SendMessage(ctx context.Context, req *a2a.SendMessageRequest) (*a2a.Task, error) {
	turn, err := s.accept(ctx, req)
	if err != nil {
		return nil, err
	}
	r := s.Runner.Start(ctx, turn)
	if err := r.Wait(); err != nil {
		return nil, err
	}
	task, err := r.Task()
	if err != nil {
		return nil, err
	}
	if req.Config != nil {
		trimHistory(task, req.Config.HistoryLength)
	}
	return task, nil
}

// SendStreamingMessage implements specification 3.1.2. The caller must wait for the run.
func (s *Server) SendStreamingMessage(ctx context.Context, req *a2a.SendMessageRequest) (*Stream, error) {
	turn, err := s.accept(ctx, req)
	if err != nil {
		return nil, err
	}
	task, err := turn.Fold.Task()
	if err != nil {
		return nil, err
	}
	if req.Config != nil {
		trimHistory(task, req.Config.HistoryLength)
	}
	data, err := tasklog.Encode(task)
	if err != nil {
		return nil, err
	}
	first := tasklog.Event{Seq: turn.Fold.Seq(), JSON: data}
	turn.Watched = true
	return &Stream{First: first, Run: s.Runner.Start(ctx, turn)}, nil
}

// GetTask implements specification 3.1.3.
func (s *Server) GetTask(ctx context.Context, req *a2a.GetTaskRequest) (*a2a.Task, error) {
	if req.ID == "" {
		return nil, invalid("id is required")
	}
	if err := checkHistoryLength(req.HistoryLength); err != nil {
		return nil, err
	}
	snapshot, err := s.load(ctx, req.ID)
	if err != nil {
		return nil, err
	}
	trimHistory(snapshot.Task, req.HistoryLength)
	return snapshot.Task, nil
}

// load returns a task, or [a2a.ErrTaskNotFound].
func (s *Server) load(ctx context.Context, id a2a.TaskID) (*tasklog.Snapshot, error) {
	if len(id) > maxID {
		return nil, a2a.ErrTaskNotFound // and no key of any store
	}
	snapshot, err := s.Log.Load(ctx, id)
	if errors.Is(err, tasklog.ErrNotFound) {
		return nil, a2a.ErrTaskNotFound
	}
	return snapshot, err
}

// accept puts the message into the log: as a new task, or as the next turn of one that waits for it.
func (s *Server) accept(ctx context.Context, req *a2a.SendMessageRequest) (run.Turn, error) {
	if err := check(req); err != nil {
		return run.Turn{}, err
	}
	m := *req.Message
	turn := run.Turn{
		Writer: a2a.NewMessageID(),
		Context: &a2asrv.ExecutorContext{
			Message:  &m,
			Metadata: req.Metadata,
			Tenant:   req.Tenant,
		},
	}
	begin := s.create
	if m.TaskID != "" {
		begin = s.continueTask
	}
	err := begin(ctx, &turn)
	return turn, err
}

// create begins a task with the message.
func (s *Server) create(ctx context.Context, turn *run.Turn) error {
	m := turn.Context.Message
	m.TaskID = a2a.NewTaskID()
	if m.ContextID == "" {
		m.ContextID = a2a.NewContextID()
	}
	now := time.Now()
	created := now.Truncate(time.Second)
	turn.Head = tasklog.Head{ID: m.TaskID, ContextID: m.ContextID, Created: created, Expires: created.Add(s.Retention)}
	turn.Context.TaskID, turn.Context.ContextID = m.TaskID, m.ContextID
	task := a2a.NewSubmittedTask(turn.Context, m)
	task.Status.Timestamp = &now
	data, err := tasklog.Encode(task)
	if err != nil {
		return err
	}
	if err := s.Log.Create(ctx, turn.Head, turn.Writer, data); err != nil {
		return err
	}
	turn.Fold = tasklog.NewFold(nil, 0)
	turn.Fold.Add(tasklog.Event{Seq: 1, JSON: data})
	return nil
}

// continueTask begins the next turn of a task with the message.
func (s *Server) continueTask(ctx context.Context, turn *run.Turn) error {
	m := turn.Context.Message
	snapshot, err := s.load(ctx, m.TaskID)
	if err != nil {
		return err
	}
	task := snapshot.Task
	if m.ContextID == "" {
		m.ContextID = task.ContextID
	}
	switch state := task.Status.State; {
	case m.ContextID != task.ContextID:
		return invalid("message.contextId is not that of the task")
	case state.Terminal():
		return a2a.NewError(a2a.ErrUnsupportedOperation, "the task has ended and takes no more messages")
	case !tasklog.Final(state):
		return errRunning
	}

	// The message goes into the log as the status that it brings about. Whoever puts it there has the turn.
	event := a2a.NewStatusUpdateEvent(task, a2a.TaskStateSubmitted, m)
	data, err := tasklog.Encode(event)
	if err != nil {
		return err
	}
	err = s.Log.Append(ctx, tasklog.Batch{
		ID: m.TaskID, Writer: turn.Writer, First: snapshot.Seq + 1, Events: [][]byte{data},
		State: a2a.TaskStateSubmitted, Expires: snapshot.Head.Expires,
	})
	if errors.Is(err, tasklog.ErrConflict) {
		return errRunning
	}
	if err != nil {
		return err
	}

	turn.Head = snapshot.Head
	turn.Fold = tasklog.NewFold(task, snapshot.Seq)
	turn.Fold.Add(tasklog.Event{Seq: snapshot.Seq + 1, JSON: data})
	turn.Context.TaskID, turn.Context.ContextID = m.TaskID, m.ContextID
	// An executor sees the task as the SDK's own server would show it: in the state that it left, with the message.
	task.History = append(task.History, m)
	turn.Context.StoredTask = task
	return nil
}

var errRunning = a2a.NewError(a2a.ErrUnsupportedOperation, "the task is being worked on and takes no message before it asks for one")

func trimHistory(t *a2a.Task, length *int) {
	if length != nil && *length < len(t.History) {
		t.History = t.History[len(t.History)-*length:]
	}
	if len(t.History) == 0 {
		t.History = nil
	}
}

func invalid(format string, args ...any) error {
	return a2a.NewError(a2a.ErrInvalidParams, fmt.Sprintf(format, args...))
}
