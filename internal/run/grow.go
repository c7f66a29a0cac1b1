package run

import (
	"context"
	"time"

	"a2alambda/internal/memory"
	"a2alambda/internal/tasklog"
)

const (
	// growBy is how much memory a run charges at once when its log grows.
	growBy = 256 << 10

	// roomWithin is how long a run waits for memory that others have, and roomPause how often it looks.
	roomWithin = 10 * time.Second
	roomPause  = 100 * time.Millisecond
)

// textNoMemory is what a client is told of a run that cannot go on elsewhere.
const textNoMemory = "The agent said more than the server has memory for now."

// grow charges the memory for a log of this size. While others have it, the executor waits. If it
// waits in vain, the run ends, and is handed over: the task is whole in the log. It is called with
// r.mu.
func (r *Run) grow(ctx context.Context, size tasklog.Size) error {
	need := size.Memory()
	if need <= r.charged {
		return nil
	}
	for end := time.Now().Add(roomWithin); ; {
		err := memory.Grow(ctx, string(r.turn.Head.ID), need+growBy)
		if err == nil {
			r.charged = need + growBy
			return nil
		}
		switch {
		case time.Now().Before(end):
		case r.handsOver():
			r.stop(memory.ErrFull)
			return err
		default:
			return &Failure{Text: textNoMemory, Err: err}
		}
		select {
		case <-time.After(roomPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
