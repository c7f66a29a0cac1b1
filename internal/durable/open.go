package durable

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"a2alambda/internal/tasklog"
)

// opens notes that a callback is open. It is closed if the task ends before anybody waits for it.
func (e *engine) opens(b *Callback) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.countOpen()
	if was, ok := e.open[b.opened.full]; !ok || was != nil {
		return // it was waited for
	}
	e.open[b.opened.full] = b
}

// closed notes that a callback is no longer open.
func (e *engine) closed(b *Callback) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.open, b.opened.full)
}

// hasRoom reports whether another callback can be open, and notes that it is.
func (e *engine) hasRoom(full string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.countOpen()
	if len(e.open) >= maxOpen {
		return false
	}
	e.open[full] = nil
	return true
}

// countOpen finds the callbacks that earlier runs have left open. e.mu is held.
func (e *engine) countOpen() {
	if e.open != nil {
		return
	}
	e.open = map[string]*Callback{}
	for full, r := range e.past.calls {
		parent, isWait := strings.CutSuffix(full, "/"+waitName)
		if opener := e.past.calls[parent]; isWait && opener != nil && opener.typ == TypeCallback {
			continue
		}
		if done := r.final(); r.typ != TypeCallback || done == nil || done.Kind != Done {
			continue
		}
		if waited := e.past.calls[join(full, waitName)]; waited == nil || waited.final() == nil {
			e.open[full] = nil
		}
	}
}

// closeAll closes the callbacks that are open when the task ends.
func (e *engine) closeAll(ctx context.Context) {
	e.mu.Lock()
	var open []*Callback
	for _, b := range e.open {
		if b != nil {
			open = append(open, b)
		}
	}
	e.mu.Unlock()
	var closing sync.WaitGroup
	for _, b := range open {
		closing.Go(func() { b.close(ctx) })
	}
	closing.Wait()
}

// insist calls f, which asks the host's store, until there is no error. It returns an error only if
// the run is over.
func (e *engine) insist(f func(ctx context.Context) error) error {
	for pause := insistFirst; ; pause = min(2*pause, insistMost) {
		err := f(e.ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, tasklog.ErrNotFound) || errors.Is(err, errAlone) { // that will not change
			e.finish(Outcome{End: Lost, Err: err})
		}
		select {
		case <-time.After(pause):
		case <-e.gone:
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.over
		}
	}
}

// The pauses of insist.
const (
	insistFirst = 100 * time.Millisecond
	insistMost  = 2 * time.Second
)
