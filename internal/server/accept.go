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

// DefaultJoinWindow is [Config.JoinWindow] where none is set.
const DefaultJoinWindow = 10 * time.Minute

var (
	errRunning = a2a.NewError(a2a.ErrUnsupportedOperation,
		"the task is being worked on and takes no message before it asks for one")
	errEnded = a2a.NewError(a2a.ErrUnsupportedOperation, "the task has ended and takes no more messages")
)

// request is a message to accept, with what is kept of its request.
type request struct {
	*Server
	caller  Caller
	config  *a2a.PushConfig // nil without one
	context a2asrv.ExecutorContext
	message *a2a.Message // also in context; its ids are filled in when they are known
	scope   tasklog.Scope
	claim   tasklog.Claim
}

// begun is a turn that a message has begun. If it is left to a worker, nobody has its lease.
type begun struct {
	turn  run.Turn
	event tasklog.Event // the message's
	// before is the task before the message, or nil if there was none.
	before *a2a.Task
}

// accept puts the message into the log, as a new task or as the next turn of a task that waits for
// it. It returns the turn that has begun or, if the same message was accepted before, the task that
// the message joins. When the process is about to end, it accepts nothing: see [tasklog.ErrEnding].
func (s *Server) accept(
	ctx context.Context, c Caller, req *a2a.SendMessageRequest, forWorker bool,
) (*begun, *tasklog.Snapshot, error) {
	if err := s.Runner.Ending(); err != nil {
		return nil, nil, err
	}
	ctx = tasklog.GiveUpSoon(ctx) // a refused client can come again, a running task cannot
	r, err := s.request(c, req, forWorker)
	if err != nil {
		return nil, nil, err
	}
	accept := r.create
	if r.message.TaskID != "" {
		accept = r.continueTask
	}
	b, joined, err := accept(ctx)
	if err != nil || r.config == nil {
		return b, joined, err
	}
	if joined != nil {
		if err = r.checkRoom(ctx, joined.Head); err == nil {
			c.Trace = cmp.Or(c.Trace, joined.Last.Trace)
			_, err = s.putPush(ctx, c, joined.Head, r.config, asOf{})
		}
		return b, joined, err
	}
	from := asOf{seq: b.event.Seq - 1}
	if b.before != nil {
		from.state, from.sent = b.before.Status.State, tasklog.SentIn(b.before)
	}
	if _, err = s.putPush(ctx, c, b.turn.Head, r.config, from); err != nil {
		// The message is in the log. A client that tries again joins, and this is tried again, too.
		s.leave(ctx, b.turn.Head.ID, r.claim.Writer)
	}
	return b, nil, err
}

// request checks what a client sends.
func (s *Server) request(c Caller, req *a2a.SendMessageRequest, forWorker bool) (*request, error) {
	if err := s.check(req); err != nil {
		return nil, err
	}
	m := *req.Message
	r := &request{
		Server: s, caller: c, message: &m, scope: c.scope(req.Tenant),
		context: a2asrv.ExecutorContext{
			Message: &m, Metadata: req.Metadata, Tenant: req.Tenant, User: c.user(), ServiceParams: c.Params,
		},
		claim: tasklog.Claim{
			Writer:  s.Runner.Writer(),
			Request: tasklog.Request{Trace: c.Trace, Extensions: c.Extensions},
			Records: s.Runner.Durable(),
		},
	}
	if !forWorker {
		r.claim.Until = time.Now().Add(run.LeaseTime)
	}
	if req.Config != nil && req.Config.PushConfig != nil {
		r.config, r.claim.Push = req.Config.PushConfig, true
	}
	if len(req.Metadata) > 0 {
		var err error
		if r.claim.Request.Metadata, err = jsonline.Marshal(req.Metadata); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// checkRoom returns an error if the caller's task has no room for the request's configuration.
func (r *request) checkRoom(ctx context.Context, h tasklog.Head) error {
	if r.config == nil {
		return nil
	}
	return r.Server.checkRoom(ctx, r.caller, h, r.config)
}

// begin adds the turn's first event, which is in the log, to the fold, and returns the turn.
func (r *request) begin(
	h tasklog.Head, lease tasklog.Lease, fold *tasklog.Fold, size tasklog.Size, event tasklog.Event, stored *a2a.Task,
) *begun {
	fold.Add(event)
	ec := r.context
	ec.TaskID, ec.ContextID, ec.StoredTask = h.ID, h.ContextID, stored
	return &begun{run.Turn{
		Head: h, Request: r.claim.Request, Lease: lease, Until: r.claim.Until, Fold: fold, Size: size, Context: &ec,
		First: r.claim.Request,
	}, event, nil}
}

// leave leaves a turn to a worker if the turn was accepted, or may have been, and cannot begin
// here. Otherwise nobody could have the task before the writer's lease ends. If leave fails, the
// sweeper finds the turn. It returns the task as it was before, or nil if it can't be read or does
// not exist.
func (s *Server) leave(ctx context.Context, id a2a.TaskID, writer string) *tasklog.Snapshot {
	ctx, cancel := tasklog.Lasting(ctx)
	defer cancel()
	snapshot, err := s.Store.Load(ctx, id)
	if err == nil && snapshot.Lease.Holder == writer {
		if _, err = s.Store.Acquire(ctx, snapshot, tasklog.Claim{Writer: writer, Request: snapshot.Last}); err == nil {
			err = s.Runner.Invoke(ctx, id)
		}
	}
	if err != nil && !errors.Is(err, tasklog.ErrNotFound) {
		s.Runner.Logger.ErrorContext(ctx, "leaving turn", "task", id, "error", err)
	}
	return snapshot
}

// create begins a task with the message. The task's id follows from the message's id, context and
// content, so a retry finds the same task. A different message with the same message id gets
// another task: some clients always send the same id.
func (r *request) create(ctx context.Context) (*begun, *tasklog.Snapshot, error) {
	m := r.message
	parts, err := tasklog.EncodeParts(m.Parts)
	if err != nil {
		return nil, nil, err
	}
	k, err := r.keyed(ctx)
	if err != nil {
		return nil, nil, err
	}
	seed := []string{m.ContextID, m.ID, string(parts)}
	begins := m.ContextID == ""
	id := func(generation int) a2a.TaskID {
		return a2a.TaskID(k.id(r.scope, append(slices.Clone(seed), "task", strconv.Itoa(generation))...))
	}
	if begins {
		m.ContextID = tasklog.ContextOf(id(0))
	}
	for generation := 0; ; {
		m.TaskID = id(generation)
		b, err := r.createAs(ctx, begins && generation == 0) // later generations are in the context of the first
		if err == nil {
			return b, nil, nil
		}
		if !errors.Is(err, tasklog.ErrExists) {
			there := r.leave(ctx, m.TaskID, r.claim.Writer) // it may have been created
			if errors.Is(err, tasklog.ErrThrottled) && there != nil && !r.outlived(there.Task) {
				return nil, there, nil // too busy to begin a task, but this one has begun
			}
			return nil, nil, err
		}
		var existing *tasklog.Snapshot
		generation, existing, err = r.latest(ctx, generation, id)
		if existing != nil || err != nil {
			return nil, existing, err
		}
	}
}

// latest looks at the tasks with these ids, from a generation on. It returns the first one that
// exists and can be joined, or else the first free generation. It doubles its steps, because a
// client that always sends the same message id may have had thousands of tasks.
func (s *Server) latest(ctx context.Context, from int, id func(int) a2a.TaskID) (int, *tasklog.Snapshot, error) {
	// look returns the task of a generation if it can be joined, and otherwise whether the task is
	// over. If neither, the generation is free.
	look := func(generation int) (joinable *tasklog.Snapshot, over bool, err error) {
		snapshot, err := s.Store.LoadIf(ctx, id(generation), func(now *tasklog.Snapshot) bool { return !s.outlived(now.Task) })
		if errors.Is(err, tasklog.ErrNotFound) {
			return nil, generation == from, nil // the first one exists: it has expired, and is not deleted yet
		}
		if err != nil || s.outlived(snapshot.Task) {
			return nil, true, err
		}
		return snapshot, false, nil
	}
	lo, hi := from-1, from // lo is over, or before the first; found is the task of hi
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

// outlived reports whether the task ended too long ago for a message to join it.
func (s *Server) outlived(t *a2a.Task) bool {
	ended := t.Status.Timestamp
	if !t.Status.State.Terminal() || ended == nil {
		return false
	}
	return s.JoinWindow < 0 || time.Since(*ended) > cmp.Or(s.JoinWindow, DefaultJoinWindow)
}

// createAs creates the task with the ids in the message. Begins says that the context is new.
func (r *request) createAs(ctx context.Context, begins bool) (*begun, error) {
	now := time.Now()
	h := tasklog.Head{
		ID: r.message.TaskID, ContextID: r.message.ContextID, Scope: r.scope,
		Expires: now.Truncate(time.Second).Add(r.Retention), Begins: begins,
		Push: r.claim.Push,
	}
	task := a2a.NewSubmittedTask(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, r.message)
	task.Status.Timestamp = &now
	data, err := tasklog.Encode(task)
	if err != nil {
		return nil, err
	}
	first := tasklog.NewEntry(task, data)
	// The client may go away and send the message again elsewhere: nothing must be left halfway.
	lasting, cancel := tasklog.Lasting(ctx)
	defer cancel()
	lease, err := r.Store.Create(lasting, h, first, r.claim)
	if err != nil {
		return nil, err
	}
	return r.begin(h, lease, tasklog.NewFold(nil, 0), first.Size(), tasklog.Event{Seq: 1, JSON: data}, nil), nil
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
