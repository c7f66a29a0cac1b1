package tasklogtest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"a2alambda/internal/tasklog"
)

// testRounds has processes take rounds of sweeps, some with clocks that are wrong.
func testRounds(t *testing.T, s tasklog.Store) {
	const every = time.Minute
	begun := time.Now().Truncate(time.Millisecond).Add(24 * time.Hour) // whatever was there before
	take := func(at time.Duration, wantDue time.Duration, want bool) {
		t.Helper()
		now := begun.Add(at)
		due, taken, err := s.TakeRound(t.Context(), now, now.Add(every))
		if must(t, err); taken != want || !due.Equal(begun.Add(wantDue)) {
			t.Errorf("after %v: %t, the next after %v; want %t, %v", at, taken, due.Sub(begun), want, wantDue)
		}
	}
	take(0, every, true)
	take(0, every, false)
	take(every/2, every, false)
	take(every-time.Millisecond, every, false)
	take(every, 2*every, true)
	take(10*every, 11*every, true)  // nobody was there
	take(-10*every, -9*every, true) // the clock was an hour ahead, or this one is behind
	take(-10*every, -9*every, false)
	take(0, every, true)

	var winners atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			now := begun.Add(every)
			due, taken, err := s.TakeRound(t.Context(), now, now.Add(every))
			if err != nil || !due.Equal(begun.Add(2*every)) {
				t.Errorf("the next round is due after %v, %v", due.Sub(begun), err)
			}
			if taken {
				winners.Add(1)
			}
		})
	}
	if all.Wait(); winners.Load() != 1 {
		t.Errorf("%d of 20 have taken a round", winners.Load())
	}
}
