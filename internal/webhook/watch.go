package webhook

import (
	"context"
	"sync"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

// Watch returns the stores as they are, except that each change which may be news for a webhook
// wakes the deliverer, as the table's stream does in a deployment: for a server that is a single
// process. Each call of wake is to run [Deliverer.Wake] for the task; it must not block.
func Watch(tasks tasklog.Store, pushes push.Store, wake func(a2a.TaskID)) (tasklog.Store, push.Store) {
	hooks := tasklog.Hooks{After: func(_ context.Context, op tasklog.Op, err error) error {
		if err == nil && (op.Name == "Create" || op.Name == "Lease.Append" || op.Name == "Push.Put") {
			wake(op.ID)
		}
		return err
	}}
	return tasklog.Hooked(tasks, hooks), push.Hooked(pushes, hooks)
}

// Waker runs the calls of [Watch] in the background: for each task one at a time, and one more if
// it is woken meanwhile.
type Waker struct {
	wake func(a2a.TaskID)
	jobs *sync.WaitGroup

	mu    sync.Mutex
	again map[a2a.TaskID]bool // of those that are awake: woken meanwhile
}

// NewWaker returns a waker that calls wake. What it runs is counted in jobs.
func NewWaker(jobs *sync.WaitGroup, wake func(a2a.TaskID)) *Waker {
	return &Waker{wake: wake, jobs: jobs, again: make(map[a2a.TaskID]bool)}
}

// Wake does not block.
func (w *Waker) Wake(id a2a.TaskID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, awake := w.again[id]; awake {
		w.again[id] = true
		return
	}
	w.again[id] = false
	w.jobs.Go(func() {
		for more := true; more; {
			w.wake(id)
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
