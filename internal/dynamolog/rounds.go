package dynamolog

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// The next round of sweeps is in the item with the places of the sweeps of tasks.
const (
	attrRound = "rn" // N: its time, in milliseconds since 1970
	attrTaker = "rt" // S: the call that has set the time
)

// TakeRound implements [tasklog.Rounds]. It costs a write unit, taken or not.
func (l *Log) TakeRound(ctx context.Context, now, next time.Time) (time.Time, bool, error) {
	call := rand.Text()
	was, taken, err := l.update(ctx, pkSecret, skPlaces, write().set(attrRound, num(next.UnixMilli())).set(attrTaker, str(call)).
		when("(attribute_not_exists(?) OR ? <= ? OR ? > ?)",
			attrRound, attrRound, num(now.UnixMilli()), attrRound, num(next.UnixMilli())))
	switch {
	case err != nil:
		return time.Time{}, false, fmt.Errorf("dynamolog: taking a round: %w", err)
	case taken, was.str(attrTaker) == call: // the answer to the first try was lost
		return time.UnixMilli(next.UnixMilli()), true, nil
	}
	return time.UnixMilli(was.num(attrRound)), false, nil
}
