package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"golang.org/x/sync/errgroup"

	"a2alambda/internal/memory"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
)

// maxHere is how many tasks a process works on at most because no worker could be had. The requests
// that it serves need its memory, too.
const maxHere = 32

// mostTaken is how large a log may be for TakeOver: what it takes is in [memory.Stream].
const mostTaken = memory.Stream / 8

// orHere returns a function that invokes a worker. If that fails, this process works on the task, in
// the background.
func (r *Runner) orHere(invoke func(context.Context, a2a.TaskID) error) func(context.Context, a2a.TaskID) error {
	places := make(chan struct{}, maxHere)
	return func(ctx context.Context, id a2a.TaskID) error {
		err := invoke(ctx, id)
		if err == nil || r.Ending() != nil {
			return err
		}
		select {
		case places <- struct{}{}:
		default:
			return err
		}
		r.Logger.WarnContext(ctx, "no worker can be had, and this process is one", "task", id, "error", err)
		go func() {
			defer func() { <-places }()
			r.worked(ctx, id, r.Work(context.WithoutCancel(ctx), id))
		}()
		return nil
	}
}

// worked logs that this process could not work on a task, unless it ends.
func (r *Runner) worked(ctx context.Context, id a2a.TaskID, err error) {
	if err != nil && !errors.Is(err, tasklog.ErrEnding) {
		r.Logger.ErrorContext(ctx, "working on a task", "task", id, "error", err)
	}
}

// takesOver reports whether this process takes over a task that somebody follows here, and that nobody
// runs.
func (r *Runner) takesOver(s *tasklog.Snapshot) bool {
	return r.LivesOn && r.Executor != nil && r.Ending() == nil && s.Lease.Epoch > 0 && !s.Busy() && !rests(s)
}

// TakeOver is GoOn for whoever has just loaded the task, s, which is not used after that. The run has begun
// when TakeOver returns, unless the task is large, somebody was faster, or the store failed: then GoOn
// sees to it. The followers of a run in their process cost no request.
func (r *Runner) TakeOver(ctx context.Context, s *tasklog.Snapshot) {
	if !r.takesOver(s) || s.Size.Bytes > mostTaken || !r.sightings.orphan(s.Head.ID, s.Lease, time.Now()) {
		return
	}
	usage := new(telemetry.Usage)
	ctx, account := memory.Open(telemetry.With(context.WithoutCancel(ctx), usage))
	var run *Run
	err := memory.Charge(ctx, "run", memory.Stream)
	if err == nil {
		run, err = r.runFrom(ctx, tasklog.GiveUpSoon(ctx), s, usage)
	}
	if run != nil {
		run.Then(account.Close)
		return
	}
	account.Close()
	if errors.Is(err, memory.ErrFull) {
		err = r.Invoke(ctx, s.Head.ID)
	}
	if err != nil && !errors.Is(err, tasklog.ErrConflict) {
		r.Logger.WarnContext(ctx, "taking over a task", "task", s.Head.ID, "error", err)
	}
}

// GoOn is called for a task that somebody is about to follow. If nobody runs the task, this process does,
// if it lives on and has the memory; otherwise GoOn is Recover.
func (r *Runner) GoOn(ctx context.Context, s *tasklog.Snapshot) error {
	if !r.takesOver(s) {
		return r.Recover(ctx, s)
	}
	if !r.sightings.orphan(s.Head.ID, s.Lease, time.Now()) {
		return nil
	}
	go func() {
		ctx := context.WithoutCancel(ctx)
		err := r.Work(ctx, s.Head.ID)
		if errors.Is(err, memory.ErrFull) {
			err = r.Invoke(ctx, s.Head.ID)
		}
		r.worked(ctx, s.Head.ID, err)
	}()
	return nil
}

// attended reports whether somebody follows the run's task in this process.
func (r *Run) attended() bool {
	return r.reads != nil && r.reads() || r.runner.Followers.Followed(r.turn.Head.ID)
}

const (
	// lookAfter is how long the clients of a process that has ended may take to come back. Then a worker
	// looks for those tasks that nobody has taken over.
	lookAfter = 3 * time.Second

	// looksAtOnce is how many of them it looks at at the same time.
	looksAtOnce = 16
)

// LookLater is the job of a worker for tasks that a process with clients has left: after a while it asks
// for workers for those that nobody runs. See [Config.Later].
func (r *Runner) LookLater(ctx context.Context, ids []a2a.TaskID) error {
	wait := time.NewTimer(lookAfter)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.ending.begun.Done():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	var looks errgroup.Group
	looks.SetLimit(looksAtOnce)
	for _, id := range ids {
		looks.Go(func() error {
			s, err := r.Store.Peek(ctx, id, tasklog.Want{Lease: true})
			if errors.Is(err, tasklog.ErrNotFound) {
				return nil
			}
			if err == nil {
				err = r.Recover(ctx, s)
			}
			if err != nil {
				return fmt.Errorf("looking at task %s: %w", id, err)
			}
			return nil
		})
	}
	return looks.Wait()
}
