package server

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
)

// DefaultJoinWindow is [Server.JoinWindow] where none is set.
const DefaultJoinWindow = 10 * time.Minute

var errRunning = a2a.NewError(a2a.ErrUnsupportedOperation, "the task is being worked on and takes no message before it asks for one")

// accept puts the message into the log: as a new task, or as the next turn of one that waits for it. If that had been done
// before, by the same message, it returns the task instead. A turn that is left to a worker has no holder.
func (s *Server) accept(
	ctx context.Context, c Caller, req *a2a.SendMessageRequest, forWorker bool,
) (turn run.Turn, joined *tasklog.Snapshot, err error) {
	if err := s.check(req); err != nil {
		return run.Turn{}, nil, err
	}
	m := *req.Message
	turn = run.Turn{
		Head:   tasklog.Head{Scope: c.scope(req.Tenant), Request: tasklog.Request{Trace: c.Trace, Extensions: c.Extensions}},
		Writer: a2a.NewMessageID(),
		Until:  time.Now().Add(run.LeaseTime),
		Context: &a2asrv.ExecutorContext{
			Message: &m, Metadata: req.Metadata, Tenant: req.Tenant, User: c.user(), ServiceParams: c.Params,
		},
	}
	if len(req.Metadata) > 0 {
		if turn.Head.Metadata, err = jsonline.Marshal(req.Metadata); err != nil {
			return run.Turn{}, nil, err
		}
	}
	pushed := req.Config != nil && req.Config.PushConfig != nil
	turn.Head.Push = pushed
	room := func(h tasklog.Head) error { // for the configuration, in the task, which is the caller's
		if !pushed {
			return nil
		}
		return s.checkRoom(ctx, c, h, req.Config.PushConfig)
	}
	if m.TaskID == "" {
		joined, err = s.create(ctx, &turn, forWorker)
	} else {
		joined, err = s.continueTask(ctx, &turn, forWorker, room)
	}
	if err != nil || !pushed {
		return turn, joined, err
	}
	if joined != nil {
		if err = room(joined.Head); err == nil {
			_, err = s.putPush(ctx, c, joined.Head, req.Config.PushConfig, 0)
		}
		return turn, joined, err
	}
	h := turn.Head
	h.Push = req.Message.TaskID == "" // the head of a task that is continued may not say so yet
	if _, err = s.putPush(ctx, c, h, req.Config.PushConfig, turn.Fold.Seq()-1); err != nil {
		// The message is in the log. A client that tries again joins, and this is tried again, too.
		s.leave(ctx, h.ID, turn.Writer)
	}
	return turn, nil, err
}

// leave leaves a turn that has not begun, or may have been accepted, to a worker: else nobody could have the task before the writer's
// lease ends. If it fails, the sweeper finds the turn.
func (s *Server) leave(ctx context.Context, id a2a.TaskID, writer string) {
	ctx = context.WithoutCancel(ctx)
	snapshot, err := s.Log.Load(ctx, id)
	if err == nil && snapshot.Lease.Holder == writer {
		if _, err = s.Log.Acquire(ctx, snapshot, "", time.Now()); err == nil {
			err = s.Runner.Invoke(ctx, id)
		}
	}
	if err != nil && !errors.Is(err, tasklog.ErrNotFound) {
		s.Runner.Logger.ErrorContext(ctx, "leaving turn", "task", id, "error", err)
	}
}

// create begins a task with the message. The id of the task follows from the message, so that a retry comes to the same task: from
// its id and its context, and from what it says. Whoever reuses an id for another message, be it a client that always sends
// the same or somebody else, gets another task.
func (s *Server) create(ctx context.Context, turn *run.Turn, forWorker bool) (*tasklog.Snapshot, error) {
	m := turn.Context.Message
	parts, err := tasklog.EncodeParts(m.Parts)
	if err != nil {
		return nil, err
	}
	k, err := s.keyed(ctx)
	if err != nil {
		return nil, err
	}
	scope := turn.Head.Scope
	seed := []string{m.ContextID, m.ID, string(parts)}
	if m.ContextID == "" {
		m.ContextID = k.id(scope, append(seed, "context")...)
	}
	id := func(generation int) a2a.TaskID {
		return a2a.TaskID(k.id(scope, append(slices.Clone(seed), "task", strconv.Itoa(generation))...))
	}
	for generation := 0; ; {
		m.TaskID = id(generation)
		err := s.createAs(ctx, turn, forWorker)
		if !errors.Is(err, tasklog.ErrExists) {
			return nil, err
		}
		var existing *tasklog.Snapshot
		generation, existing, err = s.latest(ctx, generation, id)
		if existing != nil || err != nil {
			return existing, err
		}
	}
}

// latest returns the first of the tasks with these ids, from a generation on that exists, that can be joined, or the first
// generation that is free. It gallops, because a client that always sends the same message id may have had thousands.
func (s *Server) latest(ctx context.Context, from int, id func(int) a2a.TaskID) (int, *tasklog.Snapshot, error) {
	// look returns the task of a generation if it can be joined, and whether it is over. If neither, the generation is free.
	look := func(generation int) (joinable *tasklog.Snapshot, over bool, err error) {
		snapshot, err := s.Log.Load(ctx, id(generation))
		if errors.Is(err, tasklog.ErrNotFound) {
			return nil, generation == from, nil // that one exists: it has expired, and is not deleted yet
		}
		if err != nil || s.outlived(snapshot.Task) {
			return nil, true, err
		}
		return snapshot, false, nil
	}
	lo, hi := from-1, from // lo is over, or none; found is what hi is
	found, over, err := look(hi)
	for step := 1; over && err == nil; step *= 2 {
		lo, hi = hi, hi+step
		found, over, err = look(hi)
	}
	for hi-lo > 1 && err == nil {
		mid := lo + (hi-lo)/2
		var joinable *tasklog.Snapshot
		if joinable, over, err = look(mid); over {
			lo = mid
		} else {
			hi, found = mid, joinable
		}
	}
	if err != nil {
		return 0, nil, err
	}
	return hi, found, nil
}

// outlived reports whether the task ended too long ago to be joined.
func (s *Server) outlived(t *a2a.Task) bool {
	ended := t.Status.Timestamp
	if !t.Status.State.Terminal() || ended == nil {
		return false
	}
	return s.JoinWindow < 0 || time.Since(*ended) > cmp.Or(s.JoinWindow, DefaultJoinWindow)
}

func (s *Server) createAs(ctx context.Context, turn *run.Turn, forWorker bool) error {
	m := turn.Context.Message
	now := time.Now()
	created := now.Truncate(time.Second)
	turn.Head.ID, turn.Head.ContextID = m.TaskID, m.ContextID
	turn.Head.Created, turn.Head.Expires = created, created.Add(s.Retention)
	turn.Context.TaskID, turn.Context.ContextID = m.TaskID, m.ContextID
	task := a2a.NewSubmittedTask(turn.Context, m)
	task.Status.Timestamp = &now
	data, err := tasklog.Encode(task)
	if err != nil {
		return err
	}
	turn.Size = tasklog.Size{Bytes: int64(len(data)), Values: tasklog.SizeOf(task).Values}
	turn.Head.Size = turn.Size
	until := turn.Until
	if forWorker {
		until = time.Time{}
	}
	// A client that goes away, and sends the message again elsewhere, leaves nothing halfway.
	if err := s.Log.Create(context.WithoutCancel(ctx), turn.Head, turn.Writer, until, data); err != nil {
		if !errors.Is(err, tasklog.ErrExists) {
			s.leave(ctx, m.TaskID, turn.Writer) // it may be there
		}
		return err
	}
	turn.Fold = tasklog.NewFold(nil, 0)
	turn.Fold.Add(tasklog.Event{Seq: 1, JSON: data})
	return nil
}

// retried reports whether m is the earlier message, sent again.
func retried(earlier, m *a2a.Message) bool {
	if earlier.ID != m.ID || earlier.Role != a2a.MessageRoleUser {
		return false
	}
	a, errA := tasklog.EncodeParts(earlier.Parts)
	b, errB := tasklog.EncodeParts(m.Parts)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

var errEnded = a2a.NewError(a2a.ErrUnsupportedOperation, "the task has ended and takes no more messages")
