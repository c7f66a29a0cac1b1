package run

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// remembered is how far back [Earlier] looks. A store may have to look at all tasks of the caller since then to find those of a
// context.
const remembered = 7 * 24 * time.Hour

type runKey struct{}

// Earlier returns to an executor, whose context ctx is, the conversation before its task: the last tasks of the same caller,
// tenant and context, n at most, the oldest first. Those that go on are not among them, nor those without a change for a week.
// The store may show a task here a moment late.
func Earlier(ctx context.Context, n int) ([]*a2a.Task, error) {
	r, _ := ctx.Value(runKey{}).(*Run)
	if r == nil {
		return nil, nil // the executor runs elsewhere
	}
	h, l := r.turn.Head, r.runner.Log
	filter := tasklog.Filter{Scope: h.Scope, ContextID: h.ContextID, Since: time.Now().Add(-remembered)}
	var ids []a2a.TaskID
	err := l.List(ctx, filter, tasklog.Position{}, func(p tasklog.Position) bool {
		if p.ID != h.ID {
			ids = append(ids, p.ID)
		}
		return len(ids) < n
	})
	if err != nil {
		return nil, err
	}
	tasks, errs := make([]*a2a.Task, len(ids)), make([]error, len(ids))
	var loading sync.WaitGroup
	for i, id := range ids {
		loading.Go(func() {
			s, err := l.Load(ctx, id)
			switch {
			case err == tasklog.ErrNotFound: // it has expired
			case err != nil:
				errs[i] = err
			case s.Task.Status.State.Terminal():
				tasks[i] = s.Task
			}
		})
	}
	loading.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	tasks = slices.DeleteFunc(tasks, func(t *a2a.Task) bool { return t == nil })
	slices.Reverse(tasks)
	return tasks, nil
}
