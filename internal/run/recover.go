package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/protojson"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
)

const (
	// maxLost is how many runs in a row may be lost without an event before the task fails: whatever kills them will kill the next.
	maxLost = 5

	// queued is how long a worker that was asked for may take to begin, before it is asked for again.
	queued = 10 * time.Second

	// sweepMargin is how long before its deadline a sweep looks at no more tasks.
	sweepMargin = 5 * time.Second
)

// Resume runs a task that nobody runs: one that has been accepted and left to a worker, or one whose run was cut off. It returns
// nil if there is nothing to run: because the task has ended or does not exist, because somebody runs it, or because the
// executor can't resume, or was lost time and again, in which cases the task fails.
func (r *Runner) Resume(ctx context.Context, id a2a.TaskID) (*Run, error) {
	usage := new(telemetry.Usage)
	ctx = telemetry.With(ctx, usage)
	for {
		s, err := r.Log.Load(ctx, id)
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
			return nil, r.Log.Settle(ctx, s)
		case begun && r.resumer() == nil, s.Fruitless() && s.Lease.Lost+1 >= maxLost:
			return nil, r.interrupted(ctx, s)
		}
		t, err := r.takeOver(ctx, s)
		if errors.Is(err, tasklog.ErrConflict) {
			continue // somebody was faster
		}
		if err != nil {
			return nil, err
		}
		t.resume, t.usage = begun && s.Seq > 1, usage // else nothing was said yet
		t.recovered = begun && !s.Lease.Until.Equal(tasklog.HandedOver)
		return r.Start(ctx, t), nil
	}
}

// Work is what a worker does: it resumes the task, if there is something to run, and waits for the end. That somebody else has
// taken the task meanwhile is no error.
func (r *Runner) Work(ctx context.Context, id a2a.TaskID) error {
	run, err := r.Resume(ctx, id)
	if err != nil || run == nil {
		return err
	}
	if err := run.Wait(); !Lost(err) {
		return err
	}
	return nil
}

// Recover does what is due for a task that is read: if its holder is lost, or it has had none yet, a worker is asked to see to it,
// unless one has been just now.
func (r *Runner) Recover(ctx context.Context, s *tasklog.Snapshot) error {
	if tasklog.Final(s.Task.Status.State) || s.Busy() || s.Lease.Holder == "" && justNow(s.Task.Status.Timestamp) {
		return nil
	}
	return r.Invoke(ctx, s.Head.ID)
}

func justNow(t *time.Time) bool { return t != nil && time.Since(*t) < queued }

// sweepAtOnce is how many tasks a sweep looks at at the same time.
const sweepAtOnce = 16

// Sweep has a worker see to the tasks that are running by their heads, and that nobody runs. It goes on after an error, and returns
// all of them, and how many tasks it has looked at. Those that are not looked at in time are, sooner or later, in another sweep.
func (r *Runner) Sweep(ctx context.Context) (n int, err error) {
	var mu sync.Mutex // guards errs
	var errs []error
	var looking sync.WaitGroup
	slots := make(chan struct{}, sweepAtOnce)
	deadline, limited := ctx.Deadline()
	err = r.Log.Running(ctx, func(id a2a.TaskID) bool {
		n++
		slots <- struct{}{}
		looking.Go(func() {
			defer func() { <-slots }()
			// No task is loaded here: they may be long, and many. A worker sees what there is to do.
			lease, err := r.Log.Lease(ctx, id)
			if err == nil && lease.Expired() {
				err = r.Invoke(ctx, id)
			}
			if err != nil && !errors.Is(err, tasklog.ErrNotFound) {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("task %s: %w", id, err))
			}
		})
		return ctx.Err() == nil && (!limited || time.Until(deadline) > sweepMargin)
	})
	looking.Wait()
	return n, errors.Join(append(errs, err)...)
}

// Cancel cancels a task that nobody runs. It returns [tasklog.ErrConflict] if s is no longer how the task is.
func (r *Runner) Cancel(ctx context.Context, s *tasklog.Snapshot) error {
	t, err := r.takeOver(ctx, s)
	if err != nil {
		return err
	}
	t.cancel = true
	return r.Start(ctx, t).Wait()
}

// interrupted fails a task whose run was cut off.
func (r *Runner) interrupted(ctx context.Context, s *tasklog.Snapshot) (err error) {
	t, err := r.takeOver(ctx, s)
	if errors.Is(err, tasklog.ErrConflict) {
		return nil // somebody else sees to it
	}
	if err != nil {
		return err
	}
	run := &Run{runner: r, turn: t}
	run.turn.usage, run.turn.recovered, run.state = telemetry.UsageOf(ctx), true, a2a.TaskStateFailed
	run.seen.begin(s.Seq)
	run.seen.end = "interrupted"
	defer func() {
		run.err = err
		run.report(ctx)
	}()
	data, err := tasklog.Encode(failed(t.Context, textInterrupted))
	if err != nil {
		return err
	}
	a := tasklog.NewAppender(ctx, tasklog.AppenderConfig{Log: r.Log, Head: t.Head, Writer: t.Writer, Fold: t.Fold, Size: t.Size})
	return errors.Join(a.Add(tasklog.Entry{JSON: data, State: a2a.TaskStateFailed}), a.Close())
}

// takeOver takes the lease of a task that nobody runs, and makes sure that whoever had it appends nothing any more. It returns
// [tasklog.ErrConflict] if somebody else has taken it, or the task has moved on.
func (r *Runner) takeOver(ctx context.Context, s *tasklog.Snapshot) (Turn, error) {
	writer, until := a2a.NewMessageID(), time.Now().Add(LeaseTime)
	lease, err := r.Log.Acquire(ctx, s, writer, until)
	if err != nil {
		return Turn{}, err
	}
	if err := r.Log.Fence(ctx, s.Head, writer, lease.Epoch, s.Seq+1); err != nil {
		if errors.Is(err, tasklog.ErrConflict) {
			// The holder before was not dead: it has appended since. The lease goes back, to be taken with what is known now.
			_ = r.release(ctx, s.Head, writer, time.Now().Add(-time.Millisecond))
		}
		return Turn{}, err
	}
	params := s.Head.Trace.Header() // all that is kept of the request's, with these:
	if len(s.Head.Extensions) > 0 {
		params[a2a.SvcParamExtensions] = s.Head.Extensions
	}
	ec := &a2asrv.ExecutorContext{
		TaskID: s.Head.ID, ContextID: s.Head.ContextID, Message: lastFromUser(s.Task),
		User: User(s.Head.Scope.Owner), Tenant: s.Head.Scope.Tenant, ServiceParams: a2asrv.NewServiceParams(params),
	}
	if s.Head.Metadata != nil {
		metadata, err := protojson.Metadata(s.Head.Metadata)
		if err != nil {
			return Turn{}, fmt.Errorf("metadata of the request: %w", err)
		}
		ec.Metadata = metadata
	}
	if s.Seq > 1 {
		ec.StoredTask = s.Task
	}
	return Turn{Head: s.Head, Writer: writer, Until: until, Fold: tasklog.NewFold(s.Task, s.Seq), Size: s.Size, Context: ec}, nil
}

// release ends the writer's lease as of a time in the past, for another to take it.
func (r *Runner) release(ctx context.Context, h tasklog.Head, writer string, at time.Time) error {
	_, err := r.Log.Renew(ctx, h, writer, at)
	return err
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
	err := r.runner.release(ctx, r.turn.Head, r.turn.Writer, tasklog.HandedOver)
	if err == nil {
		err = r.runner.Invoke(ctx, r.turn.Head.ID)
	}
	if err != nil { // the sweeper will find it
		r.runner.Logger.ErrorContext(ctx, "handing over", "task", r.turn.Head.ID, "error", err)
	}
}
