package run

import (
	"context"
	"errors"
	"time"

	"a2alambda/internal/tasklog"
)

const (
	// firstLeases is how long workers, and followers for the end of their streams, may have to wait, so
	// that all leases are given up before anything else is done.
	firstLeases = time.Second

	// asksAtOnce is how many workers a process that ends asks for at the same time. Each request would
	// make a connection of its own, which takes longer than the request.
	asksAtOnce = 64
)

// ending says how far the end of a process has come. Its contexts are done one after the other, with
// the cause [tasklog.ErrEnding].
type ending struct {
	begun  context.Context // nothing new begins; what can go on elsewhere is handed over
	leases context.Context // the leases have been given up: workers are asked for, streams end
	last   context.Context // everything else must end
	late   context.Context // nothing is waited for any more, but for the store

	begin, part, finish, hurry context.CancelCauseFunc

	asking chan struct{} // holds a token for each request for a worker
}

func newEnding() (e ending) {
	e.asking = make(chan struct{}, asksAtOnce)
	e.begun, e.begin = context.WithCancelCause(context.Background())
	e.leases, e.part = context.WithCancelCause(context.Background())
	e.last, e.finish = context.WithCancelCause(context.Background())
	e.late, e.hurry = context.WithCancelCause(context.Background())
	return e
}

// Ending returns [tasklog.ErrEnding] after [Runner.HandOver] was called, else nil. Then nothing new
// may be accepted.
func (r *Runner) Ending() error { return context.Cause(r.ending.begun) }

// HandOver ends the work of this process in order, in the given time. It is called once, when the
// process has been asked to end. From then on nothing begins here: Start hands over at once, and
// Resume returns [tasklog.ErrEnding].
//
//   - Runs whose executors can resume are handed over at once, as at a deadline: first their leases
//     are given up, all of them, and then workers are asked for.
//   - So are durable agents, but the steps under way may end first: they have the time but a
//     reserve.
//   - Other executors have as much time. Who has not ended then fails: nobody else could go on.
//   - Streams end early, after the leases: those that follow a run of this process when it has ended.
//     See [tasklog.Followers.End].
//
// HandOver returns when no run is left, or when the time is over. Leases that are left then end by
// themselves, as after a crash.
func (r *Runner) HandOver(within time.Duration) {
	begun := time.Now()
	rest := min(reserve, within/2)
	after := func(d time.Duration, f context.CancelCauseFunc) *time.Timer {
		return time.AfterFunc(time.Until(begun.Add(d)), func() { f(tasklog.ErrEnding) })
	}
	defer after(within-rest, r.ending.finish).Stop()
	defer after(within-rest+rest*2/5, r.ending.hurry).Stop()
	over := time.NewTimer(within)
	defer over.Stop()
	r.ending.begin(tasklog.ErrEnding)
	released, drained := r.running.released(), r.running.drained()
	first := time.NewTimer(min(firstLeases, within/2))
	defer first.Stop()
	select {
	case <-released:
	case <-first.C:
	}
	r.ending.part(tasklog.ErrEnding)
	r.Followers.End()
	select {
	case <-drained:
	case <-over.C:
	}
}

// handsOver reports whether another process can go on with the run's task.
func (r *Run) handsOver() bool {
	return !r.runner.Alone && (r.runner.resumer() != nil || r.runner.Durable())
}

// endWithProcess interrupts the run when the process ends: at once if another one can go on, else
// when time is up. A durable agent, which is d if it is not nil, leaves by itself before that. After
// it is called, stop must be.
func (r *Run) endWithProcess(interrupt context.CancelCauseFunc, d *durableRun) (stop func()) {
	e := &r.runner.ending
	first, last := func() { interrupt(tasklog.ErrEnding) }, func() { interrupt(tasklog.ErrEnding) }
	if d != nil {
		first = d.leave
	}
	forget := context.AfterFunc(e.last, last)
	if !r.handsOver() {
		return func() { forget() }
	}
	if e.begun.Err() != nil {
		first() // before the executor is called
	}
	forgetFirst := context.AfterFunc(e.begun, first)
	return func() { forget(); forgetFirst() }
}

// cutOff reports whether a run was interrupted because it cannot go on here.
func cutOff(cause error) bool {
	return errors.Is(cause, errOutOfTime) || errors.Is(cause, tasklog.ErrEnding)
}
