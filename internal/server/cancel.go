package server

import (
	"context"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
)

// cancelWithin is how long a cancellation may take: twice the time of a lease, enough to notice
// that the holder has crashed, in any case.
const cancelWithin = 30 * time.Second

// CancelTask implements specification 3.1.5. It interrupts the holder of the task, in whatever
// instance, and cancels a task that nobody runs itself. It answers with the canceled task, or with
// [a2a.ErrTaskNotCancelable] if the task has ended before. After half a minute, when newer requests
// wait for the same task, or when the process is about to end, it answers with the task as it is
// then, such as working while a durable agent undoes what it has done.
func (s *Server) CancelTask(ctx context.Context, c Caller, req *a2a.CancelTaskRequest) (*a2a.Task, error) {
	reading, cancel := tasklog.Lasting(ctx)
	defer cancel()
	ctx, cancel = within(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, cancelWithin)
	defer cancel()
	away := false
	for asked := false; ; asked = true {
		snapshot, err := s.peek(reading, c.scope(req.Tenant), req.ID, state)
		if err != nil {
			return nil, err
		}
		now := snapshot.Task.Status.State
		over := asked && now == a2a.TaskStateCanceled
		switch {
		case !over && now.Terminal():
			return nil, a2a.ErrTaskNotCancelable
		case over, ctx.Err() != nil, away: // or the holder has not done it yet
			if snapshot, err = s.load(reading, c.scope(req.Tenant), req.ID); err != nil {
				return nil, err
			}
			return answered(snapshot.Task, nil)
		case snapshot.Lease.Suspended && !snapshot.Busy():
			err = s.wakeToCancel(ctx, snapshot)
		case !snapshot.Busy():
			var task *a2a.Task
			seen := snapshot
			if snapshot, err = s.load(reading, c.scope(req.Tenant), req.ID); err != nil {
				return nil, err
			}
			if snapshot.Seq != seen.Seq || !snapshot.Lease.Same(seen.Lease) {
				continue
			}
			task, err = s.Runner.Cancel(ctx, snapshot)
			if err == nil && task.Status.State == a2a.TaskStateCanceled {
				return answered(task, nil)
			}
			if run.Superseded(err) {
				err = nil // somebody else was faster: look again
			}
		default:
			err = s.interrupt(ctx, snapshot)
		}
		if sentAway(err) {
			away, err = true, nil
		}
		if err != nil && ctx.Err() == nil { // otherwise time is up, and the answer is the task as it is
			return nil, err
		}
	}
}

// wakeToCancel makes a suspended task due, which is to be canceled, and waits until it has reached a
// final state. A worker does it: what the agent has done must be undone, and that may take longer
// than this request has.
func (s *Server) wakeToCancel(ctx context.Context, snapshot *tasklog.Snapshot) error {
	if err := s.Runner.RequestCancel(ctx, snapshot.Head); err != nil {
		return err
	}
	if err := s.Runner.Invoke(ctx, snapshot.Head.ID); err != nil { // then the sweeper asks
		s.Runner.Logger.ErrorContext(ctx, "invoking worker", "task", snapshot.Head.ID, "error", err)
	}
	c := tasklog.FollowConfig{ID: snapshot.Head.ID, After: snapshot.Seq, State: snapshot.Task.Status.State, Lease: snapshot.Lease, UntilFinal: true}
	c.Lease.Due = time.Now() // it does not sleep any more
	_, err := s.Runner.Followers.Follow(ctx, c)
	return err
}

// interrupt asks the holder of the task to cancel it. It waits until the task has reached a final
// state, or until another run has the lease, or nobody.
func (s *Server) interrupt(ctx context.Context, snapshot *tasklog.Snapshot) error {
	if err := s.Runner.RequestCancel(ctx, snapshot.Head); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, run.LeaseTime)
	defer cancel()
	_, err := s.follow(ctx, snapshot, tasklog.FollowConfig{
		UntilFinal: true, UntilOrphaned: true,
		Leaving: true, // in a final state, the holder is about to begin the next turn
	})
	return err
}
