package durable

import (
	"context"
	"fmt"
	"time"
)

// Sleep waits. A task that sleeps for longer than a minute is suspended, and costs nothing. It is
// woken within a minute of its time. Sleep returns an error at once if the task would have expired
// by then, or nearly so.
func Sleep(ctx context.Context, name string, d time.Duration) error {
	c, err := begin(ctx, TypeSleep, name)
	if err != nil {
		return err
	}
	defer c.end()
	if _, err, ok := replayed[struct{}](c); ok {
		return err
	}
	x := c.past.last(Waits)
	if x == nil {
		due := time.Now().Add(d)
		if err := c.engine.outlives(c.full, due); err != nil {
			return c.failed(err)
		}
		if err := c.record(Entry{Kind: Waits, Due: due.UnixMilli()}); err != nil {
			return err
		}
		x = c.past.last(Waits)
	} else if c.isPast() {
		return nil
	}
	return c.park(wait{due: x.due()})
}

// isPast reports whether the branch has gone on after the call in an earlier run.
func (c *call) isPast() bool {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	return c.engine.unreached(c.branch) > 0
}

// keeps is how long before its end a task takes no more waits.
const keeps = 24 * time.Hour

// last returns when a wait must have ended, or zero.
func (e *engine) last() time.Time {
	if e.Expires.IsZero() {
		return time.Time{}
	}
	return e.Expires.Add(-min(keeps, e.Expires.Sub(e.begun)/10))
}

// outlives returns an error if a wait until the time would not end before the task does.
func (e *engine) outlives(full string, due time.Time) error {
	if last := e.last(); !last.IsZero() && due.After(last) {
		return fmt.Errorf("durable: %q would wait until %s, and the task lasts until %s", full,
			due.UTC().Format(time.RFC3339), e.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}
