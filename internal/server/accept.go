package server

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

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
	turn.Head.Push = req.Config != nil && req.Config.PushConfig != nil
	pushed, begin := turn.Head.Push, s.create
	if m.TaskID != "" {
		begin = s.continueTask
	}
	if pushed && m.TaskID != "" { // before the message is in the log
		if err := s.checkRoom(ctx, c, turn.Head.Scope, m.TaskID, req.Config.PushConfig); err != nil {
			return run.Turn{}, nil, err
		}
	}
	if joined, err = begin(ctx, &turn, forWorker); err != nil || !pushed {
		return turn, joined, err
	}
	if joined != nil {
		if err = s.checkRoom(ctx, c, joined.Head.Scope, joined.Head.ID, req.Config.PushConfig); err == nil {
			_, err = s.putPush(ctx, c, joined.Head, req.Config.PushConfig, 0)
		}
		return turn, joined, err
	}
	h := turn.Head
	h.Push = req.Message.TaskID == "" // the head of a task that is continued may not say so yet
	if _, err = s.putPush(ctx, c, h, req.Config.PushConfig, turn.Fold.Seq()-1); err != nil {
		// The message is in the log. A client that tries again joins, and this is tried again, too.
		s.leave(ctx, turn)
	}
	return turn, nil, err
}

// leave leaves a turn that has not begun to a worker. If it fails, the sweeper finds the turn.
func (s *Server) leave(ctx context.Context, turn run.Turn) {
	snapshot, err := s.Log.Load(ctx, turn.Head.ID)
	if err == nil && snapshot.Lease.Holder == turn.Writer {
		if _, err = s.Log.Acquire(ctx, snapshot, "", time.Now()); err == nil {
			err = s.Runner.Invoke(ctx, turn.Head.ID)
		}
	}
	if err != nil {
		s.Runner.Logger.ErrorContext(ctx, "leaving turn", "task", turn.Head.ID, "error", err)
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
	scope := turn.Head.Scope
	seed := []string{m.ContextID, m.ID, string(parts)}
	if m.ContextID == "" {
		m.ContextID = derivedID(scope, append(seed, "context")...)
	}
	id := func(generation int) a2a.TaskID {
		return a2a.TaskID(derivedID(scope, append(slices.Clone(seed), "task", strconv.Itoa(generation))...))
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

// derivedID returns an id, in the form of a UUID, that follows from the scope and the strings. Its first 32 bits follow from the
// scope alone.
func derivedID(scope tasklog.Scope, from ...string) string {
	of := sum(scope.Owner, scope.Tenant)
	id := uuid.UUID(sum(append(from, string(of))...)[:16])
	copy(id[:scopeBytes], of)
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8: RFC 9562, 5.8
	return id.String()
}

// scopeBytes is how many bytes of an id tell its scope: enough that a strange id is told from one's own, though not a proof.
const scopeBytes = 4

// inScope reports whether the task of that id may be one of the scope.
func inScope(scope tasklog.Scope, id a2a.TaskID) bool {
	u, err := uuid.Parse(string(id))
	return err == nil && u.String() == string(id) && bytes.Equal(u[:scopeBytes], sum(scope.Owner, scope.Tenant)[:scopeBytes])
}

// sum returns the SHA-256 of the strings. Where one ends and the next begins makes a difference.
func sum(of ...string) []byte {
	h := sha256.New()
	for _, s := range of {
		one := sha256.Sum256([]byte(s))
		h.Write(one[:])
	}
	return h.Sum(nil)
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
	until := turn.Until
	if forWorker {
		until = time.Time{}
	}
	if err := s.Log.Create(ctx, turn.Head, turn.Writer, until, data); err != nil {
		return err
	}
	turn.Fold = tasklog.NewFold(nil, 0)
	turn.Fold.Add(tasklog.Event{Seq: 1, JSON: data})
	return nil
}

// continueTask begins the next turn of a task with the message.
func (s *Server) continueTask(ctx context.Context, turn *run.Turn, forWorker bool) (*tasklog.Snapshot, error) {
	m := turn.Context.Message
	snapshot, err := s.load(ctx, turn.Head.Scope, m.TaskID)
	if err != nil {
		return nil, err
	}
	task := snapshot.Task
	if m.ContextID == "" {
		m.ContextID = task.ContextID
	}
	if m.ContextID != task.ContextID {
		return nil, Invalid("message.contextId", "is not that of the task")
	}
	if slices.ContainsFunc(task.History, func(h *a2a.Message) bool { return retried(h, m) }) {
		if s.outlived(task) {
			return nil, errEnded
		}
		return snapshot, nil
	}
	switch state := task.Status.State; {
	case state.Terminal():
		return nil, errEnded
	case !tasklog.Final(state):
		s.recover(ctx, snapshot)
		return nil, errRunning
	case snapshot.Busy():
		return nil, errRunning
	case messageBytes(task) > maxMessages:
		return nil, a2a.NewError(a2a.ErrUnsupportedOperation, "the messages of the task are as long as they may be, all together")
	}

	snapshot.Head.Request = turn.Head.Request
	holder, until := turn.Writer, turn.Until
	if forWorker {
		holder, until = "", time.Now()
	}
	lease, err := s.Log.Acquire(ctx, snapshot, holder, until)
	if errors.Is(err, tasklog.ErrConflict) {
		return nil, errRunning
	}
	if err != nil {
		return nil, err
	}
	// The message goes into the log as the status that it brings about. Whoever puts it there has the turn.
	event := a2a.NewStatusUpdateEvent(task, a2a.TaskStateSubmitted, m)
	data, err := tasklog.Encode(event)
	if err != nil {
		return nil, err
	}
	batch := tasklog.Batch{
		ID: m.TaskID, Writer: turn.Writer, First: snapshot.Seq + 1, Events: [][]byte{data},
		State: a2a.TaskStateSubmitted, Expires: snapshot.Head.Expires, Push: snapshot.Head.Push,
	}
	err = s.Log.Append(ctx, batch)
	if errors.Is(err, tasklog.ErrConflict) {
		// The place may be reserved by somebody who was about to cancel the task, and was lost.
		if err = s.Log.Fence(ctx, snapshot.Head, turn.Writer, lease.Epoch, batch.First); err == nil {
			err = s.Log.Append(ctx, batch)
		}
	}
	if errors.Is(err, tasklog.ErrConflict) {
		return nil, errRunning
	}
	if err != nil {
		return nil, err
	}
	snapshot.Head.Push = snapshot.Head.Push || turn.Head.Push
	turn.Head = snapshot.Head
	turn.Fold = tasklog.NewFold(task, snapshot.Seq)
	turn.Fold.Add(tasklog.Event{Seq: snapshot.Seq + 1, JSON: data})
	turn.Context.TaskID, turn.Context.ContextID = m.TaskID, m.ContextID
	// An executor sees the task as the SDK's own server would show it: in the state that it left, with the message.
	task.History = append(task.History, m)
	turn.Context.StoredTask = task
	return nil, nil
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
