package run

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/memory"
	"a2alambda/internal/tasklog"
)

// remembered is how far back [Earlier] looks.
const remembered = 7 * 24 * time.Hour

// maxEarlier limits the tasks that [Earlier] returns, all together: the bytes of their JSON, and
// its values, which take far more memory.
var maxEarlier = tasklog.Size{Bytes: maxEarlierBytes, Values: maxEarlierValues}

const (
	maxEarlierBytes  = 16 << 20
	maxEarlierValues = 100_000
)

// loadAtOnce is how many tasks are loaded at the same time.
const loadAtOnce = 4

type runKey struct{}

// Earlier returns the conversation before a task to its executor, whose context is ctx: the ended
// tasks of the same caller, tenant and context that changed within the last week. These are the
// last n by time of creation at most, together up to 16 MB and 100,000 values, the oldest first. If
// the context began with the task, Earlier reads nothing. A durable agent calls it inside of steps.
func Earlier(ctx context.Context, n int) ([]*a2a.Task, error) {
	r, _ := ctx.Value(runKey{}).(*Run)
	if r == nil || r.turn.Head.Begins && r.turn.Context.StoredTask == nil {
		return nil, nil // another server runs the executor, or the context is new
	}
	if r.runner.Durable() && durable.Attempt(ctx) == 0 {
		return nil, errors.New("the conversation before a task can change: a durable agent asks for it inside of a step")
	}
	h, l := r.turn.Head, r.runner.Store
	ids, err := l.InContext(ctx, h.Scope, h.ContextID, n+1)
	if err != nil {
		return nil, err
	}
	ids = slices.DeleteFunc(ids, func(id a2a.TaskID) bool { return id == h.ID })
	ids = ids[:min(n, len(ids))]
	var tasks []*a2a.Task // the newest first
	var size tasklog.Size
	for full := false; len(ids) > 0 && !full; ids = ids[min(loadAtOnce, len(ids)):] {
		some, err := loadEnded(ctx, l, ids[:min(loadAtOnce, len(ids))])
		if err != nil {
			return nil, err
		}
		for _, t := range some {
			size = size.Plus(tasklog.SizeOf(t))
			if full = size.Bytes > maxEarlier.Bytes || size.Values > maxEarlier.Values; full {
				break
			}
			tasks = append(tasks, t)
		}
	}
	slices.Reverse(tasks)
	return tasks, nil
}

// recent reports whether the task has changed within the time that is remembered.
func recent(t *a2a.Task) bool {
	return t.Status.Timestamp != nil && time.Since(*t.Status.Timestamp) <= remembered
}

// loadEnded loads the tasks, at the same time, and returns those that have ended within the time
// that is remembered. It leaves out tasks that memory has no room for.
func loadEnded(ctx context.Context, l tasklog.Log, ids []a2a.TaskID) ([]*a2a.Task, error) {
	tasks, errs := make([]*a2a.Task, len(ids)), make([]error, len(ids))
	ctx, account := memory.Open(ctx)
	defer account.Close()
	var loading sync.WaitGroup
	for i, id := range ids {
		loading.Go(func() {
			s, err := l.Load(ctx, id)
			switch {
			case errors.Is(err, tasklog.ErrNotFound), errors.Is(err, memory.ErrFull): // it has expired, or is too long
			case err != nil:
				errs[i] = err
			case s.Task.Status.State.Terminal() && recent(s.Task):
				tasks[i] = s.Task
			}
		})
	}
	loading.Wait()
	return slices.DeleteFunc(tasks, func(t *a2a.Task) bool { return t == nil }), errors.Join(errs...)
}
