package run

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
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

	// askEvery is how often a process asks what others want of its runs.
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

	// overtime is how long a run that is later than that may take for it.
	overtime = 5 * time.Second

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

// keeper keeps the lease of a run: it renews it in time, and at once when something is asked of the
// run. Between two renewals it is a timer, and no goroutine.
type keeper struct {
	run   *Run
	ctx   context.Context // of the run
	heard func(tasklog.Asked)

	mu       sync.Mutex
	timer    *time.Timer // nil before start
	again    bool        // renew at once: when it starts, or after the renewal under way
	renewing bool
	ended    bool
	under    sync.WaitGroup // the renewal under way

	pace pace // of the goroutine that renews
}

// start has the keeper renew the lease until stop is called, ctx is done or the task is suspended. It
// tells heard what is asked of the run, and stops the run if the lease is lost.
func (k *keeper) start(ctx context.Context, heard func(tasklog.Asked)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ctx, k.heard = ctx, heard
	after := k.run.untilRenewal(renewSpread)
	if k.again || k.run.lease.left() < LeaseTime-doubtAfter { // the run begins late, and may be doubted already
		k.again, after = false, 0
	}
	k.timer = time.AfterFunc(after, k.renew)
}

// hurry has the lease renewed now, to see what is asked of the run.
func (k *keeper) hurry() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer == nil || k.renewing {
		k.again = true
	} else if !k.ended {
		k.timer.Reset(0)
	}
}

// stop ends the keeper, and waits for a renewal that is under way.
func (k *keeper) stop() {
	k.mu.Lock()
	k.ended = true
	k.timer.Stop()
	k.mu.Unlock()
	k.under.Wait()
}

// renew renews the lease, and sets the timer for the next time.
func (k *keeper) renew() {
	k.mu.Lock()
	if k.ended || k.renewing {
		k.mu.Unlock()
		return
	}
	k.renewing = true
	k.under.Add(1)
	k.mu.Unlock()
	defer k.under.Done()

	next, goOn := k.run.renewOnce(k.ctx, &k.pace, k.heard)

	k.mu.Lock()
	defer k.mu.Unlock()
	k.renewing = false
	if !goOn {
		k.ended = true
	}
	if k.ended {
		return
	}
	if k.again {
		k.again, next = false, 0
	}
	k.timer.Reset(next)
}

// pace is how long a call of the store may take, by those before. See askWithin.
type pace struct{ late int } // calls in a row that were not answered soon

func (p *pace) within(s *slowness) time.Duration {
	if p.late >= soonTries || s.is() {
		return renewWithin
	}
	return askWithin
}

// note notes that a call has taken so long.
func (p *pace) note(took time.Duration, err error, s *slowness) {
	if p.late++; took < askWithin {
		p.late = 0
	} else if err == nil {
		s.answered(took)
	}
}

// renewOnce renews the lease, tells heard what is asked of the run, and returns the time until the next
// renewal. It reports false if there is none.
func (r *Run) renewOnce(ctx context.Context, p *pace, heard func(tasklog.Asked)) (next time.Duration, goOn bool) {
	if ctx.Err() != nil {
		return 0, false
	}
	soon := p.within(&r.runner.slow)
	within := min(soon, r.lease.left()-leaseMargin+time.Millisecond) // then the run stops
	if until := r.writeUntil(); !until.IsZero() {
		within = min(within, max(time.Until(until), time.Millisecond))
	}
	begun := time.Now()
	asked, err := r.renew(ctx, within)
	p.note(time.Since(begun), err, &r.runner.slow)
	switch {
	case errors.Is(err, errSuspended):
		return 0, false
	case errors.Is(err, tasklog.ErrConflict), errors.Is(err, tasklog.ErrNotFound):
		r.stop(errSuperseded)
		return 0, false
	case err == nil:
		next = r.untilRenewal(renewJitter)
	case within == askWithin && errors.Is(err, context.DeadlineExceeded): // at once
	default:
		next = renewAgain + rand.N(renewAgain/2)
	}
	if r.lease.check() != nil {
		r.stop(errSuperseded)
		return 0, false
	}
	if err == nil {
		heard(asked)
	}
	return next, true
}

// untilRenewal returns the time until the lease is to be renewed, which is random in a range.
func (r *Run) untilRenewal(spread time.Duration) time.Duration {
	return r.lease.left() - (LeaseTime - renewAfter) - rand.N(spread)
}

// renew renews the lease, and returns what others want of the run. It does not end with ctx: a renewal
// that was abandoned when the run ended could reach the store after the release of the lease.
func (r *Run) renew(ctx context.Context, within time.Duration) (tasklog.Asked, error) {
	r.asking <- struct{}{}
	defer func() { <-r.asking }()
	if r.suspended {
		return tasklog.Asked{}, errSuspended
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	until := time.Now().Add(LeaseTime)
	asked, err := r.turn.Lease.Renew(ctx, until)
	if err == nil {
		r.lease.set(until)
	}
	return asked, err
}
