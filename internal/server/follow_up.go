package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
)

// A message to a task is accepted in two steps: its sender takes the lease, and puts the message into the log. Of those who send at
// the same time one wins, and the others look again at what has won: if it is their message, they join it.
const (
	// raceTime is how long a sender looks again.
	raceTime = 10 * time.Second

	// doubtAfter is how long somebody may stand between the two steps, which take some milliseconds, before others take the turn:
	// an instance may have died there. One that was only slow is refused, and looks again.
	doubtAfter = time.Second

	// lookAgain is the first pause between two looks. Each is twice as long as the one before, up to lookAgainMost.
	lookAgain     = 20 * time.Millisecond
	lookAgainMost = 250 * time.Millisecond
)

// followUp is a message to a task, on its way into the log.
type followUp struct {
	*Server
	turn      *run.Turn
	forWorker bool
	// rival is the epoch of a lease that somebody has who has not put a message into the log yet, and seen when it was first seen.
	rival int64
	seen  time.Time
}

// continueTask begins the next turn of a task with the message. room tells whether the task can take what else the request has.
func (s *Server) continueTask(
	ctx context.Context, turn *run.Turn, forWorker bool, room func(tasklog.Head) error,
) (joined *tasklog.Snapshot, err error) {
	f := &followUp{Server: s, turn: turn, forWorker: forWorker}
	end := time.Now().Add(raceTime)
	for pause := lookAgain; time.Now().Before(end); pause = min(2*pause, lookAgainMost) {
		snapshot, err := s.load(ctx, turn.Head.Scope, turn.Context.Message.TaskID)
		if err != nil {
			return nil, err
		}
		joins, err := f.look(ctx, snapshot)
		if err == nil && !joins {
			err = room(snapshot.Head)
		}
		if joins || err != nil {
			if snapshot.Lease.Holder == turn.Writer { // somebody was faster in spite of that
				s.leave(ctx, snapshot.Head.ID, turn.Writer)
			}
			if err != nil {
				return nil, err
			}
			return snapshot, nil
		}
		if free, err := f.free(ctx, snapshot); err != nil {
			return nil, err
		} else if free {
			if begun, err := f.begin(ctx, snapshot); begun || err != nil {
				return nil, err
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return nil, errRunning
}

// look reports whether the message is in the log already. If not, the error says why the task can't take it.
func (f *followUp) look(ctx context.Context, snapshot *tasklog.Snapshot) (joins bool, err error) {
	m, task := f.turn.Context.Message, snapshot.Task
	if m.ContextID == "" {
		m.ContextID = task.ContextID
	}
	if m.ContextID != task.ContextID {
		return false, Invalid("message.contextId", "is not that of the task")
	}
	if slices.ContainsFunc(task.History, func(h *a2a.Message) bool { return retried(h, m) }) {
		if f.outlived(task) {
			return false, errEnded
		}
		return true, nil
	}
	switch state := task.Status.State; {
	case state.Terminal():
		return false, errEnded
	case !tasklog.Final(state):
		f.recover(ctx, snapshot)
		return false, errRunning
	}
	return false, checkMessages(snapshot, m)
}

// free reports whether the turn can be taken now: nobody has it, or who has had it for too long can't put a message into the log any
// more.
func (f *followUp) free(ctx context.Context, snapshot *tasklog.Snapshot) (bool, error) {
	if !snapshot.Busy() || snapshot.Lease.Holder == f.turn.Writer {
		return true, nil
	}
	if snapshot.Lease.Epoch != f.rival {
		f.rival, f.seen = snapshot.Lease.Epoch, time.Now()
	}
	if time.Since(f.seen) < doubtAfter {
		return false, nil
	}
	// The place in the log first, and then the lease: if the rival has filled the place meanwhile, he keeps his lease.
	err := f.Log.Fence(context.WithoutCancel(ctx), snapshot.Head, f.turn.Writer, snapshot.Lease.Epoch+1, snapshot.Seq+1)
	if err != nil && !errors.Is(err, tasklog.ErrConflict) {
		return false, err
	}
	now, err := f.load(ctx, snapshot.Head.Scope, snapshot.Head.ID)
	return err == nil && now.Seq == snapshot.Seq, err
}

// begin takes the lease, and puts the message into the log. It reports false if somebody else was faster.
func (f *followUp) begin(ctx context.Context, snapshot *tasklog.Snapshot) (bool, error) {
	// A client that goes away, and sends the message again elsewhere, leaves nothing halfway.
	ctx = context.WithoutCancel(ctx)
	turn, m, task := f.turn, f.turn.Context.Message, snapshot.Task
	known := snapshot.Head.Push
	snapshot.Head.Request = turn.Head.Request
	holder, until := turn.Writer, turn.Until
	if f.forWorker {
		holder, until = "", time.Now()
	}
	// The message goes into the log as the status that it brings about. Whoever puts it there has the turn.
	data, err := tasklog.Encode(a2a.NewStatusUpdateEvent(task, a2a.TaskStateSubmitted, m))
	if err != nil {
		return false, err
	}
	size := snapshot.Size.Plus(tasklog.Size{Bytes: int64(len(data)), Values: tasklog.SizeOf(m).Values})
	lease, err := f.Log.Acquire(ctx, snapshot, holder, until)
	if err == nil {
		batch := tasklog.Batch{
			ID: m.TaskID, Writer: turn.Writer, First: snapshot.Seq + 1, Events: [][]byte{data},
			State: a2a.TaskStateSubmitted, Expires: snapshot.Head.Expires, Push: known, Size: size,
		}
		err = f.Log.Append(ctx, batch)
		if errors.Is(err, tasklog.ErrConflict) {
			// The place may be reserved by somebody who was about to fill it, and was lost.
			if err = f.Log.Fence(ctx, snapshot.Head, turn.Writer, lease.Epoch, batch.First); err == nil {
				err = f.Log.Append(ctx, batch)
			}
		}
	}
	if errors.Is(err, tasklog.ErrConflict) || errors.Is(err, tasklog.ErrNotFound) { // the latter is told by who loads it
		return false, nil
	}
	if err != nil {
		f.leave(ctx, m.TaskID, turn.Writer) // it may be there
		return false, err
	}
	snapshot.Head.Push = known || turn.Head.Push
	turn.Head = snapshot.Head
	turn.Fold = tasklog.NewFold(task, snapshot.Seq)
	turn.Fold.Add(tasklog.Event{Seq: snapshot.Seq + 1, JSON: data})
	turn.Size = size
	turn.Context.TaskID, turn.Context.ContextID = m.TaskID, m.ContextID
	// An executor sees the task as the SDK's own server would show it: in the state that it left, with the message.
	task.History = append(task.History, m)
	turn.Context.StoredTask = task
	return true, nil
}
