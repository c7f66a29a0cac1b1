package durable

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// attempt is an attempt of a step under way.
type attempt struct {
	call   *call
	number int
	begun  time.Time
	ctx    context.Context
	stop   context.CancelCauseFunc
	over   bool // guarded by emitter.mu
}

// count says which attempt comes next, by the journal and the log.
type count struct {
	next      int       // its number
	failed    int       // how many have failed
	cut       int       // how many were cut off
	due       time.Time // when the next one may begin
	uncertain bool      // the journal does not say how the one before ended
}

func (c *call) count() (n count) {
	begun := 0 // the last attempt that is known
	ended := true
	for _, x := range c.past.entries {
		switch x.Kind {
		case Began:
			if !ended {
				n.cut++
			}
			n.cut += max(0, x.Attempt-begun-1) // an attempt before it has left nothing
			begun, ended = x.Attempt, false
		case Tried:
			n.failed++
			n.due = x.due()
			begun, ended = x.Attempt, true
		case Cut:
			n.cut++
			begun, ended = x.Attempt, true
		case Again:
			begun, ended = x.Attempt, true
		}
	}
	if !ended {
		n.cut++
	}
	e := c.engine
	e.emit.mu.Lock()
	if seen := e.emit.attempts[c.full]; seen > begun { // it has left events
		n.cut += seen - begun
		begun, ended = seen, false
	}
	e.emit.mu.Unlock()
	n.next = begun + 1
	// The run before has crashed, and this is the first call that it has left no outcome of: it may
	// have been at it.
	n.uncertain = !ended
	if e.Crashed && ended && c.frontier && c.typ != TypeOnce && !time.Now().Before(n.due) {
		n.cut++
		n.next++
		n.uncertain = true
	}
	return n
}

// attempts makes attempts of a step until one succeeds or no more are to follow. It returns what is
// recorded.
func (c *call) attempts(o options, f func(context.Context) (Entry, error)) (Entry, error) {
	e := c.engine
	n := c.count()
	if o.once && c.past.last(Began) != nil {
		return Entry{}, c.failed(ErrInterrupted)
	}
	for {
		c.tries = n.next
		if n.cut >= maxCut {
			text := fmt.Sprintf("the step was cut off %d times", n.cut)
			return Entry{}, c.fail(Entry{Attempt: n.next - 1, Error: &Recorded{text, CauseCutOff}})
		}
		if time.Now().Before(n.due) {
			if err := c.park(wait{due: n.due, works: true}); err != nil {
				return Entry{}, err
			}
		}
		if err := c.room(o.within); err != nil {
			return Entry{}, err
		}
		if o.once || n.uncertain {
			if err := c.record(Entry{Kind: Began, Attempt: n.next}); err != nil {
				return Entry{}, err
			}
			n.uncertain = false
		}
		within := o.within
		if o.once && within == 0 && !e.Deadline.IsZero() {
			within = min(usual, time.Until(e.Deadline)) // no hand-over interrupts it
		}
		x, again, err := c.try(n.next, within, o, n.failed, f)
		if !again {
			return x, err
		}
		n.failed++
		n.next++
		n.due = x.due()
	}
}

// try makes one attempt, and records how it went. Again says that another one is to follow, at the
// time in the entry.
func (c *call) try(
	number int, within time.Duration, o options, failed int, f func(context.Context) (Entry, error),
) (x Entry, again bool, err error) {
	e := c.engine
	a, err := c.attempt(number, within)
	if err != nil {
		return x, false, err
	}
	x, err = a.run(f)
	took := time.Since(a.begun)
	defer a.land()
	x.Attempt, x.Took = number, took.Milliseconds()
	if err == nil {
		return x, false, c.done(x)
	}
	if !e.Deadline.IsZero() && !time.Now().Before(e.Deadline) {
		<-e.gone // the run ends now, too
	}
	e.mu.Lock()
	over, end, struck := e.over, e.outcome.End, c.struck
	e.mu.Unlock()
	switch {
	case over != nil:
		if !o.once && (end == HandedOver || end == Mismatched) {
			_ = c.record(Entry{Kind: Cut, Attempt: number, Took: x.Took}) // otherwise it is not counted
		}
		return x, false, over
	case struck && context.Cause(a.ctx) == ErrCanceled && o.once:
		return x, false, c.failed(ErrInterrupted) // it may have done what it does; the next call is canceled
	case struck && context.Cause(a.ctx) == ErrCanceled:
		return x, false, c.cancel()
	}
	x.Error = recorded(err)
	x.Result = nil
	if p := (*permanent)(nil); failed+1 >= o.attempts || errors.As(err, &p) {
		return x, false, c.fail(x)
	}
	pause := min(o.first<<min(failed, 30), max(o.first, maxPause))
	if pause < o.first { // too many bits
		pause = max(o.first, maxPause)
	}
	if a := (*after)(nil); errors.As(err, &a) {
		pause = max(pause, min(a.pause, maxPause))
	}
	next := time.Now().Add(pause)
	if last := e.last(); !last.IsZero() && next.After(last) {
		x.Error.Text = cut(fmt.Sprintf("%s (the next attempt would be at %s, too late for a task that lasts until %s)", x.Error.Text,
			next.UTC().Format(time.RFC3339), e.Expires.UTC().Format(time.RFC3339)))
		return x, false, c.fail(x)
	}
	x.Kind, x.Due = Tried, next.UnixMilli()
	return x, true, c.record(x)
}

// attempt begins an attempt of the call. Its context is the author's, which ends with the run and
// after within, if that is not 0. The caller must call land.
func (c *call) attempt(number int, within time.Duration) (*attempt, error) {
	e := c.engine
	if !e.Host.Held() {
		e.finish(Outcome{End: Lost})
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over != nil {
		return nil, e.over
	}
	a := &attempt{call: c, number: number, begun: time.Now()}
	f := *c.frame
	f.step = a
	ctx, stop := context.WithCancelCause(withFrame(c.ctx, &f))
	release := context.AfterFunc(e.ctx, func() { stop(context.Cause(e.ctx)) }) // the author's may outlive it
	a.ctx, a.stop = ctx, func(cause error) { release(); stop(cause) }
	if within > 0 {
		ctx, cancel := context.WithTimeout(a.ctx, within)
		stop := a.stop
		a.ctx, a.stop = ctx, func(cause error) { stop(cause); cancel() }
	}
	e.flights[c] = a
	return a, nil
}

// run calls f in the attempt's context.
func (a *attempt) run(f func(context.Context) (Entry, error)) (x Entry, err error) {
	e := a.call.engine
	defer func() {
		e.emit.mu.Lock()
		a.over = true
		e.emit.mu.Unlock()
	}()
	defer func() {
		if p := recover(); p != nil {
			e.Logger.ErrorContext(a.ctx, "a step panicked", "task", e.Task.ID, "step", a.call.full, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if x, err = f(a.ctx); err != nil {
		_ = err.Error() // a nil pointer as an error panics here, and not where it is recorded
	}
	return x, err
}

// land ends the attempt.
func (a *attempt) land() {
	e := a.call.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	a.stop(nil)
	delete(e.flights, a.call)
	e.cond.Broadcast()
}
