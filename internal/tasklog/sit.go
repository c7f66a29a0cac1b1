package tasklog

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// sitAfter is how long somebody follows a task before the instance takes a seat: most tasks end
	// sooner, and then it costs nothing.
	sitAfter = 2 * time.Second

	// lookEvery is the time between two looks whether the instance still has its seat. All looks of
	// a process are at times that are lookGrid apart, so that the store can answer many at once.
	lookEvery = 3 * time.Second
	lookGrid  = 500 * time.Millisecond

	// leaveWithin is how long leaving may hold up the last follower.
	leaveWithin = time.Second
)

// sit takes a seat for the walk, and ends following once newer ones have taken it away. While the
// task runs in this process, the walk needs no seat: the instance would be held anyway. If the store
// does not answer, following goes on.
func (w *walk) sit(ctx context.Context) {
	soon := GiveUpSoon(ctx)
	seat := Seat{ID: w.id, Instance: w.followers.instance}
	mayLeave := false
	for pause := sitAfter; ; pause = w.followers.untilLook() {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if mayLeave && !w.over() { // nobody takes a seat of a task that is over
				w.leaveSeat(soon, seat)
			}
			return
		}
		switch {
		case w.followers.isRunning(w.id):
		case seat.Number == 0:
			mayLeave = true
			if taken, err := w.followers.log.Sit(soon, seat); err == nil {
				seat = taken
			}
		default:
			has, err := w.followers.log.Seated(soon, seat)
			if err == nil && !has && w.followers.makeRoom(w) {
				return
			}
		}
	}
}

// untilLook returns the time until the next look.
func (f *Followers) untilLook() time.Duration {
	pause := lookEvery - lookEvery/10 + rand.N(lookEvery/5)
	return pause + lookGrid - (time.Since(f.begun)+pause)%lookGrid
}

func (w *walk) leaveSeat(ctx context.Context, s Seat) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	_ = w.followers.log.Leave(ctx, s) // or else newer seats push it out
}

// over reports whether the task has ended.
func (w *walk) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.Terminal()
}

// makeRoom ends a walk and following for all its members. Who comes later begins another walk, and
// takes a new seat. It does nothing, and reports false, if the task has begun to run here.
func (f *Followers) makeRoom(w *walk) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running[w.id] != nil {
		return false
	}
	f.endWalk(w, ErrMadeRoom)
	return true
}
