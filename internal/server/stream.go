package server

import (
	"context"
	"errors"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// Stream is a walk along the log of a task.
type Stream struct {
	// Task is whose log it is.
	Task a2a.TaskInfo
	// First is the task as it was when the stream began, with the number of the last event in it.
	First tasklog.Event
	// Tap shows the events after it.
	Tap *tasklog.Tap
	// Wait waits for the end of the stream. Its error says that the log could not be read or written until then.
	Wait func() error
	// Close must be called when nobody reads the stream any more. It ends a subscription; a run it waits for. After it nothing
	// of the stream is left.
	Close func()
}

// frame returns the task as the first frame of a stream.
func frame(t *a2a.Task, seq int64, historyLength *int) (tasklog.Event, error) {
	data, err := tasklog.Encode(shown(t, historyLength))
	return tasklog.Event{Seq: seq, JSON: data}, err
}

// SubscribeToTask implements specification 3.1.6. If the client names the last event that it has seen (last > 0), the stream goes on
// from there, also if the task has ended since; the first frame is then the task as of that event. The stream ends with ctx.
func (s *Server) SubscribeToTask(ctx context.Context, c Caller, req *a2a.SubscribeToTaskRequest, last int64) (*Stream, error) {
	snapshot, err := s.load(ctx, c.scope(req.Tenant), req.ID)
	if err != nil {
		return nil, err
	}
	s.recover(ctx, snapshot)
	switch {
	case last > snapshot.Seq:
		return nil, Invalid("Last-Event-ID", "is beyond the last event of the task")
	case last > 0:
		return s.streamFrom(ctx, snapshot, last, nil, false)
	case snapshot.Task.Status.State.Terminal():
		return nil, a2a.NewError(a2a.ErrUnsupportedOperation, "the task has ended and has no more events")
	}
	first, err := frame(snapshot.Task, snapshot.Seq, nil)
	if err != nil {
		return nil, err
	}
	return s.follow(ctx, snapshot, first, false), nil
}

// join streams the turn that the message has begun, from its beginning.
func (s *Server) join(ctx context.Context, snapshot *tasklog.Snapshot, m *a2a.Message, historyLength *int) (*Stream, error) {
	s.recover(ctx, snapshot)
	if m.TaskID == "" {
		return s.streamFrom(ctx, snapshot, 1, historyLength, true)
	}
	first, err := frame(snapshot.Task, snapshot.Seq, historyLength)
	if err != nil {
		return nil, err
	}
	return s.follow(ctx, snapshot, first, true), nil
}

// readAtOnce is how many events are read from a log at once.
const readAtOnce = 5000

// streamFrom streams the task as of event last, and what follows: see follow.
func (s *Server) streamFrom(
	ctx context.Context, snapshot *tasklog.Snapshot, last int64, historyLength *int, untilFinal bool,
) (*Stream, error) {
	fold := tasklog.NewFold(nil, 0)
	for fold.Seq() < last {
		events, err := s.Log.Read(ctx, snapshot.Head.ID, fold.Seq(), int(min(readAtOnce, last-fold.Seq())))
		if errors.Is(err, tasklog.ErrNotFound) {
			return nil, a2a.ErrTaskNotFound
		}
		if err != nil {
			return nil, err
		}
		if len(events) == 0 {
			return nil, errors.New("the log is shorter than it was")
		}
		for _, e := range events {
			fold.Add(e)
		}
	}
	task, err := fold.Task()
	if err != nil {
		return nil, err
	}
	first, err := frame(task, last, historyLength)
	if err != nil {
		return nil, err
	}
	return s.follow(ctx, snapshot, first, untilFinal), nil
}

// follow streams what comes after the first frame, and ends with the task, or if untilFinal is set, with its turn.
func (s *Server) follow(ctx context.Context, snapshot *tasklog.Snapshot, first tasklog.Event, untilFinal bool) *Stream {
	id := snapshot.Head.ID
	tap := tasklog.NewTap(s.Log, id, first.Seq)
	tap.Reach(snapshot.Seq)
	ctx, cancel := within(ctx)
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		defer tap.End()
		err = tasklog.Follow(ctx, tasklog.FollowConfig{
			Log: s.Log, ID: id, After: snapshot.Seq, State: snapshot.Task.Status.State, UntilFinal: untilFinal,
			Show: tap.Publish,
			Lost: func() { s.lost(ctx, id) },
		})
	}()
	return &Stream{
		Task: snapshot.Task.TaskInfo(), First: first, Tap: tap,
		Wait:  func() error { <-done; return err },
		Close: func() { cancel(); <-done },
	}
}
