package memlog

import (
	"context"
	"time"
)

// TakeRound implements [tasklog.Rounds].
func (l *Log) TakeRound(_ context.Context, now, next time.Time) (time.Time, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, next = now.Truncate(time.Millisecond), next.Truncate(time.Millisecond)
	if l.round.After(now) && !l.round.After(next) {
		return l.round, false, nil
	}
	l.round = next
	return next, true, nil
}
