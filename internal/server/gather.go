package server

import (
	"context"
	"sync"
)

// gathering lets callers that want the same at the same time share one call. Its zero value is
// ready.
type gathering[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*gathered[V] // the last of each key
}

// gathered is a call. The fields below done are set before that is closed.
type gathered[V any] struct {
	before *gathered[V] // it begins when that one is done; nil if there is none
	begun  bool         // nobody may join any more; guarded by gathering.mu

	done  chan struct{}
	value V
	err   error
	left  bool // its caller has gone before it was done
}

// do returns what f returns, in a call that has begun after that of do: so it shows all that the
// caller has done before. Callers with the same key, whose f do the same, wait for the call that is
// under way, and share the next one. They must not change its value.
func (g *gathering[K, V]) do(ctx context.Context, key K, f func() (V, error)) (V, error) {
	for {
		c, first := g.join(key)
		if first {
			g.call(ctx, key, c, f)
			return c.value, c.err
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			var none V
			return none, context.Cause(ctx)
		}
		if !c.left {
			return c.value, c.err
		}
	}
}

// join returns the next call with the key. First says that the caller has to make it.
func (g *gathering[K, V]) join(key K) (c *gathered[V], first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	last := g.calls[key]
	if last != nil && !last.begun {
		return last, false
	}
	if g.calls == nil {
		g.calls = map[K]*gathered[V]{}
	}
	c = &gathered[V]{before: last, done: make(chan struct{}), left: true}
	g.calls[key] = c
	return c, true
}

// call makes the call. If its caller goes away, or f panics, the others make another one.
func (g *gathering[K, V]) call(ctx context.Context, key K, c *gathered[V], f func() (V, error)) {
	defer close(c.done)
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		c.begun = true
		if g.calls[key] == c {
			delete(g.calls, key)
		}
	}()
	if c.before != nil {
		select {
		case <-c.before.done:
		case <-ctx.Done():
			c.err = context.Cause(ctx)
			return
		}
		c.before = nil
	}
	g.mu.Lock()
	c.begun = true
	g.mu.Unlock()
	c.value, c.err = f()
	c.left = c.err != nil && ctx.Err() != nil
}
