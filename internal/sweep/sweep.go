// Package sweep goes through what is due, a bit in each invocation.
//
// What is to be looked at is spread over shards, which are swept side by side, each in the order of
// time, from where the last sweep of it has stopped. A sweep that comes to the end of a shard lets
// the next one begin with what has been due for longest. So everything is looked at in the end,
// however much it is and however little a sweep has time for, and nothing can keep a sweep from
// what comes after it.
//
// A sweep does little itself: it asks for others, who do the work. How often it does is bounded,
// and whatever it asks for it postpones first: then it is not asked for in each sweep, nor by two
// that run at the same time.
package sweep

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"a2alambda/internal/tasklog"
)

const (
	// pageSize is how many looks are read at once.
	pageSize = 500

	// atOnce is how many of a shard are looked at at the same time.
	atOnce = 4

	// margin is how long before the deadline a sweep looks at nothing more, and half of it how long
	// before the deadline it waits for nothing more: what remains is for storing where it has
	// stopped.
	margin = 6 * time.Second

	// askWithin is how long it may take to ask for somebody.
	askWithin = 3 * time.Second

	// maxFailures is after how many failures in a row a sweep asks for nobody any more. It goes on
	// with what it can do itself.
	maxFailures = 16

	// maxErrors is how many errors a sweep returns. It counts the others.
	maxErrors = 10
)

// Report is what a sweep has come to.
type Report struct {
	// Looked is how many looks were due, as far as the sweep has come.
	Looked int
	// Asked is how many of them somebody was asked for.
	Asked int
	// Settled is how many the sweep has seen to itself.
	Settled int
	// Left is how many stay due, since the sweep had asked for as many as it may.
	Left int
	// Behind is how many shards the sweep had no time to come to the end of.
	Behind int
	// Oldest is for how long that has been due which has been due for longest, of all that nobody
	// holds.
	Oldest time.Duration
}

// Sweep is one round. It is safe for concurrent use.
type Sweep struct {
	looks tasklog.Looks
	most  int
	begun time.Time
	end   time.Time // when it looks at nothing more; zero for never

	mu       sync.Mutex // guards what follows
	report   Report
	asking   int // begun
	failures int // of asking, in a row
	errs     []error
	more     int // errors that are not in errs
}

// Run calls look for whatever is due and not held, concurrently, until all is looked at, or the
// deadline of ctx is near. It asks for at most most. It goes on after an error, and returns the
// first ones.
func Run(
	ctx context.Context, looks tasklog.Looks, most int, look func(context.Context, *Sweep, tasklog.Look) error,
) (Report, error) {
	s := &Sweep{looks: looks, most: most, begun: time.Now()}
	working := ctx
	if deadline, limited := ctx.Deadline(); limited {
		s.end = deadline.Add(-margin)
		var cancel context.CancelFunc
		working, cancel = context.WithDeadline(ctx, deadline.Add(-margin/2))
		defer cancel()
	}
	places, err := looks.Places(working)
	if err != nil { // this one begins with what has been due for longest
		s.failed(err)
	}
	var shards sync.WaitGroup
	for i, from := range places {
		shards.Go(func() {
			to := s.shard(working, i, from, look)
			if to == from {
				return
			}
			if err := looks.SavePlace(ctx, i, from, to); err != nil {
				s.failed(err)
			}
		})
	}
	shards.Wait()
	if s.more > 0 {
		s.errs = append(s.errs, fmt.Errorf("and %d errors more", s.more))
	}
	return s.report, errors.Join(s.errs...)
}

// shard sweeps a shard from a place on. It returns where the next sweep is to go on.
func (s *Sweep) shard(
	ctx context.Context, i int, place tasklog.Place, look func(context.Context, *Sweep, tasklog.Look) error,
) tasklog.Place {
	var looking errgroup.Group
	looking.SetLimit(atOnce)
	defer func() { _ = looking.Wait() }()
	for {
		due, more, err := s.looks.Due(ctx, i, s.begun, place, pageSize)
		if err != nil {
			s.failed(fmt.Errorf("shard %d: %w", i, err))
			return place
		}
		for _, l := range due {
			if ctx.Err() != nil || !s.end.IsZero() && !time.Now().Before(s.end) {
				s.note(func(r *Report) { r.Behind++ })
				return place
			}
			place = l.Place
			s.note(func(r *Report) {
				r.Looked++
				if !l.Held {
					r.Oldest = max(r.Oldest, s.begun.Sub(l.Due))
				}
			})
			if l.Held {
				continue
			}
			looking.Go(func() error {
				if err := look(ctx, s, l); err != nil {
					s.failed(fmt.Errorf("task %s: %w", l.ID, err))
				}
				return nil
			})
		}
		if !more {
			return ""
		}
	}
}

// Ask calls ask for the look, to have somebody see to it, unless the sweep has asked for as many as
// it may. Before that, it postpones the look.
func (s *Sweep) Ask(
	ctx context.Context, l tasklog.Look, next time.Time, ask func(context.Context) error,
) error {
	s.mu.Lock()
	if s.asking >= s.most || s.failures >= maxFailures {
		s.report.Left++
		s.mu.Unlock()
		return nil
	}
	s.asking++
	s.mu.Unlock()
	moved, err := s.looks.Postpone(ctx, l, next)
	if err != nil || !moved { // it is not what it was: another sweep was faster, or somebody runs it
		s.mu.Lock()
		s.asking--
		s.mu.Unlock()
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	err = ask(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failures++
		return err
	}
	s.failures = 0
	s.report.Asked++
	return nil
}

// Settled counts what the sweep has seen to itself.
func (s *Sweep) Settled() { s.note(func(r *Report) { r.Settled++ }) }

func (s *Sweep) note(change func(*Report)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.report)
}

func (s *Sweep) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.errs) < maxErrors {
		s.errs = append(s.errs, err)
	} else {
		s.more++
	}
}

const (
	firstWait = time.Minute
	maxWait   = 15 * time.Minute
)

// Next returns when to look again at what has been asked for so many times before: each time it is
// twice as long, up to a quarter of an hour, less up to a half at random, so that what was asked
// for at one time does not stay together.
func Next(asked int) time.Time {
	wait := min(maxWait, firstWait<<min(asked, 10))
	return time.Now().Add(wait - rand.N(wait/2))
}
