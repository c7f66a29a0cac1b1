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

// Gather returns a function that asks for the delivery of one configuration, for callers that are
// many at a time: those that come while invoke is at work go together into its next call. It
// returns when invoke has taken the configuration, with the error of that.
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
		go g.work(context.WithoutCancel(ctx)) // it is about others, too
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
