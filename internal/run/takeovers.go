package run

import (
	"context"
	"time"

	"a2alambda/internal/tasklog"
)

const (
	// takeOversAtOnce is how many tasks a process takes over at the same time. When a process with many
	// runs has ended, a worker with many invocations gets all of its tasks at once. If it took them over
	// side by side, none would go on before nearly all do.
	takeOversAtOnce = 32

	// takeOverAnyway is how long one may wait for the others.
	takeOverAnyway = 5 * time.Second
)

// enter waits until one more task may be taken over. When the process ends, it returns
// [tasklog.ErrEnding].
func (r *Runner) enter(ctx context.Context) (leave func(), err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.ending.begun, func() { cancel(tasklog.ErrEnding) })()
	return r.takeOvers.Enter(ctx)
}
