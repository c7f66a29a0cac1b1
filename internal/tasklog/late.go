package tasklog

import (
	"context"
	"errors"
	"time"
)

// ErrLate means that the store did not answer before the end of the invocation. What was to be written
// may be in the log or not. The task goes on in another invocation.
var ErrLate = errors.New("the store did not answer before the end of the invocation")

// Lasting returns a context for what must not end halfway because a client goes away. It ends with the
// deadline of ctx, if that has one: after it, nobody works for the request.
func Lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	lasting := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadlineCause(lasting, deadline, ErrLate)
	}
	return context.WithCancel(lasting)
}

// Late reports whether the deadline of ctx has come.
func Late(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}
