package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memory"
	"a2alambda/internal/protojson"
	"a2alambda/internal/sweep"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
)

const (
	// maxCrashes is how many holders in a row may crash without progress, which is an event or, with
	// a journal, an entry, before the task fails: the next one would probably crash, too.
	maxCrashes = 5

	// wokenEarly is how much earlier than due a worker goes on with a suspended task: clocks differ.
	wokenEarly = 5 * time.Second

	// queued is how long a worker may take to begin. Until then, no reader asks for another one.
	queued = 2 * time.Second

	// settleAfter is how long ago, by this machine's clock, a lease must have ended whose holder has
	// not begun its turn, before a sweep takes the holder for dead; or a turn have been left to a worker
	// that still has no message.
	settleAfter = time.Minute
)

// resumer returns the executor if it can resume, or nil.
func (r *Runner) resumer() Resumer {
	x, _ := r.Executor.(Resumer)
	return x
}

// Resume runs a task that nobody runs, because it was left to a worker or its run was cut off. It
// returns nil if there is nothing to run: the task has ended or does not exist, or somebody runs
// it. If its executor cannot resume, or its holders crash again and again, the task fails, and
// Resume returns nil, too. After [Runner.HandOver] it returns [tasklog.ErrEnding].
func (r *Runner) Resume(ctx context.Context, id a2a.TaskID) (*Run, error) {
	usage := new(telemetry.Usage)
	ctx = telemetry.With(ctx, usage)
	for end := time.Now().Add(busyFor); ; {
		if err := r.Ending(); err != nil {
			return nil, err
		}
		run, err := r.resume(ctx, id, usage)
		var pause time.Duration
		switch {
		case errors.Is(err, tasklog.ErrConflict):
			pause = fasterPause // somebody was faster
		case errors.Is(err, tasklog.ErrThrottled) && time.Now().Before(end):
			pause = busyPause
		default:
			return run, err
		}
		select {
		case <-time.After(pause + rand.N(pause/2)):
		case <-ctx.Done():
			return nil, err
		}
	}
}

const (
	// A worker that a busy store refuses tries again for busyFor, after a pause of busyPause to one
	// and a half times that. Otherwise, nobody would ask for a worker again for a minute or more.
	busyFor   = time.Minute
	busyPause = 700 * time.Millisecond

	// fasterPause is how long a worker waits before it looks again at a task that somebody else has
	// just acquired, at least.
	fasterPause = 20 * time.Millisecond
)

// resume is one try of Resume.
func (r *Runner) resume(ctx context.Context, id a2a.TaskID, usage *telemetry.Usage) (*Run, error) {
	var final, early bool
	s, err := r.Store.LoadIf(ctx, id, func(s *tasklog.Snapshot) bool {
		final = tasklog.Final(s.Task.Status.State)
		early = s.Lease.Sleeps() && time.Until(s.Lease.Due) > wokenEarly
		return !final && !early && !s.Busy()
	})
	switch {
	case errors.Is(err, tasklog.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case final && (s.Busy() || s.Unbegun()), early:
		return nil, nil
	case final:
		return nil, r.Store.Settle(ctx, s)
	case s.Busy():
		if !r.Overtake(ctx, s) {
			return nil, cmp.Or(ctx.Err(), r.Ending())
		}
		return nil, tasklog.ErrConflict // the task is to be looked at again
	}
	return r.runFrom(ctx, ctx, s, usage)
}

// runFrom takes over a task from its snapshot, with the context taking, and runs it. It returns nil if
// the task fails instead.
func (r *Runner) runFrom(ctx, taking context.Context, s *tasklog.Snapshot, usage *telemetry.Usage) (*Run, error) {
	begun, mode := s.Lease.Holder != "", Execute
	switch {
	case s.Lease.Cancel:
		mode = Cancel
	case begun && s.Seq > 1 && !r.Durable(): // otherwise the executor has said nothing yet
		mode = Resume
	}
	t, err := r.takeOver(taking, s, mode)
	if err != nil {
		return nil, err
	}
	t.usage, t.recovered = usage, begun && !s.Lease.Released
	crashed := begun && r.resumer() == nil && !r.Durable() ||
		s.CrashedIdle(int64(len(t.Steps))) && s.Lease.Crashes+1 >= maxCrashes
	if crashed && mode != Cancel {
		return nil, r.interrupted(ctx, t)
	}
	return r.Start(ctx, t, Nobody), nil
}

// Work is the job of a worker: it resumes the task, if there is something to run, and waits for the
// end of the run. It is no error if somebody else takes the task over meanwhile. If the process has too
// little memory left, the error is [memory.ErrFull], and nothing has happened.
func (r *Runner) Work(ctx context.Context, id a2a.TaskID) error {
	ctx, account := memory.Open(ctx)
	defer account.Close()
	if err := memory.Charge(ctx, "run", memory.Stream); err != nil {
		return err
	}
	run, err := r.Resume(ctx, id)
	if err != nil || run == nil {
		return err
	}
	if err := run.Wait(); !Superseded(err) {
		return err
	}
	return nil
}

// Recover is called for a task that somebody reads. If nobody holds the task, or it is suspended and
// due, Recover asks for a worker, unless this process has just done so, or somebody has just left the
// task to a worker. If the holder's renewal is overdue, it also asks for a worker, which sees to the
// holder: the reader does not wait.
func (r *Runner) Recover(ctx context.Context, s *tasklog.Snapshot) error {
	switch {
	case rests(s):
		return nil
	case s.Busy():
		if _, ask := r.sightings.see(s.Head.ID, s.Lease, overdue, time.Now()); !ask || len(r.running.of(s.Head.ID)) > 0 {
			return nil
		}
	case !r.sightings.orphan(s.Head.ID, s.Lease, time.Now()):
		return nil
	}
	ctx, cancel := tasklog.Lasting(ctx) // nobody else asks soon, though the reader may be gone
	defer cancel()
	return r.Invoke(ctx, s.Head.ID)
}

// orphaned is called for a followed task that nobody holds. It calls GoOn.
func (r *Runner) orphaned(ctx context.Context, id a2a.TaskID) {
	s, err := r.Store.Peek(ctx, id, tasklog.Want{Lease: true})
	if err != nil {
		return // the followers try again
	}
	if err := r.GoOn(ctx, s); err != nil {
		r.Logger.ErrorContext(ctx, "recovering task", "task", id, "error", err)
	}
}

// rests reports whether nobody needs to see to the task: it has ended, waits or sleeps, or has just been
// left to a worker.
func rests(s *tasklog.Snapshot) bool {
	return tasklog.Final(s.Task.Status.State) || s.Lease.Sleeps() || s.Lease.Holder == "" && justNow(s.Task.Status.Timestamp)
}

// justNow reports whether the time is about now. If clocks differ, it is not.
func justNow(t *time.Time) bool { return t != nil && time.Since(*t).Abs() < queued }

const (
	// maxAsked is how many workers a sweep asks for at most. The other tasks stay due.
	maxAsked = 2000

	// sweepLoads is how much memory the sweeper takes to load a task. Its function has room for all
	// tasks that it looks at at the same time. It leaves larger tasks to workers.
	sweepLoads = 4 << 20

	// gone is how long the look at an expired task is postponed: the table deletes it until then.
	gone = 30 * 24 * time.Hour
)

// Sweep asks for workers for unfinished tasks that nobody runs. It settles tasks that have ended
// without the index knowing. See [sweep.Run].
func (r *Runner) Sweep(ctx context.Context) (sweep.Report, error) {
	return sweep.Run(ctx, r.Store, maxAsked, r.look)
}

// look looks at a task that, by its lease, nobody runs.
func (r *Runner) look(ctx context.Context, round *sweep.Sweep, l tasklog.Look) error {
	loading, account := memory.OpenUpTo(ctx, sweepLoads)
	defer account.Close()
	s, err := r.Store.Peek(loading, l.ID, tasklog.Want{Lease: true})
	var lease tasklog.LeaseInfo
	switch {
	case errors.Is(err, memory.ErrFull): // a worker has more memory
		lease, err = r.Store.Lease(ctx, l.ID)
	case err != nil:
	case s.Busy() && !s.Lease.Expired(): // a worker that is asked for in vain does no harm
		return nil
	case tasklog.Final(s.Task.Status.State):
		if s.Busy() && time.Since(s.Lease.Until) < settleAfter || s.Unbegun() && time.Since(l.Due) < settleAfter {
			return nil
		}
		if err := r.Store.Settle(ctx, s); err != nil {
			return err
		}
		round.Settled()
		return nil
	default:
		lease = s.Lease
	}
	if errors.Is(err, tasklog.ErrNotFound) {
		_, err = r.Store.Postpone(ctx, l, time.Now().Add(gone))
		return err
	}
	if err != nil {
		return err
	}
	if lease.Sleeps() { // suspending it has not taken this look out of the index; it has another when it is due
		_, err = r.Store.Postpone(ctx, l, lease.Due)
		return err
	}
	return round.Ask(ctx, l, sweep.Next(lease.Asked), func(ctx context.Context) error { return r.Invoke(ctx, l.ID) })
}

// Cancel cancels a task that nobody runs, and returns it. It returns [tasklog.ErrConflict] if the
// task is no longer as in s. A durable agent may take its time to undo what it did: then the task
// that is returned may be unfinished, and others go on with that.
func (r *Runner) Cancel(ctx context.Context, s *tasklog.Snapshot) (*a2a.Task, error) {
	if r.Durable() { // whoever goes on must know it
		if err := r.Store.RequestCancel(ctx, s.Head); err != nil {
			return nil, err
		}
	}
	t, err := r.takeOver(ctx, s, Cancel)
	if err != nil {
		return nil, err
	}
	run := r.Start(ctx, t, Nobody)
	if err := run.Wait(); err != nil {
		return nil, err
	}
	return run.Task()
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
	err = errors.Join(a.Add(tasklog.NewEntry(event, data)), a.Close())
	if err == nil && r.Durable() {
		r.closeWaits(ctx, t.Head.ID)
	}
	return err
}

// takeOver acquires the lease of a task that nobody runs. It returns [tasklog.ErrConflict] if
// somebody else has acquired the lease, or the task has changed.
func (r *Runner) takeOver(ctx context.Context, s *tasklog.Snapshot, mode Mode) (Turn, error) {
	until := time.Now().Add(LeaseTime)
	claim, steps, err := r.Claim(ctx, s.Head.ID, tasklog.Claim{Writer: r.Writer(), Until: until, Request: s.Last})
	if err != nil {
		return Turn{}, err
	}
	begun := time.Now()
	lease, err := r.Store.Acquire(ctx, s, claim)
	if err != nil {
		return Turn{}, err
	}
	r.slow.answered(time.Since(begun))
	ec := &a2asrv.ExecutorContext{
		TaskID: s.Head.ID, ContextID: s.Head.ContextID, Message: lastFromUser(s.Task),
		User: User(s.Head.Scope.Owner), Tenant: s.Head.Scope.Tenant, ServiceParams: paramsOf(s.Last),
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
		Fold: s.Fold(), Size: s.Size, Context: ec, Mode: mode,
		First: s.First, Steps: steps, Woken: s.Lease.Woken,
	}, nil
}

// paramsOf returns what is kept of a request's headers.
func paramsOf(r tasklog.Request) *a2asrv.ServiceParams {
	params := r.Trace.Header()
	if len(r.Extensions) > 0 {
		params[a2a.SvcParamExtensions] = r.Extensions
	}
	return a2asrv.NewServiceParams(params)
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

// handOver leaves the task to another invocation, before the deadline of its own.
func (r *Run) handOver(ctx context.Context) {
	releasing, cancel := r.before(ctx, closeMargin)
	defer cancel()
	err := r.turn.Lease.Release(releasing)
	e := &r.runner.ending
	ask := r.runner.Invoke
	if e.begun.Err() != nil {
		attended := r.attended() // until the leases have been given up
		r.runner.running.letGo(r)
		<-e.leases.Done()
		if attended && r.runner.Later != nil { // its clients come back elsewhere
			ask = r.runner.Later
		} else {
			e.asking <- struct{}{}
			defer func() { <-e.asking }()
		}
	}
	if err == nil || releasing.Err() != nil { // which may have been done, without an answer
		asking, cancel := r.before(ctx, lateMargin)
		defer cancel()
		err = errors.Join(err, ask(asking, r.turn.Head.ID))
	}
	if err != nil { // the sweeper will find it
		r.runner.Logger.ErrorContext(ctx, "handing over", "task", r.turn.Head.ID, "error", err)
	}
}

// before returns ctx with an end that is some time before the deadline of the run's invocation, if that
// has one. If that time is over, and the process lives on, the end is overtime from now.
func (r *Run) before(ctx context.Context, margin time.Duration) (context.Context, context.CancelFunc) {
	if r.deadline.IsZero() {
		return context.WithCancel(ctx)
	}
	end := r.deadline.Add(-margin)
	if now := time.Now(); end.Before(now) {
		end = now.Add(overtime)
	}
	return context.WithDeadline(ctx, end)
}

// writeUntil is when the run must have written everything, or the zero time.
func (r *Run) writeUntil() time.Time {
	if r.deadline.IsZero() {
		return time.Time{}
	}
	return r.deadline.Add(-writeMargin)
}

// leaveLate asks for a worker for a task that the store has kept the run from leaving in order. The
// worker sees to the lease.
func (r *Run) leaveLate(ctx context.Context) {
	r.seen.end = "out of time"
	err := r.err
	if r.handsOver() {
		ctx, cancel := r.before(ctx, lateMargin)
		defer cancel()
		err = errors.Join(err, r.runner.Invoke(ctx, r.turn.Head.ID))
	}
	r.runner.Logger.ErrorContext(ctx, "the store does not answer", "task", r.turn.Head.ID, "error", err)
}
