package callback

import (
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

const (
	// perMinute is how many deliveries a process takes for one task within a minute.
	perMinute = 60

	// maxCounted is how many tasks are counted at the same time.
	maxCounted = 10_000
)

// limit counts the deliveries for tasks, each minute anew. Its zero value has counted none. It is
// asked only for senders that have a token.
type limit struct {
	mu     sync.Mutex
	since  time.Time
	counts map[a2a.TaskID]int
}

// allows reports whether there may be another delivery for the task.
func (l *limit) allows(id a2a.TaskID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= time.Minute || len(l.counts) >= maxCounted {
		l.since, l.counts = now, map[a2a.TaskID]int{}
	}
	l.counts[id]++
	return l.counts[id] <= perMinute
}
