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
	// LeaseTime is how long a lease lasts that is not renewed. A run that has died is found after
	// that.
	LeaseTime = 15 * time.Second

	// leaseMargin is how long before the end of its lease, by its own clock, a holder takes it for
	// lost.
	leaseMargin = 3 * time.Second

	// renewAfter is the age at which a lease is renewed.
	renewAfter = 5 * time.Second

	// askEvery is how often a holder asks what somebody wants of it. All runs of a process ask at
	// the same time, so that the store can read for all of them at once.
	askEvery = 300 * time.Millisecond

	// renewWithin is how long a renewal may take, or asking: a holder whose request hangs has to
	// look at its clock.
	renewWithin = 3 * time.Second

	// closeMargin is how long before the deadline of its invocation a run no longer waits for the
	// index to be told.
	closeMargin = time.Second

	// renewAgain is how long after a renewal that failed the next is tried, at least: a store in
	// trouble is asked less, not more.
	renewAgain = time.Second
)

// Superseded reports whether the error that a run ended with says that somebody else has its lease,
// or may have it: what becomes of the task is in the log.
func Superseded(err error) bool {
	return errors.Is(err, errSuperseded) || errors.Is(err, tasklog.ErrConflict)
}

// until is when the lease of a run ends, as far as the run knows.
type until struct{ ms atomic.Int64 } // since 1970

func (u *until) set(t time.Time) { u.ms.Store(t.UnixMilli()) }

// left returns how much of the lease is left.
func (u *until) left() time.Duration { return time.Until(time.UnixMilli(u.ms.Load())) }

// check returns an error if the lease is as good as over. It asks nothing but the clock: nothing
// else can stop, in time, an instance that was frozen and wakes up.
func (u *until) check() error {
	if u.left() < leaseMargin {
		return errSuperseded
	}
	return nil
}

// closeLease closes a lease, in time for the deadline of its invocation, which may be zero for
// none.
func closeLease(ctx context.Context, l tasklog.Lease, deadline time.Time) {
	if ctx = context.WithoutCancel(ctx); !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-closeMargin))
		defer cancel()
	}
	l.Close(ctx)
}

// keepLease renews the lease until ctx is done, and interrupts the executor when the task is to be
// canceled. If the lease is lost, it stops the run.
func (r *Run) keepLease(ctx context.Context, interrupt context.CancelCauseFunc) {
	tick := time.NewTimer(r.runner.untilAsk())
	defer tick.Stop()
	var again time.Time // when the next renewal may be tried
	for {
		renewing := false
		select {
		case <-ctx.Done():
			return
		case <-r.asked:
			renewing = true // a renewal says for sure what is asked
		case <-tick.C:
			tick.Reset(r.runner.untilAsk())
			renewing = r.lease.left() < LeaseTime-renewAfter && time.Now().After(again)
		}
		asked, err := r.ask(ctx, renewing)
		switch {
		case errors.Is(err, tasklog.ErrConflict), errors.Is(err, tasklog.ErrNotFound):
			r.stop(errSuperseded)
			return
		case err != nil && renewing:
			again = time.Now().Add(renewAgain + rand.N(renewAgain/2))
		}
		if r.lease.check() != nil {
			r.stop(errSuperseded)
			return
		}
		if asked.Cancel {
			interrupt(errCanceled)
		}
	}
}

// untilAsk returns how long it is until the runs of this process ask the next time.
func (r *Runner) untilAsk() time.Duration {
	d := askEvery - time.Since(r.begun)%askEvery
	if d < askEvery/10 {
		d += askEvery // it was that time just now
	}
	return d
}

// ask returns what is asked of the run, and renews its lease if it is time for that. A renewal does
// not end with ctx: one that was on its way when the run ended could come after the lease was
// released.
func (r *Run) ask(ctx context.Context, renewing bool) (tasklog.Asked, error) {
	if renewing {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, renewWithin)
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
