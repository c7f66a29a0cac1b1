package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/tasklog"
)

// A message to a task is accepted in two steps: its sender acquires the lease, and puts the message
// into the log. If several send at the same time, one of them wins. The others look again at the
// log, and join if it has their message.
const (
	// raceTime is how long a sender tries. It looks once more after that.
	raceTime = 10 * time.Second

	// doubtAfter is how long a sender may stay between the two steps, which take some milliseconds.
	// After that, its instance may have died, and others take its turn. If it was only slow, its
	// message is refused, and it looks again.
	doubtAfter = time.Second

	// deposeAfter is how long a sender may stay there before its lease is taken from it. Others may
	// have doubted it and died, so that nobody gets the lease.
	deposeAfter = 4 * time.Second

	// lookAgain is the first pause before another look. Each pause is twice as long as the one
	// before, up to lookAgainMost.
	lookAgain     = 20 * time.Millisecond
	lookAgainMost = 250 * time.Millisecond
)

// continueTask begins the next turn of a task with the message.
func (r *request) continueTask(ctx context.Context) (*begun, *tasklog.Snapshot, error) {
	end := time.Now().Add(raceTime)
	var rival int64    // the epoch of a sender that holds the lease
	var seen time.Time // when that epoch was first seen
	var snapshot *tasklog.Snapshot
	for pause := lookAgain; ; pause = min(2*pause, lookAgainMost) {
		var err error
		if snapshot, err = r.see(ctx, snapshot); err != nil {
			return nil, nil, err
		}
		joins, err := r.look(ctx, snapshot)
		if err == nil && !joins {
			err = r.checkRoom(ctx, snapshot.Head)
		}
		if joins || err != nil {
			if snapshot.Lease.Holder == r.claim.Writer { // the lease is ours, but another message was faster
				r.leave(ctx, snapshot.Head.ID, r.claim.Writer)
			}
			if err != nil {
				return nil, nil, err
			}
			snapshot, err = r.load(ctx, r.scope, r.message.TaskID)
			return nil, snapshot, err
		}
		if err := r.Runner.Ending(); err != nil {
			return nil, nil, err
		}
		if !time.Now().Before(end) { // only after a look: a slow step may have taken all the time
			return nil, nil, errRunning
		}
		if snapshot.Lease.Epoch != rival {
			rival, seen = snapshot.Lease.Epoch, time.Now()
		}
		if !snapshot.Busy() || snapshot.Lease.Holder == r.claim.Writer || time.Since(seen) >= doubtAfter {
			if b, err := r.beginNext(ctx, snapshot); b != nil || err != nil {
				return b, nil, err
			}
		}
		if snapshot.Busy() && snapshot.Lease.Holder != r.claim.Writer && time.Since(seen) >= deposeAfter {
			if _, err := r.Store.Depose(ctx, snapshot.Head.ID, snapshot.Lease, tasklog.AnyPlace); err != nil {
				return nil, nil, err
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// see returns what look needs of the task: all of it if the task may take the message. Before is what
// it returned before, or nil.
func (r *request) see(ctx context.Context, before *tasklog.Snapshot) (*tasklog.Snapshot, error) {
	now, err := r.peek(ctx, r.scope, r.message.TaskID, state)
	switch {
	case err != nil:
		return nil, err
	case before != nil && before.Seq == now.Seq:
		before.Lease = now.Lease
		return before, nil
	case r.outlived(now.Task):
		return now, nil // it takes no message
	case tasklog.Final(now.Task.Status.State) && !now.Task.Status.State.Terminal():
		return r.load(ctx, r.scope, r.message.TaskID)
	}
	return r.peek(ctx, r.scope, r.message.TaskID, tasklog.Want{Lease: true, History: tasklog.AllHistory})
}

// look reports whether the message is in the log already. If not, its error says why it can't be.
func (r *request) look(ctx context.Context, snapshot *tasklog.Snapshot) (joins bool, err error) {
	m, task := r.message, snapshot.Task
	if m.ContextID == "" {
		m.ContextID = task.ContextID
	}
	if m.ContextID != task.ContextID {
		return false, Invalid("message.contextId", "is not that of the task")
	}
	if slices.ContainsFunc(task.History, func(h *a2a.Message) bool { return retried(h, m) }) {
		if r.outlived(task) {
			return false, errEnded
		}
		return true, nil
	}
	switch state := task.Status.State; {
	case state.Terminal():
		return false, errEnded
	case !tasklog.Final(state):
		r.recover(ctx, snapshot)
		return false, r.notAsked(ctx, snapshot)
	}
	return false, checkMessages(snapshot, m)
}

// lastSteps is how many entries of a journal are read to say what a task waits for.
const lastSteps = 8

// notAsked returns the error for a message to a task at work, which says what the task waits for if
// it is suspended.
func (s *Server) notAsked(ctx context.Context, snapshot *tasklog.Snapshot) error {
	l := snapshot.Lease
	if !l.Suspended {
		return errRunning
	}
	awaited := "a worker"
	if l.Sleeps() {
		awaited = "a time: " + l.Due.UTC().Format(time.RFC3339)
	}
	// What is read here may miss an entry of the last seconds: then the answer says less.
	steps, _, err := s.Store.Steps(ctx, snapshot.Head.ID, max(0, l.Place-lastSteps), true)
	if names := durable.Awaits(steps, time.Now()); err == nil && names != "" {
		awaited = names
	}
	return a2a.NewError(a2a.ErrUnsupportedOperation, "the task waits for "+awaited+"; it takes no message before it asks for one")
}

// beginNext acquires the lease, and puts the message into the log, or returns nil if it was too
// slow.
func (r *request) beginNext(ctx context.Context, snapshot *tasklog.Snapshot) (*begun, error) {
	// The client may go away and send the message again elsewhere: nothing must be left halfway.
	ctx, cancel := tasklog.Lasting(ctx)
	defer cancel()
	// The message goes into the log with the status that it causes. Its sender has the turn.
	event := a2a.NewStatusUpdateEvent(snapshot.Task, a2a.TaskStateSubmitted, r.message)
	data, err := tasklog.Encode(event)
	if err != nil {
		return nil, err
	}
	entry, seq := tasklog.NewEntry(event, data), snapshot.Seq+1
	claim, steps, err := r.Runner.Claim(ctx, snapshot.Head.ID, r.claim)
	if err != nil {
		return nil, err
	}
	lease, err := r.Store.Acquire(ctx, snapshot, claim)
	if err == nil {
		err = lease.Append(ctx, seq, []tasklog.Entry{entry})
	}
	if errors.Is(err, tasklog.ErrConflict) || errors.Is(err, tasklog.ErrNotFound) { // the next look says if the task is gone
		return nil, nil
	}
	if err != nil {
		r.leave(ctx, snapshot.Head.ID, r.claim.Writer) // the message may be in the log
		return nil, err
	}
	fold := snapshot.Fold()
	// An executor sees the task as the SDK's own server would show it: in the status that its last
	// turn reached, with the message. But its history is the conversation in order, and has the
	// agent's question before the answer.
	stored := *snapshot.Task
	stored.History = conversation(snapshot.Task, r.message)
	b := r.begin(snapshot.Head, lease, fold, snapshot.Size.Plus(entry.Size()), tasklog.Event{Seq: seq, JSON: data}, &stored)
	b.turn.First, b.turn.Steps, b.turn.Woken = snapshot.First, steps, snapshot.Lease.Woken
	b.before = snapshot.Task
	return b, nil
}

// conversation returns the messages of a task in order, up to a new one: its history, then what the
// agent asked last, which a history lacks until the next status, then the new message. An executor
// may have put its question into the history itself.
func conversation(t *a2a.Task, m *a2a.Message) []*a2a.Message {
	said := slices.Clone(t.History)
	if t.Status.Message != nil {
		said = append(said, t.Status.Message)
	}
	said = slices.CompactFunc(said, func(a, b *a2a.Message) bool { return a.ID == b.ID })
	return append(said, m)
}
