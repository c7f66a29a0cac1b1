// Package sweep goes through what is due: in a deployment, once a minute, unfinished tasks (package
// run) and push notification configurations that wait to be delivered (package push).
//
// # Looks
//
// A store keeps a look for each of these ([tasklog.Look]): the time at which a sweep has to look at
// it. An index has the looks in the order of time. So a sweep reads what is due, and nothing else:
// a look that is not due costs nothing.
//
// # A sweep
//
// The looks are spread over shards ([tasklog.Shards]), and a sweep goes through all shards side by
// side. In each it reads the looks that are due, in the order of time, a page at a time:
//
//   - If somebody holds the lease of the task, there is nothing to do.
//   - If the sweep can settle the look itself, it does: a task may have ended without the index
//     knowing.
//   - Otherwise it asks somebody else to do the work, such as a worker ([Sweep.Ask]).
//
// A sweep has one invocation. Shortly before the deadline it stops, and stores for each shard the
// place that it has reached. The next sweep goes on from there. A sweep that reaches the end of a
// shard stores the beginning instead: the next one starts with what has been due for longest. So
// every look is reached in the end, and no number of old ones keeps a sweep from the young ones.
//
// # Asking
//
// A sweep asks a limited number of times. The looks that are left stay due, for the next sweep.
// Before it asks, it postpones the look, on the condition that nobody has changed it: of two sweeps
// at the same time, only one asks. If nobody does the work, the look is due again later, each time
// after a longer and random pause ([Next]). After many failures in a row, a sweep stops asking, but
// still settles what it can.
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

	// atOnce is how many looks of a shard are worked on at the same time.
	atOnce = 4

	// margin is how long before the deadline a sweep begins no more looks. At half of it, it stops
	// waiting for those under way. The rest is for storing the places that it has reached.
	margin = 6 * time.Second

	// askWithin is how long one request to do the work may take.
	askWithin = 3 * time.Second

	// maxFailures is after how many failures in a row a sweep stops asking, and only settles.
	maxFailures = 16

	// maxErrors is how many errors a sweep returns. It only counts the others.
	maxErrors = 10
)

// Report is the result of a sweep.
type Report struct {
	// Looked is how many due looks the sweep has read, those of busy tasks included.
	Looked int
	// Asked is for how many looks the sweep has asked somebody to do the work.
	Asked int
	// Settled is how many looks the sweep has settled itself.
	Settled int
	// Left is how many looks stay due, because the sweep had asked as often as it may.
	Left int
	// Behind is how many shards the sweep had no time to finish.
	Behind int
	// Oldest is how long the oldest look has been due, among those whose task nobody holds.
	Oldest time.Duration
}

// Sweep is one round. It is safe for concurrent use.
type Sweep struct {
	looks tasklog.Looks
	most  int
	begun time.Time
	end   time.Time // when it begins no more looks; zero without a deadline

	mu       sync.Mutex // guards what follows
	report   Report
	asking   int // how often it has asked, or is about to
	failures int // of asking, in a row
	errs     []error
	more     int // errors that are not in errs
}

// Run calls look for every look that is due and not held, several at the same time, until it has
// reached all of them, ctx is done or its deadline is near. It asks at most the given number of times.
// After an error it goes on, and it returns the first errors.
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
	if err != nil { // then each shard is swept from its beginning
		s.failed(err)
	}
	var shards sync.WaitGroup
	for i, from := range places {
		shards.Go(func() {
			to := s.shard(working, i, from, look)
			if to == from {
				return
			}
			// Also if ctx is done, because the process is about to end.
			saving, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin/2)
			defer cancel()
			if err := looks.SavePlace(saving, i, from, to); err != nil {
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

// shard sweeps a shard from a place on. It returns the place where the next sweep goes on.
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

// Ask postpones the look to the next time, and then calls ask, which asks somebody to do the work.
// If the sweep has asked as often as it may, the look stays due. If the look has changed since it
// was read, Ask does nothing.
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
	if err != nil || !moved { // if not moved, another sweep was faster, or somebody runs the task
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

// Settled counts a look that the sweep has settled itself.
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

// Next returns the time of the next look at something that was asked for this number of times
// before: after one minute, twice as long each time, and 15 minutes at most. Up to half of that is
// taken off at random, so that looks that were due together don't stay together.
func Next(asked int) time.Time {
	wait := min(maxWait, firstWait<<min(asked, 10))
	return time.Now().Add(wait - rand.N(wait/2))
}
