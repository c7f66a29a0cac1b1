package push

import (
	"context"
	"sync"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Ref names a configuration.
type Ref struct {
	TaskID a2a.TaskID
	ID     string
}

// GatherMost is how many configurations [Gather] puts into one invocation at most.
const GatherMost = 50

// Gather returns a function that asks for the delivery of one configuration. Many may call it at
// the same time: the configurations that come during a call of invoke share the next call. The
// function returns when invoke has taken its configuration, with the error of that call.
func Gather(
	invoke func(ctx context.Context, refs ...Ref) error,
) func(ctx context.Context, id a2a.TaskID, config string) error {
	g := &gatherer{invoke: invoke}
	return g.ask
}

type gatherer struct {
	invoke func(ctx context.Context, refs ...Ref) error

	mu      sync.Mutex
	waiting []asked
	busy    bool // somebody calls invoke
}

type asked struct {
	ref  Ref
	done chan<- error
}

func (g *gatherer) ask(ctx context.Context, id a2a.TaskID, config string) error {
	done := make(chan error, 1)
	g.mu.Lock()
	g.waiting = append(g.waiting, asked{Ref{id, config}, done})
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
func (g *gatherer) work(ctx context.Context) {
	for {
		g.mu.Lock()
		n := min(len(g.waiting), GatherMost)
		now := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		g.busy = n > 0
		g.mu.Unlock()
		if n == 0 {
			return
		}
		refs := make([]Ref, n)
		for i, a := range now {
			refs[i] = a.ref
		}
		err := g.invoke(ctx, refs...)
		for _, a := range now {
			a.done <- err
		}
	}
}
