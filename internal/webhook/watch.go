package webhook

import (
	"context"
	"sync"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

// Watch returns the deliverer's stores of tasks and configurations for a server that is a single
// process. A change that a webhook may have to learn wakes the deliverer, as the table's stream
// does in a deployment. Jobs counts the work in the background.
func (d *Deliverer) Watch(tasks tasklog.Store, jobs *sync.WaitGroup) (tasklog.Store, push.Store) {
	w := &watch{deliverer: d, jobs: jobs, again: make(map[a2a.TaskID]bool)}
	hooks := tasklog.Hooks{After: func(_ context.Context, op tasklog.Op, err error) error {
		if err == nil && (op.Name == "Create" || op.Name == "Lease.Append" || op.Name == "Push.Put") {
			w.wake(op.ID)
		}
		return err
	}}
	return tasklog.Hooked(tasks, hooks), push.Hooked(d.config.Store, hooks)
}

// watch wakes the deliverer for each task, one wake-up at a time, and again after a later change.
type watch struct {
	deliverer *Deliverer
	jobs      *sync.WaitGroup

	mu    sync.Mutex
	again map[a2a.TaskID]bool // the tasks with a wake-up under way; true if they have changed since
}

// wake does not block.
func (w *watch) wake(id a2a.TaskID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, awake := w.again[id]
	w.again[id] = awake
	if awake {
		return
	}
	w.jobs.Go(func() {
		for more := true; more; {
			if err := w.deliverer.Wake(context.Background(), id); err != nil {
				w.deliverer.config.Logger.Error("delivery failed", "error", err)
			}
			w.mu.Lock()
			if more = w.again[id]; more {
				w.again[id] = false
			} else {
				delete(w.again, id)
			}
			w.mu.Unlock()
		}
	})
}
