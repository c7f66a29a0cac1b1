package webhook

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

// Watch returns log and store as they are, but that what goes through them wakes the deliverer, as the
// table's stream does in a deployment: for a server that is a single process. Each call of wake is to run
// [Deliverer.Wake] for the task; it must not block.
func Watch(log tasklog.Log, store push.Store, wake func(a2a.TaskID)) (tasklog.Log, push.Store) {
	w := watched{log, wake}
	s := push.Around(store, func(op string, id a2a.TaskID, do func() error) error {
		err := do()
		if err == nil && op == "Put" {
			wake(id)
		}
		return err
	})
	if save, ok := log.(tasklog.Snapshotter); ok {
		return watchedSnapshotter{w, save}, s
	}
	return w, s
}

type watched struct {
	tasklog.Log
	wake func(a2a.TaskID)
}

func (w watched) Create(ctx context.Context, h tasklog.Head, writer string, until time.Time, event []byte) error {
	err := w.Log.Create(ctx, h, writer, until, event)
	if err == nil && h.Push {
		w.wake(h.ID)
	}
	return err
}

func (w watched) Append(ctx context.Context, b tasklog.Batch) error {
	err := w.Log.Append(ctx, b)
	if err == nil && b.Push {
		w.wake(b.ID)
	}
	return err
}

// Renew wakes after a holder was told, who may have appended before it was.
func (w watched) Renew(ctx context.Context, h tasklog.Head, writer string, until time.Time) (tasklog.Asked, error) {
	asked, err := w.Log.Renew(ctx, h, writer, until)
	if err == nil && h.Push && !until.IsZero() {
		w.wake(h.ID)
	}
	return asked, err
}

type watchedSnapshotter struct {
	watched
	save tasklog.Snapshotter
}

func (w watchedSnapshotter) SaveSnapshot(ctx context.Context, h tasklog.Head, writer string, seq int64, lines iter.Seq2[[]byte, error]) error {
	return w.save.SaveSnapshot(ctx, h, writer, seq, lines)
}

// Waker runs the calls of [Watch] in the background: for each task one at a time, and one more if it is
// woken meanwhile.
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
