package durable

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Option is an option of a durable call.
type Option interface{ apply(*options) }

type option func(*options)

func (o option) apply(to *options) { o(to) }

// options are the options of a call.
type options struct {
	once     bool
	within   time.Duration
	attempts int // 0: Retry is not set
	first    time.Duration
	progress bool
	timeout  time.Duration // 0: not set
}

// Once says that the function of the step is called once, ever. If that call is cut off, the step
// ends with [ErrInterrupted]. A step is not begun with Once if a hand-over is near: the function has
// a minute, unless [Within] says otherwise. Once and [Retry] exclude each other.
//
// A holder that was frozen just before it calls the function, for longer than its lease, may call it
// late, after another run has seen ErrInterrupted. Only a service that looks at [Key] closes that.
func Once() Option { return option(func(o *options) { o.once = true }) }

// Within says how long an attempt may take: its context ends after that, and it has failed then. An
// attempt is not begun if the invocation has less time left; then the task is handed over first. It
// is refused if a fresh invocation has less time, or has less when the function comes to it.
func Within(d time.Duration) Option { return option(func(o *options) { o.within = d }) }

// Retry says that a failed step is tried again, up to so many attempts in all. The first pause is
// the given one, and each next one twice as long, up to an hour; [After] makes it longer. A task
// with a pause of more than a minute is suspended. Without Retry there is one attempt, whose error
// is recorded. [Permanent] ends the attempts, and so does a pause that the task would not outlive.
// Attempts that were cut off by the end of their run don't count.
func Retry(attempts int, first time.Duration) Option {
	return option(func(o *options) { o.attempts, o.first = max(attempts, 1), first })
}

// Progress says that the events of the other agent are passed on, as events of the step. It is an
// option of [Call].
func Progress() Option { return option(func(o *options) { o.progress = true }) }

// Timeout says how long the reply of another agent may take, a day if it is not set. Then the error
// is [ErrTimeout]. It is an option of [Call].
func Timeout(d time.Duration) Option { return option(func(o *options) { o.timeout = d }) }

func optionsOf(opts []Option) (o options, err error) {
	for _, opt := range opts {
		if opt != nil {
			opt.apply(&o)
		}
	}
	switch {
	case o.once && o.attempts > 0:
		return o, errors.New("durable: Once and Retry exclude each other")
	case o.within < 0 || o.first < 0 || o.timeout < 0:
		return o, errors.New("durable: a negative time")
	}
	return o, nil
}

// Do calls f and records what it returns. What Do returns is what was recorded, also the first time:
// the result after encoding it as JSON and decoding it again, or the error as a [StepError]. In
// later runs f is not called. f gets a context of its own, for [Yield], [Key] and [Attempt]. It has the
// values of ctx, and ends with it: what f returns then is its result, or its error. A deadline of ctx
// ends no wait, such as a [Sleep].
//
// An attempt that is cut off by the end of its run is neither recorded as an error nor counted by
// Retry. It is made again in the next run. A step that was cut off five times ends with that as its
// error.
func Do[T any](ctx context.Context, name string, f func(ctx context.Context) (T, error), opts ...Option) (T, error) {
	var none T
	o, err := optionsOf(opts)
	if err != nil {
		return none, fmt.Errorf("%w: %q", err, name)
	}
	typ := TypeDo
	if o.once {
		typ = TypeOnce
	}
	c, err := begin(ctx, typ, name)
	if err != nil {
		return none, err
	}
	defer c.end()
	if v, err, ok := replayed[T](c); ok {
		return v, err
	}
	x, err := c.attempts(o, func(ctx context.Context) (Entry, error) {
		v, err := f(ctx)
		if err != nil {
			return Entry{}, err
		}
		x, err := encode(v)
		return x, Permanent(err)
	})
	if err != nil {
		return none, err
	}
	return decode[T](&x)
}

const (
	// maxCut is how many attempts of a step may be cut off.
	maxCut = 5

	// usual is how long a step is assumed to take that does not say it: it is not begun with less
	// time left. If an invocation has less than twice that, half of what it has is assumed.
	usual = time.Minute

	// maxPause is the longest pause between two attempts, unless the first is longer.
	maxPause = time.Hour
)

// room makes sure that the run has so much time left: usual, if it is 0. Otherwise, or if the process
// is about to end, it leaves the run. If no run has so much time, it records that as the error of the
// call: a step that has not said how long it takes is begun all the same, unless it is one with Once.
func (c *call) room(d time.Duration) error {
	e := c.engine
	e.mu.Lock()
	leaving := e.leaving
	e.mu.Unlock()
	switch {
	case leaving:
		return c.park(wait{leaves: true})
	case e.Deadline.IsZero():
		return nil
	}
	fresh := e.Deadline.Sub(e.begun)
	need := cmp.Or(d, min(usual, fresh/2))
	if time.Until(e.Deadline) >= need {
		return nil
	}
	e.mu.Lock()
	idle := e.fresh == 0 && !e.waited // the next run has no more time here than this one
	e.mu.Unlock()
	switch {
	case !idle:
		return c.park(wait{leaves: true})
	case d == 0 && c.typ == TypeDo:
		return nil // it may be cut off; that happens so often
	case need > fresh:
		return c.failed(fmt.Errorf("it may take %v, and an invocation has only %v", need, fresh.Round(time.Second)))
	}
	return c.failed(fmt.Errorf("it may take %v, and of an invocation only %v are left when the function comes to it", need, time.Until(e.Deadline).Round(time.Second)))
}
