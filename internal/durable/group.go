package durable

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Group is a group of branches, which run at the same time. Each branch has its own scope of names.
// It is made by [NewGroup].
type Group struct {
	frame *frame // nil if ctx is not that of a durable agent
	ctx   context.Context

	// engine.mu guards what follows.
	err     error // of NewGroup or Go
	left    int   // branches that have not returned
	waiting bool
	errs    []error // of the branches, in the order in which they were started
	done    chan struct{}
}

// NewGroup returns a group of branches of the branch that ctx is of. They are known to the engine,
// as a goroutine is not: the task is suspended when all of them wait.
func NewGroup(ctx context.Context) *Group {
	g := &Group{ctx: ctx}
	g.frame, g.err = frameOf(ctx)
	switch {
	case g.err != nil:
	case g.frame.err != nil:
		g.err = g.frame.err
	case g.frame.step != nil:
		g.err = fmt.Errorf("durable: a group is made inside of the step %q: a step has no branches", g.frame.step.call.full)
	}
	return g
}

// Go starts a branch. Its name is one of ctx, and the scope of the names in it. What is wrong with
// the name is told by Wait.
func (g *Group) Go(name string, f func(ctx context.Context) error) {
	if g.frame == nil || g.frame.step != nil || g.frame.err != nil {
		return // NewGroup has said so
	}
	full, err := g.frame.use(name)
	e := g.frame.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if g.err == nil {
		g.err = cmp.Or(err, e.over)
	}
	if g.err != nil {
		return
	}
	b := e.start(full, g.frame.branch, g)
	b.beyond = g.frame.branch.beyond
	i := len(g.errs)
	g.errs = append(g.errs, nil)
	g.left++
	e.live++
	ctx := withFrame(g.ctx, &frame{engine: e, branch: b, prefix: full})
	go func() {
		err := errors.New("durable: a branch ended its goroutine")
		defer func() { g.returned(b, i, err) }()
		err = g.call(ctx, f)
	}()
}

// call calls the function of a branch.
func (g *Group) call(ctx context.Context, f func(ctx context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e := g.frame.engine
			e.Logger.ErrorContext(ctx, "a branch panicked", "task", e.Task.ID, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f(ctx)
}

// returned notes that a branch has returned.
func (g *Group) returned(b *branch, i int, err error) {
	e := g.frame.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	g.errs[i], b.ended = err, true
	g.left--
	if g.left == 0 && g.waiting {
		close(g.done) // the branch that waits is live in its place
	} else {
		e.live--
		e.settle()
	}
	e.cond.Broadcast()
}

// mayWait returns an error if the branch of the group does something else, or has returned. engine.mu
// is held.
func (g *Group) mayWait() error {
	e, b := g.frame.engine, g.frame.branch
	switch {
	case e.over != nil:
		return nil // there is nothing more to do wrong
	case b.busy != nil:
		return fmt.Errorf("durable: a group is waited for while its branch is in %q: the branches of a Group use the context that they get", b.busy.full)
	case b.waitsFor != nil || b.ended:
		return errors.New("durable: a group is waited for in a branch that waits for others or has returned")
	}
	return nil
}

// Wait waits until all branches have returned. It returns the error of the first one, in the order
// of Go, among those that failed. No branch is canceled by the error of another one.
func (g *Group) Wait() error {
	if g.frame == nil || g.frame.step != nil {
		return cmp.Or(g.err, errNoTask)
	}
	e, b := g.frame.engine, g.frame.branch
	e.mu.Lock()
	if err := g.mayWait(); err != nil {
		defer e.mu.Unlock()
		return err
	}
	if g.left > 0 && b.waitsFor == nil {
		g.waiting, b.waitsFor, g.done = true, g, make(chan struct{})
		e.cond.Broadcast()
		e.live--
		e.settle()
		e.mu.Unlock()
		<-g.done
		e.mu.Lock()
		g.waiting, b.waitsFor = false, nil
	}
	defer e.mu.Unlock()
	if e.over != nil {
		return e.over
	}
	if g.err != nil {
		return g.err
	}
	for _, err := range g.errs {
		if err != nil {
			return err
		}
	}
	return nil
}
