package run

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
)

// running has the runs of this process. Its zero value has none.
type running struct {
	mu   sync.Mutex
	runs map[a2a.TaskID]map[*Run]bool // a run that was superseded may still be there; true: it has its lease
	held int                          // runs that have their leases
	none []chan struct{}              // to be closed when there are no runs
	free []chan struct{}              // to be closed when no run has its lease

	missed map[a2a.TaskID]bool // see hear
	unheed context.CancelFunc  // ends attend; nil if there are no runs
}

// add adds a run, until remove is called. Attend is called in a goroutine while there are runs.
func (r *running) add(run *Run, attend func(context.Context)) (remove func()) {
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
	if r.missed[id] {
		delete(r.missed, id)
		run.keeper.hurry()
	}
	if r.unheed == nil {
		var ctx context.Context
		ctx, r.unheed = context.WithCancel(context.Background())
		go attend(ctx)
	}
	return func() {
		r.letGo(run)
		r.mu.Lock()
		defer r.mu.Unlock()
		if delete(r.runs[id], run); len(r.runs[id]) == 0 {
			delete(r.runs, id)
		}
		if len(r.runs) == 0 {
			r.unheed()
			r.unheed = nil
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

// hurry has the runs of a task renew their leases, to see what is asked of them.
func (r *running) hurry(id a2a.TaskID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hurryLocked(id)
}

// hurryLocked is hurry where r.mu is held. It reports whether there are runs.
func (r *running) hurryLocked(id a2a.TaskID) bool {
	for run := range r.runs[id] {
		run.keeper.hurry()
	}
	return len(r.runs[id]) > 0
}

// maxMissed bounds the tasks of which something was asked before they had a run. A forgotten one
// learns of it when it renews its lease.
const maxMissed = 1000

// hear is hurry for what others ask: a run that is about to begin has the lease already.
func (r *running) hear(ids []a2a.TaskID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if r.hurryLocked(id) {
			continue
		}
		if r.missed == nil || len(r.missed) >= maxMissed {
			r.missed = make(map[a2a.TaskID]bool)
		}
		r.missed[id] = true
	}
}

// usage returns what some run has cost so far, or nil if there are none.
func (r *running) usage() *telemetry.Usage {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, runs := range r.runs {
		for run := range runs {
			return run.usage
		}
	}
	return nil
}

// attend asks what others want of the runs of this process, until ctx is done: there are no more runs.
func (r *Runner) attend(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	var p pace
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asking, cancel := context.WithTimeout(telemetry.With(ctx, r.running.usage()), p.within(&r.slow)) // one of them pays
		begun := time.Now()
		ids, err := r.Store.AskedOf(asking, r.process)
		p.note(time.Since(begun), err, &r.slow)
		cancel()
		r.running.hear(ids)
	}
}

// RequestCancel asks the holder to cancel the task. A run in this process learns it at once. A run
// elsewhere learns it when its process asks the next time.
func (r *Runner) RequestCancel(ctx context.Context, h tasklog.Head) error {
	if err := r.Store.RequestCancel(ctx, h); err != nil {
		return err
	}
	r.running.hurry(h.ID)
	return nil
}
