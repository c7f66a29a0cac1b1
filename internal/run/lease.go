package run

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"a2alambda/internal/tasklog"
)

const (
	// LeaseTime is how long a lease lasts without a renewal, and so until a crash is noticed for
	// sure.
	LeaseTime = 15 * time.Second

	// leaseMargin is how long before the end of its lease a holder gives it up, by its own clock.
	leaseMargin = 3 * time.Second

	// renewAfter is the age at which a lease is renewed at last. It is renewed before that, up to
	// renewSpread the first time, and up to renewJitter then: so leases that began together are not
	// renewed together, nor do they come together later. A run of three seconds needs no renewal.
	renewAfter  = 5 * time.Second
	renewSpread = 1500 * time.Millisecond
	renewJitter = 250 * time.Millisecond

	// askEvery is how often a holder asks what others want of it. All runs of a process ask at the
	// same time, so that the store can answer with one read.
	askEvery = 300 * time.Millisecond

	// renewWithin is how long a renewal or a question may take.
	renewWithin = 3 * time.Second

	// askWithin is how long a question or a renewal may take at first: one that takes longer may never
	// be answered, as on a dead connection, and until then nobody learns that the holder lives. After
	// soonTries such questions in a row, or renewals, the store is slow, and each may take renewWithin.
	// Once another run of the process had such an answer, that goes for all, for slowFor: requests that
	// are given up and made again keep a slow store slow.
	askWithin = 2 * askEvery
	soonTries = 3
	slowFor   = renewAfter

	// closeMargin is how long before the deadline of its invocation a run stops waiting for the
	// index to get its last status.
	closeMargin = time.Second

	// writeMargin is how long before that deadline a run writes nothing more, whatever the store does.
	writeMargin = closeMargin + 500*time.Millisecond

	// lateMargin is how long before it a run stops asking for a worker.
	lateMargin = 100 * time.Millisecond

	// renewAgain is the least pause after a failed renewal: a store in trouble needs fewer
	// requests.
	renewAgain = time.Second
)

// Superseded reports whether a run ended with this error because somebody else has its lease, or
// may have it. Then only the log says what happens to the task.
func Superseded(err error) bool {
	return errors.Is(err, errSuperseded) || errors.Is(err, tasklog.ErrConflict)
}

// until is when the lease of a run ends, as far as the run knows.
type until struct{ ms atomic.Int64 } // since 1970

func (u *until) set(t time.Time) { u.ms.Store(t.UnixMilli()) }

// left returns the rest of the lease's time.
func (u *until) left() time.Duration { return time.Until(time.UnixMilli(u.ms.Load())) }

// check returns an error if the lease has ended, or nearly has. It only looks at the clock: nothing
// else can stop an instance in time that was frozen and wakes up.
func (u *until) check() error {
	if u.left() < leaseMargin {
		return errSuperseded
	}
	return nil
}

// closeLease closes a lease before the deadline of its invocation, which is zero if there is none.
func closeLease(ctx context.Context, l tasklog.Lease, deadline time.Time) {
	if ctx = context.WithoutCancel(ctx); !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-closeMargin))
		defer cancel()
	}
	l.Close(ctx)
}

// keepLease renews the lease until ctx is done or the task is suspended. It tells heard what is
// asked of the run, and stops the run if the lease is lost.
func (r *Run) keepLease(ctx context.Context, heard func(tasklog.Asked)) {
	tick := time.NewTimer(r.runner.untilAsk())
	defer tick.Stop()
	due := time.Now().Add(r.untilRenewal(renewSpread)) // when the lease is to be renewed
	renew := time.NewTimer(time.Until(due))
	defer renew.Stop()
	doubted := false
	slow := map[bool]int{}                     // renewals, and questions, in a row that were not answered soon
	if r.lease.left() < LeaseTime-doubtAfter { // the run begins late, and may be doubted already
		r.hurry()
	}
	for {
		renewing := false
		select {
		case <-ctx.Done():
			return
		case <-r.asked:
			renewing = true // an Asked may be old, a renewal is not
		case <-renew.C:
		case <-tick.C:
			tick.Reset(r.runner.untilAsk())
		}
		renewing = renewing || doubted || !time.Now().Before(due)
		within := askWithin
		if slow[renewing] >= soonTries || r.runner.slow.is() {
			within = renewWithin
		}
		within = min(within, r.lease.left()-leaseMargin+time.Millisecond) // then the run stops
		if until := r.writeUntil(); !until.IsZero() {
			within = min(within, max(time.Until(until), time.Millisecond))
		}
		begun := time.Now()
		asked, err := r.ask(ctx, renewing, within)
		if slow[renewing]++; time.Since(begun) < askWithin {
			slow[renewing] = 0
		} else if err == nil {
			r.runner.slow.answered(time.Since(begun))
		}
		switch {
		case errors.Is(err, errSuspended):
			return
		case errors.Is(err, tasklog.ErrConflict), errors.Is(err, tasklog.ErrNotFound):
			r.stop(errSuperseded)
			return
		case err == nil:
			doubted = asked.Doubt
			if doubted && !renewing {
				r.hurry() // the answer is a renewal
			}
			if renewing {
				due = time.Now().Add(r.untilRenewal(renewJitter))
			}
		case renewing && within == askWithin && errors.Is(err, context.DeadlineExceeded):
			r.hurry()
		case renewing:
			due = time.Now().Add(renewAgain + rand.N(renewAgain/2))
		}
		renew.Reset(time.Until(due))
		if r.lease.check() != nil {
			r.stop(errSuperseded)
			return
		}
		if err == nil {
			heard(asked)
		}
	}
}

// untilRenewal returns the time until the lease is to be renewed, which is random in a range.
func (r *Run) untilRenewal(spread time.Duration) time.Duration {
	return r.lease.left() - (LeaseTime - renewAfter) - rand.N(spread)
}

// untilAsk returns the time until the runs of this process ask again.
func (r *Runner) untilAsk() time.Duration {
	d := askEvery - time.Since(r.begun)%askEvery
	if d < askEvery/10 {
		d += askEvery // the runs have just asked
	}
	return d
}

// ask returns what others want of the run. If renewing is set, it renews the lease to find that
// out. A renewal does not end with ctx: one that was abandoned when the run ended could reach the
// store after the release of the lease.
func (r *Run) ask(ctx context.Context, renewing bool, within time.Duration) (tasklog.Asked, error) {
	r.asking <- struct{}{}
	defer func() { <-r.asking }()
	if r.suspended {
		return tasklog.Asked{}, errSuspended
	}
	if renewing {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if !renewing {
		return r.turn.Lease.Asked(ctx)
	}
	until := time.Now().Add(LeaseTime)
	asked, err := r.turn.Lease.Renew(ctx, until)
	if err == nil {
		r.lease.set(until)
	}
	return asked, err
}
