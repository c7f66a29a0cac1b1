package durable

import (
	"fmt"
	"strings"
	"time"
)

// holdMost is how long a call is held at most, or half of what the invocation has: a replay takes
// milliseconds, but the author's code between the calls may take longer.
const holdMost = 2 * time.Minute

// hold holds the first call of a branch that the journal does not know, as long as a branch above it
// has calls in the journal that this run has not come to. If that branch then waits for this one,
// or returns, its calls can no longer come: the code has changed. For example, a branch has another
// name now, and would do everything again. c.engine.mu is held.
func (c *call) hold() error {
	e, b := c.engine, c.branch
	if b.known {
		return nil
	}
	most := holdMost
	if !e.Deadline.IsZero() {
		most = min(most, e.Deadline.Sub(e.begun)/2)
	}
	timer := time.AfterFunc(most, e.cond.Broadcast)
	defer timer.Stop()
	for end := time.Now().Add(most); ; e.cond.Wait() {
		if e.over != nil {
			return e.over
		}
		below, above := b, b.parent
		for above != nil && e.unreached(above) == 0 {
			below, above = above, above.parent
		}
		switch {
		case above == nil:
			return nil
		case above.ended, above.waitsFor != nil && above.waitsFor == below.group, !time.Now().Before(end):
			return e.mismatch(c.full, fmt.Sprintf("other calls, such as %q", e.unreachedNames()), "this call, which it lacks")
		}
	}
}

// knows reports whether the journal has calls of a branch, or of branches in it. e.mu is held, or
// nobody has e yet.
func (e *engine) knows(path string) bool {
	for p := range e.past.unstarted {
		if p == path || strings.HasPrefix(p, path+"/") {
			return true
		}
	}
	return false
}

// warnOfUnreached logs what the journal has and a function that has ended has not come to. e.mu is
// held.
func (e *engine) warnOfUnreached() {
	if names := e.unreachedNames(); len(names) > 0 {
		e.Logger.WarnContext(e.ctx, "the agent has ended, and calls in its journal were never reached", "task", e.Task.ID, "steps", names)
	}
}
