package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/fanout"
	"a2alambda/internal/protojson"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
)

const (
	// maxCrashes is how many holders in a row may crash without an event before the task fails: what killed them would kill
	// the next.
	maxCrashes = 5

	// queued is how long a worker that was asked for may take to begin, before it is asked for again.
	queued = 10 * time.Second

	// sweepMargin is how long before its deadline a sweep looks at no more tasks.
	sweepMargin = 5 * time.Second
)

// Resume runs a task that nobody runs: one that was left to a worker, or one whose run was cut off. It returns nil if there
// is nothing to run: because the task has ended or does not exist, because somebody runs it, or because its executor cannot
// resume or has crashed time and again, in which cases the task fails.
func (r *Runner) Resume(ctx context.Context, id a2a.TaskID) (*Run, error) {
	usage := new(telemetry.Usage)
	ctx = telemetry.With(ctx, usage)
	for {
		s, err := r.Store.Load(ctx, id)
		if errors.Is(err, tasklog.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		begun := s.Lease.Holder != ""
		switch {
		case begun && s.Busy():
			return nil, nil
		case tasklog.Final(s.Task.Status.State):
			return nil, r.Store.Settle(ctx, s)
		}
		mode := Execute
		switch {
		case s.Lease.Cancel:
			mode = Cancel
		case begun && s.Seq > 1: // else nothing was said yet
			mode = Resume
		}
		t, err := r.takeOver(ctx, s, mode)
		if errors.Is(err, tasklog.ErrConflict) {
			continue // somebody was faster
		}
		if err != nil {
			return nil, err
		}
		t.usage, t.recovered = usage, begun && !s.Lease.Released
		crashed := begun && r.resumer() == nil || s.CrashedIdle() && s.Lease.Crashes+1 >= maxCrashes
		if crashed && mode != Cancel {
			return nil, r.interrupted(ctx, t)
		}
		return r.Start(ctx, t, Nobody), nil
	}
}

// Work is what a worker does: it resumes the task, if there is something to run, and waits for the end. It is no error if
// somebody else has taken the task over meanwhile.
func (r *Runner) Work(ctx context.Context, id a2a.TaskID) error {
	run, err := r.Resume(ctx, id)
	if err != nil || run == nil {
		return err
	}
	if err := run.Wait(); !Superseded(err) {
		return err
	}
	return nil
}

// Recover does what is due for a task that somebody reads: if it is orphaned, it asks for a worker, unless the task was left
// to one just now.
func (r *Runner) Recover(ctx context.Context, s *tasklog.Snapshot) error {
	if tasklog.Final(s.Task.Status.State) || s.Busy() || s.Lease.Holder == "" && justNow(s.Task.Status.Timestamp) {
		return nil
	}
	return r.Invoke(ctx, s.Head.ID)
}

func justNow(t *time.Time) bool { return t != nil && time.Since(*t) < queued }

// sweepAtOnce is how many tasks a sweep looks at at the same time.
const sweepAtOnce = 16

// Sweep has a worker see to the tasks that are unfinished by the index, and that nobody runs. It goes on after an error, and
// returns all of them, and how many tasks it has looked at. Another sweep looks at those that it had no time for.
func (r *Runner) Sweep(ctx context.Context) (n int, err error) {
	looking := fanout.New(sweepAtOnce)
	deadline, limited := ctx.Deadline()
	err = r.Store.Unfinished(ctx, func(id a2a.TaskID) bool {
		n++
		looking.Go(id, func() error {
			// No task is loaded here: they may be long, and many. A worker sees what there is to do.
			lease, err := r.Store.Lease(ctx, id)
			if err == nil && lease.Expired() {
				err = r.Invoke(ctx, id)
			}
			if errors.Is(err, tasklog.ErrNotFound) {
				return nil
			}
			return err
		})
		return ctx.Err() == nil && (!limited || time.Until(deadline) > sweepMargin)
	})
	return n, errors.Join(looking.Wait(), err)
}

// Cancel cancels a task that nobody runs. It returns [tasklog.ErrConflict] if s is no longer how the task is.
func (r *Runner) Cancel(ctx context.Context, s *tasklog.Snapshot) error {
	t, err := r.takeOver(ctx, s, Cancel)
	if err != nil {
		return err
	}
	return r.Start(ctx, t, Nobody).Wait()
}

// interrupted fails a task whose run was cut off.
func (r *Runner) interrupted(ctx context.Context, t Turn) (err error) {
	run := r.newRun(t)
	run.state, run.seen.end = a2a.TaskStateFailed, "interrupted"
	defer func() {
		run.err = err
		run.report(ctx)
	}()
	event := failed(t.Context, textInterrupted)
	data, err := tasklog.Encode(event)
	if err != nil {
		return err
	}
	a := tasklog.NewAppender(ctx, tasklog.AppenderConfig{Lease: t.Lease, Fold: t.Fold})
	deadline, _ := ctx.Deadline()
	defer closeLease(ctx, t.Lease, deadline)
	return errors.Join(a.Add(tasklog.NewEntry(event, data)), a.Close())
}

// takeOver acquires the lease of a task that nobody runs. It returns [tasklog.ErrConflict] if somebody else has acquired it,
// or the task has moved on.
func (r *Runner) takeOver(ctx context.Context, s *tasklog.Snapshot, mode Mode) (Turn, error) {
	until := time.Now().Add(LeaseTime)
	claim := tasklog.Claim{Writer: a2a.NewMessageID(), Until: until, Request: s.Last}
	lease, err := r.Store.Acquire(ctx, s, claim)
	if err != nil {
		return Turn{}, err
	}
	params := s.Last.Trace.Header() // all that is kept of the request's, with these:
	if len(s.Last.Extensions) > 0 {
		params[a2a.SvcParamExtensions] = s.Last.Extensions
	}
	ec := &a2asrv.ExecutorContext{
		TaskID: s.Head.ID, ContextID: s.Head.ContextID, Message: lastFromUser(s.Task),
		User: User(s.Head.Scope.Owner), Tenant: s.Head.Scope.Tenant, ServiceParams: a2asrv.NewServiceParams(params),
	}
	if s.Last.Metadata != nil {
		metadata, err := protojson.Metadata(s.Last.Metadata)
		if err != nil {
			return Turn{}, fmt.Errorf("metadata of the request: %w", err)
		}
		ec.Metadata = metadata
	}
	if s.Seq > 1 {
		ec.StoredTask = s.Task
	}
	return Turn{
		Head: s.Head, Request: s.Last, Lease: lease, Until: until,
		Fold: tasklog.NewFold(s.Task, s.Seq), Size: s.Size, Context: ec, Mode: mode,
	}, nil
}

// lastFromUser returns the message that began the turn.
func lastFromUser(t *a2a.Task) *a2a.Message {
	for i := len(t.History) - 1; i >= 0; i-- {
		if t.History[i].Role == a2a.MessageRoleUser {
			return t.History[i]
		}
	}
	return nil
}

// handOver lets another invocation go on with the task.
func (r *Run) handOver(ctx context.Context) {
	err := r.turn.Lease.Release(ctx)
	if err == nil {
		err = r.runner.Invoke(ctx, r.turn.Head.ID)
	}
	if err != nil { // the sweeper will find it
		r.runner.Logger.ErrorContext(ctx, "handing over", "task", r.turn.Head.ID, "error", err)
	}
}
