package tasklog

import (
	"context"
	"time"
)

// Rounds let processes that share a store take turns at sweeping: one sweep finds what all of them
// would find. A process that dies has at most the round that it has taken.
type Rounds interface {
	// TakeRound takes the next round if it is due now, and sets the time of the one after it to
	// next. Otherwise it does nothing. It returns when a round is due the next time, to the
	// millisecond, and whether the caller has taken one: of several callers at the same time, one
	// has.
	//
	// The times are those of the callers' clocks. A round that is due later than next counts as due:
	// so a clock that is ahead does not keep others from sweeping.
	TakeRound(ctx context.Context, now, next time.Time) (due time.Time, taken bool, err error)
}

func (h hooked) TakeRound(ctx context.Context, now, next time.Time) (due time.Time, taken bool, err error) {
	due, err = Get(ctx, h.hooks, Op{Name: "TakeRound"}, func() (due time.Time, err error) {
		due, taken, err = h.store.TakeRound(ctx, now, next)
		return due, err
	})
	return due, taken && err == nil, err
}
