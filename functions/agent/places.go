package main

import (
	"context"
	"fmt"
	"strconv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/lambdaenv"
)

// defaultPlaces is the default of MAX_CONCURRENCY, if the memory admits it.
const defaultPlaces = 1000

// maxConcurrency returns the number of places of a local server, from a number, which may be "".
func maxConcurrency(text string) (int, error) {
	if text == "" {
		return min(defaultPlaces, lambdaenv.Streams()), nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1_000_000 {
		return 0, fmt.Errorf("MAX_CONCURRENCY is %q, not a number from 1 to 1000000", text)
	}
	return n, lambdaenv.Admits("MAX_CONCURRENCY", n)
}

// places bound what a local server does at the same time. A message has a place until its answer
// has ended, which is not before its run has ended; so has a stream. Tasks in the background have
// places of their own: otherwise those who follow such tasks could take all places, and wait for
// tasks that wait for one.
type places struct {
	taken   chan struct{} // a token for each place that a request has
	working chan struct{} // a token for each task in the background
	waiting chan struct{} // a token for each task that waits for a place
}

// newPlaces returns n places of each kind.
func newPlaces(n int) places {
	return places{make(chan struct{}, n), make(chan struct{}, n), make(chan struct{}, n)}
}

// enter takes a place for a request, and returns a function that gives it back. It returns
// [a2ahttp.ErrFull] if there is none: a client can go to another server.
func (p places) enter() (leave func(), err error) {
	select {
	case p.taken <- struct{}{}:
		return func() { <-p.taken }, nil
	default:
		return nil, a2ahttp.ErrFull
	}
}

// line returns a function that works on a task when there is a place for it, unless ctx is done
// before. It returns nil if as many tasks as there are places wait already.
func (p places) line(ctx context.Context, work func()) func() {
	select {
	case p.waiting <- struct{}{}:
	default:
		return nil
	}
	return func() {
		select {
		case p.working <- struct{}{}:
			<-p.waiting
		case <-ctx.Done():
			<-p.waiting
			return
		}
		defer func() { <-p.working }()
		work()
	}
}

// full reports whether a task in the background would wait for a place.
func (p places) full() bool { return len(p.working) == cap(p.working) }
