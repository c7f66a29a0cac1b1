package durable

import (
	"context"
	"errors"
	"time"
)

// wait is what a call waits for.
type wait struct {
	// due is when the wait ends, or is to be looked at again. It is zero if only a wake-up ends it.
	due time.Time
	// look reports whether the wait is over. It is called at first, whenever the task was woken, and
	// once due has passed; then, it must say that it is over, or next another time. If it is nil, the wait
	// is over when due has passed. It reads whatever may end the wait strongly consistent: what
	// came before the look is seen, and what comes after it wakes the task.
	look func(ctx context.Context) (over bool, err error)
	// next, if set, returns due anew after each look.
	next func() time.Time
	// ask, if set, is called once all branches wait, with the first such call in the order of
	// Group.Go. It puts the question into the log by c.put. Then the turn is over.
	ask func(ctx context.Context) error
	// works says that it is a pause between two attempts of a step: a short one is no wait for those
	// who ask.
	works bool
	// leaves says that the call can go on only in another run, which has more time.
	leaves bool

	order int   // of the branch
	seen  int64 // how often the task was woken when it was looked at the last time
}

// park waits until the wait is over. It may leave the run: then it returns ErrSuspended, and the
// next run comes here again. If the task is to be canceled meanwhile, it returns what the call
// returns then.
func (c *call) park(w wait) error {
	e := c.engine
	w.order = c.branch.order
	for {
		e.mu.Lock()
		for e.deciding && e.over == nil {
			e.cond.Wait()
		}
		over, again := e.over, e.again
		w.seen = e.woken
		canceled := c.struck
		e.mu.Unlock()
		if over != nil {
			return over
		}
		if canceled {
			return c.cancel()
		}
		if w.look != nil {
			done, err := w.look(e.ctx)
			if err != nil || done {
				return err
			}
			if w.next != nil {
				w.due = w.next()
			}
		}
		if c.tooLate(&w) {
			return c.cancel()
		}
		passed := !w.due.IsZero() && !time.Now().Before(w.due)
		if passed && w.look == nil {
			return nil
		}
		timer := make(<-chan time.Time)
		switch {
		case passed:
			timer = time.After(time.Second) // look has not done its duty; don't spin
		case !w.due.IsZero():
			timer = time.After(time.Until(w.due))
		}
		e.mu.Lock()
		e.parked[c] = &w
		e.live--
		e.settle()
		e.mu.Unlock()
		select {
		case <-again:
		case <-timer:
		case <-e.gone:
		}
		e.mu.Lock()
		for e.deciding && e.over == nil {
			e.cond.Wait()
		}
		delete(e.parked, c)
		e.live++
		e.waited = true
		e.mu.Unlock()
	}
}

// tooLate reports whether a wait would end after the time to undo what the task did. It was begun
// after the request to cancel, or an earlier run has left no entry of it, as of a question.
func (c *call) tooLate(w *wait) bool {
	e := c.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.over == nil && e.canceling && !w.leaves && (w.due.IsZero() || w.due.After(e.undoneWhen))
}

// settle tells the watcher if no branch is live. e.mu is held.
func (e *engine) settle() {
	if e.live == 0 {
		select {
		case e.quiet <- struct{}{}:
		default:
		}
	}
}

// watch decides what to do when all branches wait, until the run is over.
func (e *engine) watch() {
	for {
		select {
		case <-e.gone:
			return
		case <-e.quiet:
		}
		if pause := e.decide(); pause > 0 {
			time.AfterFunc(pause, func() {
				e.mu.Lock()
				defer e.mu.Unlock()
				e.settle()
			})
		}
	}
}

const (
	// suspendAgain is the pause after the store has failed to suspend a task.
	suspendAgain = 2 * time.Second
	// refusedAgain is the pause after it has refused to, without a reason that the run can see.
	refusedAgain = 300 * time.Millisecond
)

// decide asks a question, suspends the task or hands it over, if all branches wait. If that must be
// tried again, it returns after how long.
func (e *engine) decide() (again time.Duration) {
	e.mu.Lock()
	if e.live > 0 || e.over != nil || len(e.parked) == 0 {
		e.mu.Unlock()
		return 0
	}
	now := time.Now()
	stay := now.Add(inPlace)
	if !e.Deadline.IsZero() && e.Deadline.Before(stay) {
		stay = e.Deadline
	}
	var asks *wait
	var due time.Time
	leaves, works, seen := e.leaving, false, e.woken
	for _, w := range e.parked {
		seen = min(seen, w.seen)
		leaves = leaves || w.leaves
		works = works || w.works && !w.due.After(stay)
		if w.ask != nil && (asks == nil || w.order < asks.order) {
			asks = w
		}
		if !w.due.IsZero() && (due.IsZero() || w.due.Before(due)) {
			due = w.due
		}
	}
	switch {
	case seen < e.woken, !due.IsZero() && due.Before(now): // somebody is about to look
		e.mu.Unlock()
		return 0
	case asks == nil && leaves, e.leaving && (e.canceling || works):
		e.finishLocked(Outcome{End: HandedOver})
		e.mu.Unlock()
		return 0
	case e.canceling: // there is half a minute at most
		e.mu.Unlock()
		return 0
	case asks == nil && !due.IsZero() && !due.After(stay), works:
		e.mu.Unlock()
		return 0
	}
	if due.IsZero() {
		due = e.Expires // nothing but a wake-up ends the wait
	}
	e.deciding = true
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.deciding = false
		e.cond.Broadcast()
	}()
	if asks != nil {
		return e.ask(asks)
	}
	if due.IsZero() {
		return 0 // a host that does not suspend
	}
	return e.suspend(due, seen)
}

// ask puts a question into the log. The turn is over then.
func (e *engine) ask(w *wait) time.Duration {
	err := w.ask(e.ctx)
	if err == nil {
		err = e.Host.Flush(e.ctx)
	}
	if err != nil {
		e.finish(Outcome{End: Lost, Err: err})
	} else {
		e.finish(Outcome{End: Ended, asked: true})
	}
	return 0
}

// suspend suspends the task. After an error the task may be suspended or not: it tries again until
// it knows, and nobody goes on meanwhile.
func (e *engine) suspend(due time.Time, seen int64) time.Duration {
	for {
		suspended, err := e.Host.Suspend(e.ctx, due, seen)
		switch {
		case errors.Is(err, ErrNoSuspension):
			return 0
		case err != nil && !e.Host.Held():
			e.finish(Outcome{End: Lost, Err: err})
			return 0
		case err == nil && suspended:
			e.finish(Outcome{End: Suspended})
			return 0
		case err == nil:
			return e.refused()
		}
		select {
		case <-time.After(suspendAgain):
		case <-e.gone:
			return 0
		}
	}
}

// refused finds out why the task was not suspended.
func (e *engine) refused() time.Duration {
	asked, err := e.Host.Asked(e.ctx)
	if err != nil {
		return suspendAgain
	}
	r := &Run{e}
	r.Woken(asked.Woken)
	if asked.Cancel {
		r.RequestCancel()
	}
	return refusedAgain
}

// ErrNoSuspension is what a host returns that cannot suspend: the run waits in place.
var ErrNoSuspension = errors.New("this host does not suspend tasks")
