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
	// LeaseTime is how long a lease lasts that is not renewed. A run that has died is found after that.
	LeaseTime = 15 * time.Second

	// leaseMargin is how long before the end of its lease, by its own clock, a holder takes it for lost.
	leaseMargin = 3 * time.Second

	// renewAfter is the age at which a lease is renewed.
	renewAfter = 5 * time.Second

	// askEvery is how often a holder asks what somebody wants of it.
	askEvery = 300 * time.Millisecond

	// renewWithin is how long a renewal may take, or asking: a holder whose request hangs has to look at its clock.
	renewWithin = 3 * time.Second

	// renewAgain is how long after a renewal that failed the next is tried, at least: a store in trouble is asked less, not more.
	renewAgain = time.Second
)

// Lost reports whether the error that a run ended with says that somebody else has its task now, or may have it: what becomes of
// it is in the log.
func Lost(err error) bool { return errors.Is(err, errLeaseLost) || err == tasklog.ErrConflict }

// lease is the end of the lease that a run holds, as far as it knows.
type lease struct{ until atomic.Int64 } // milliseconds since 1970

func (l *lease) set(until time.Time) { l.until.Store(until.UnixMilli()) }

// left returns how much of the lease is left.
func (l *lease) left() time.Duration { return time.Until(time.UnixMilli(l.until.Load())) }

// check returns an error if the lease is lost. It asks nobody but the clock: an instance that was frozen and wakes up has
// nobody else to tell it in time.
func (l *lease) check() error {
	if l.left() < leaseMargin {
		return errLeaseLost
	}
	return nil
}

// keepLease renews the lease until ctx is done, and interrupts the executor when the task is to be canceled. If the lease is
// lost, it stops the run.
func (r *Run) keepLease(ctx context.Context, interrupt context.CancelCauseFunc) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	var again time.Time // when the next renewal may be tried
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var until time.Time
		if now := time.Now(); r.lease.left() < LeaseTime-renewAfter && now.After(again) {
			until = now.Add(LeaseTime)
		}
		asked, err := r.renew(ctx, until)
		switch {
		case errors.Is(err, tasklog.ErrConflict), errors.Is(err, tasklog.ErrNotFound):
			r.stop(errLeaseLost)
			return
		case err == nil && !until.IsZero():
			r.lease.set(until)
		case !until.IsZero():
			again = time.Now().Add(renewAgain + rand.N(renewAgain/2))
		}
		if r.lease.check() != nil {
			r.stop(errLeaseLost)
			return
		}
		if asked.Push {
			r.push.Store(true)
		}
		if asked.Cancel {
			interrupt(errCanceled)
		}
	}
}

// renew renews the lease, or only asks, if until is zero. A renewal does not end with ctx: one that was on its way when the run ended
// could come after the lease was given up.
func (r *Run) renew(ctx context.Context, until time.Time) (tasklog.Asked, error) {
	if !until.IsZero() {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, renewWithin)
	defer cancel()
	head := r.turn.Head
	head.Push = head.Push || r.push.Load()
	return r.runner.Log.Renew(ctx, head, r.turn.Writer, until)
}
