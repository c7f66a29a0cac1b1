// Package fanout works on many tasks at the same time.
package fanout

import (
	"errors"
	"fmt"
	"sync"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"golang.org/x/sync/errgroup"
)

// Group runs functions at the same time and joins their errors. An errgroup keeps only the first,
// but the error of one task says nothing of the others.
type Group struct {
	running errgroup.Group
	mu      sync.Mutex // guards errs
	errs    []error
}

// New returns a group that runs at most limit functions at a time.
func New(limit int) *Group {
	g := new(Group)
	g.running.SetLimit(limit)
	return g
}

// Go calls do in the background. It blocks while the limit is reached.
func (g *Group) Go(id a2a.TaskID, do func() error) {
	g.running.Go(func() error {
		if err := do(); err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.errs = append(g.errs, fmt.Errorf("task %s: %w", id, err))
		}
		return nil
	})
}

// Wait waits for all functions and returns their errors, with their tasks.
func (g *Group) Wait() error {
	_ = g.running.Wait()
	return errors.Join(g.errs...)
}
