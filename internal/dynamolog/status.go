package dynamolog

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

const (
	// statusLag is the least time between two states that are written to a head; a final state does
	// not wait. Each write takes two units from a key of the owner's list, and most tasks have
	// several states in a few seconds.
	statusLag = 5 * time.Second

	// The write of a final state is retried for finalFor, less and less often, as a
	// [tasklog.Appender] retries events: the sweeper must look at each task whose head is
	// unfinished.
	finalFor   = 20 * time.Second
	finalFirst = 50 * time.Millisecond
	finalMost  = 2 * time.Second

	// tellWithin is how long one try may take.
	tellWithin = 6 * time.Second

	// tellFirst is how long Suspend spends on a status that waits: the next Acquire writes it, too.
	tellFirst = time.Second

	// longAgo is the age from which the time of a status says nothing: the agent made it up. The
	// task is listed by the time of the write; otherwise lists would leave it out as expired.
	longAgo = time.Hour
)

// status is a state as it is written to a head.
type status struct {
	state a2a.TaskState
	at    time.Time // when the task got it
	seq   int64     // of the event that brought it
}

// statusOf returns the expression that writes the status to a head.
func statusOf(id a2a.TaskID, s status) *expression {
	if now := time.Now(); now.Sub(s.at) > longAgo {
		s.at = now
	}
	return write().set(attrState, str(string(s.state))).set(attrSeq, num(s.seq)).
		set(attrPosition, str(position(tasklog.Position{Time: s.at, ID: id})))
}

// tell writes a status to the head. After an interrupted state, it also removes a request to cancel
// that the holder has seen. If it fails, the log is still right.
func (h *lease) tell(ctx context.Context, s status) error {
	e := statusOf(h.head.ID, s).when("attribute_exists(?) AND ? < ?", attrPK, attrSeq, num(s.seq))
	if tasklog.Final(s.state) {
		e.remove(attrRunning)
	}
	_, _, err := h.log.update(ctx, h.head.ID, skHead, e)
	if tasklog.Final(s.state) && !s.state.Terminal() && h.cancel.Load() {
		// The turn has ended in another way. The request is not meant for the next turn.
		_, _, errLease := h.log.update(ctx, h.head.ID, skLease,
			write().remove(attrCancel).when("attribute_not_exists(?) OR ? = ?", attrWriter, attrWriter, str(h.writer)))
		err = errors.Join(err, errLease)
	}
	return err
}

// teller writes the states of a task to its head, while the next events are appended. It writes a
// final state at once, and retries. Any other state waits until statusLag after the last write, and
// is dropped if another comes meanwhile.
type teller struct {
	lag  time.Duration
	tell func(context.Context, status) error

	stopped context.Context // done when nothing must be written any more
	stop    context.CancelFunc
	telling sync.WaitGroup

	mu      sync.Mutex
	told    time.Time     // when the last write began
	state   a2a.TaskState // the last that was written, "" if that is not known
	pending *status       // what waits, or nil
	ctx     context.Context
	timer   *time.Timer
	over    bool // a final state has come, or the lease is closed: nothing waits any more
}

// newTeller returns the teller of a lease. The state so far was written when the lease was
// acquired, or is added.
func newTeller(lag time.Duration, tell func(context.Context, status) error) *teller {
	t := &teller{lag: lag, tell: tell, told: time.Now()}
	t.stopped, t.stop = context.WithCancel(context.Background())
	return t
}

// add has the status written, in requests with the values of ctx.
func (t *teller) add(ctx context.Context, s status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tasklog.Final(s.state) {
		t.over = true
		t.cancel()
		t.telling.Go(func() { t.retry(ctx, s) })
		return
	}
	t.over = false
	t.wait(ctx, s)
}

// wait has the status written when statusLag has passed. t.mu is held.
func (t *teller) wait(ctx context.Context, s status) {
	t.pending, t.ctx = &s, ctx
	if t.timer == nil {
		t.telling.Add(1)
		t.timer = time.AfterFunc(time.Until(t.told.Add(t.lag)), t.due)
	}
}

// cancel stops the wait, and returns the status that waited, or nil. t.mu is held.
func (t *teller) cancel() *status {
	s := t.pending
	if t.pending = nil; t.timer != nil && t.timer.Stop() {
		t.telling.Done()
	}
	t.timer = nil
	return s
}

func (t *teller) due() {
	defer t.telling.Done()
	t.mu.Lock()
	s, ctx := t.pending, t.ctx
	if s != nil {
		t.pending, t.timer, t.told = nil, nil, time.Now()
	}
	t.mu.Unlock()
	if s == nil {
		return
	}
	err := t.try(ctx, *s, tellWithin)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		t.state = s.state
	case t.pending == nil && !t.over:
		t.wait(ctx, *s)
	}
}

// retry writes a final status, until that succeeds.
func (t *teller) retry(ctx context.Context, s status) {
	end := time.Now().Add(finalFor)
	for pause := finalFirst; t.try(ctx, s, tellWithin) != nil; pause = min(2*pause, finalMost) {
		wait := pause/2 + rand.N(pause) // those that were refused together come apart
		if time.Now().Add(wait).After(end) {
			return
		}
		select {
		case <-time.After(wait):
		case <-t.stopped.Done():
			return
		}
	}
}

// try writes the status, once.
func (t *teller) try(ctx context.Context, s status, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	defer context.AfterFunc(t.stopped, cancel)()
	return t.tell(ctx, s)
}

// take returns the status that waits, which is written no more, or nil.
func (t *teller) take() (context.Context, *status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ctx, t.cancel()
}

// release is called once the lease was released. What waits is dropped if it brings no other state: then
// only the time of the status is old, and the next holder writes it. Else it waits for close.
func (t *teller) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending != nil && t.pending.state == t.state {
		t.cancel()
	}
}

func (t *teller) flush(within time.Duration) {
	ctx, s := t.take()
	if s != nil {
		_ = t.try(ctx, *s, within)
	}
}

// close writes the status that waits, and waits for all writes, until ctx is done.
func (t *teller) close(ctx context.Context) {
	defer t.stop()
	defer context.AfterFunc(ctx, t.stop)()
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	t.flush(tellWithin)
	t.telling.Wait()
}
