// Package gather lets many callers share a request.
package gather

import (
	"context"
	"sync"
)

// Calls returns a function that asks for one thing. Many may call it at the same time: what they ask
// for during a call of invoke shares the next call, of up to most things. The function returns when
// invoke has taken its thing, with the error of that call, or when its ctx is done.
func Calls[T any](most int, invoke func(ctx context.Context, all ...T) error) func(ctx context.Context, one T) error {
	g := &gatherer[T]{most: most, invoke: invoke}
	return g.ask
}

type gatherer[T any] struct {
	most   int
	invoke func(ctx context.Context, all ...T) error

	mu      sync.Mutex
	waiting []asked[T]
	busy    bool // somebody calls invoke
}

type asked[T any] struct {
	what T
	done chan<- error
}

func (g *gatherer[T]) ask(ctx context.Context, what T) error {
	done := make(chan error, 1)
	g.mu.Lock()
	g.waiting = append(g.waiting, asked[T]{what, done})
	if !g.busy {
		g.busy = true
		go g.work(context.WithoutCancel(ctx)) // the call is for others, too
	}
	g.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work calls invoke until nobody waits.
func (g *gatherer[T]) work(ctx context.Context) {
	for {
		g.mu.Lock()
		n := min(len(g.waiting), g.most)
		now := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		g.busy = n > 0
		g.mu.Unlock()
		if n == 0 {
			return
		}
		all := make([]T, n)
		for i, a := range now {
			all[i] = a.what
		}
		err := g.invoke(ctx, all...)
		for _, a := range now {
			a.done <- err
		}
	}
}
