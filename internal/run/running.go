package run

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// running has the runs of this process. Its zero value has none.
type running struct {
	mu   sync.Mutex
	runs map[a2a.TaskID]map[*Run]bool // a run that was superseded may still be there; true: it has its lease
	held int                          // runs that have their leases
	none []chan struct{}              // to be closed when there are no runs
	free []chan struct{}              // to be closed when no run has its lease
}

// add adds a run, until remove is called.
func (r *running) add(run *Run) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs == nil {
		r.runs = make(map[a2a.TaskID]map[*Run]bool)
	}
	id := run.turn.Head.ID
	if r.runs[id] == nil {
		r.runs[id] = make(map[*Run]bool)
	}
	r.runs[id][run] = true
	r.held++
	return func() {
		r.letGo(run)
		r.mu.Lock()
		defer r.mu.Unlock()
		if delete(r.runs[id], run); len(r.runs[id]) == 0 {
			delete(r.runs, id)
		}
		r.tell()
	}
}

// letGo notes that a run has given up its lease.
func (r *running) letGo(run *Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if runs := r.runs[run.turn.Head.ID]; runs[run] {
		runs[run] = false
		r.held--
	}
	r.tell()
}

// tell tells who waits for it that there are no runs, or that none has its lease. r.mu is held.
func (r *running) tell() {
	closeAll := func(all *[]chan struct{}) {
		for _, c := range *all {
			close(c)
		}
		*all = nil
	}
	if len(r.runs) == 0 {
		closeAll(&r.none)
	}
	if r.held == 0 {
		closeAll(&r.free)
	}
}

// drained returns a channel that is closed once there are no runs, and released one that is closed
// once no run has its lease.
func (r *running) drained() <-chan struct{} { return r.await(&r.none) }

func (r *running) released() <-chan struct{} { return r.await(&r.free) }

func (r *running) await(all *[]chan struct{}) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := make(chan struct{})
	*all = append(*all, c)
	r.tell()
	return c
}

// of returns the runs of a task.
func (r *running) of(id a2a.TaskID) []*Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.runs[id]))
}

// RequestCancel asks the holder to cancel the task. A run in this process learns it at once. A run
// elsewhere learns it when it asks the next time.
func (r *Runner) RequestCancel(ctx context.Context, h tasklog.Head) error {
	if err := r.Store.RequestCancel(ctx, h); err != nil {
		return err
	}
	for _, run := range r.running.of(h.ID) {
		run.hurry()
	}
	return nil
}

// hurry has the run renew its lease now, to see what is asked of it.
func (r *Run) hurry() {
	select {
	case r.asked <- struct{}{}:
	default: // it has been told already
	}
}
