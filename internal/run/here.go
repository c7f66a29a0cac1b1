package run

import (
	"context"
	"errors"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// maxHere is how many tasks a process works on at most because no worker could be had. The requests
// that it serves need its memory, too.
const maxHere = 32

// orHere returns a function that invokes a worker. If that fails, this process works on the task, in
// the background.
func (r *Runner) orHere(invoke func(context.Context, a2a.TaskID) error) func(context.Context, a2a.TaskID) error {
	places := make(chan struct{}, maxHere)
	return func(ctx context.Context, id a2a.TaskID) error {
		err := invoke(ctx, id)
		if err == nil || r.Ending() != nil {
			return err
		}
		select {
		case places <- struct{}{}:
		default:
			return err
		}
		r.Logger.WarnContext(ctx, "no worker can be had, and this process is one", "task", id, "error", err)
		go func() {
			defer func() { <-places }()
			if err := r.Work(context.WithoutCancel(ctx), id); err != nil && !errors.Is(err, tasklog.ErrEnding) {
				r.Logger.ErrorContext(ctx, "working on a task", "task", id, "error", err)
			}
		}()
		return nil
	}
}
