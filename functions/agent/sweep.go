package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"a2alambda/internal/push"
)

const (
	// sweepEvery is how often local servers look for orphaned tasks and due notifications, as the
	// sweeper does in a deployment. Those that share a table take turns.
	sweepEvery = time.Minute

	// sweepSpread is how long after the time of a round a server may come, at random, so that the
	// rounds, and the work that they find, are spread over the servers.
	sweepSpread = time.Second

	// sweepFull is how much later a server comes that has no place for what it would find.
	sweepFull = 5 * time.Second
)

// sweep has orphaned tasks resumed and due notifications delivered, again and again, in turns with
// others that use the same table. It does so once at its beginning: after a crash, tasks wait for
// the next process.
func (l *local) sweep(ctx context.Context) {
	for first := true; ; first = false {
		due, taken, err := l.runner.Store.TakeRound(ctx, time.Now(), time.Now().Add(sweepEvery-sweepSpread))
		if err != nil && ctx.Err() == nil {
			l.runner.Logger.Error("sweep failed", "error", err)
			due = time.Now().Add(sweepEvery - sweepSpread)
		}
		if taken || first {
			l.round(ctx)
		}
		wait(ctx, time.Until(due)+rand.N(sweepSpread))
		if l.places.full() {
			wait(ctx, sweepFull)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func wait(ctx context.Context, pause time.Duration) {
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}

// round is one sweep.
func (l *local) round(ctx context.Context) {
	ctx, end := context.WithTimeout(ctx, sweepEvery)
	defer end()
	var err, pushErr error
	var rounds sync.WaitGroup
	rounds.Go(func() { _, err = l.runner.Sweep(ctx) })
	rounds.Go(func() { _, pushErr = push.Sweep(ctx, l.pushes, push.Gather(l.deliver)) })
	rounds.Wait()
	if err = errors.Join(err, pushErr); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		l.runner.Logger.Error("sweep failed", "error", err)
	}
}
