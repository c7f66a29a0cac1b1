package tasklog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// FollowConfig says what [Followers.Follow] follows, and how.
type FollowConfig struct {
	ID a2a.TaskID
	// After is the number of the last event that the caller knows, State the state after it, and
	// Lease the lease at that time. After is 0, or the last event that a Load, a Poll, or a Read to
	// the end has returned. If nobody held the lease, the caller has seen to the task. If Lease is
	// zero, the log is polled at once.
	After int64
	State a2a.TaskState
	Lease LeaseInfo
	// Tap gets the events. It may be nil.
	Tap *Tap
	// UntilFinal also ends following when the task waits for the client.
	UntilFinal bool
	// UntilOrphaned also ends following when nobody holds the task.
	UntilOrphaned bool
	// UntilSuspended also ends following when the task is suspended and not due.
	UntilSuspended bool
	// Leaving says that the task is about to leave State: following goes on until another state
	// ends it.
	Leaving bool
}

// waits reports whether the task waits for the client.
func (c *FollowConfig) waits() bool { return Final(c.State) && !c.Leaving }

// ends reports whether the state ends following.
func (c *FollowConfig) ends() bool { return c.waits() && (c.State.Terminal() || c.UntilFinal) }

// SuspendedError ends following of a task that is suspended.
type SuspendedError struct {
	// Due is when the task goes on, if nothing wakes it before.
	Due time.Time
}

func (e *SuspendedError) Error() string {
	return "suspended until " + e.Due.UTC().Format(time.RFC3339)
}

// Followers lets many follow tasks. Followers of the same task share one reading of its log. If the
// task is run in the same process, they get its events from the run, and read nothing.
type Followers struct {
	// Watch sees to the holder of a task, as long as somebody follows it, until ctx is done. It may
	// be nil. It must be set before anybody follows.
	Watch func(ctx context.Context, id a2a.TaskID, s *Sights)

	log      Followed
	instance string // its name in the seats
	orphaned func(context.Context, a2a.TaskID)
	begun    time.Time // sets the times at which they look at their seats

	mu      sync.Mutex // locked before walk.mu
	walks   map[a2a.TaskID]*walk
	running map[a2a.TaskID]*here
	ended   bool // by End

	elsewhere atomic.Int64 // at least so many walks are of tasks that do not run here; see count
}

// here is what followers know of the runs of a task in this process.
type here struct {
	runs int   // one, but for a moment, when another one was superseded
	seq  int64 // the last event that a run has found in the log, or put there
}

// Followed is what followers need of a store.
type Followed interface {
	Poller
	Seats
}

// NewFollowers returns followers of the tasks in a log: those of one instance, which has one seat
// among the followers of each task. It calls orphaned if nobody holds a followed task for some time,
// and again while that stays so. Orphaned may be nil.
func NewFollowers(log Followed, orphaned func(context.Context, a2a.TaskID)) *Followers {
	return &Followers{
		log: log, instance: rand.Text()[:12], orphaned: orphaned, begun: time.Now(),
		walks: map[a2a.TaskID]*walk{}, running: map[a2a.TaskID]*here{},
	}
}

// Follow shows a tap the events of a log as they come, whoever appends them. It ends when the task
// has ended, or has waited for the client for a minute, or ctx is done. It returns the state after
// the last event. It returns an error if the log could not be read for as long as an append is
// retried, a [SuspendedError] if the task was suspended and silent for a minute, ErrMadeRoom if this
// instance has lost its seat and does not run the task, ErrEnding after [Followers.End], and none
// for the end of ctx. When it returns, nothing of it goes on.
func (f *Followers) Follow(ctx context.Context, c FollowConfig) (a2a.TaskState, error) {
	if c.ends() {
		return c.State, nil
	}
	m := &member{FollowConfig: c, done: make(chan struct{})}
	w := f.join(ctx, m)
	if w == nil {
		return c.State, ErrEnding
	}
	select {
	case <-m.done:
	case <-ctx.Done():
	}
	f.leave(w, m)
	return m.State, m.err
}

// join lets a member walk along the log of its task with the other members. It returns nil if nobody
// may follow the task any more.
func (f *Followers) join(ctx context.Context, m *member) *walk {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended && f.running[m.ID] == nil {
		return nil
	}
	w := f.walks[m.ID]
	if w == nil {
		w = newWalk(f, m)
		if h := f.running[m.ID]; h != nil && h.seq > m.After {
			w.interval = 0
		}
		f.walks[m.ID] = w
		f.count()
		ctx, w.stop = context.WithCancel(context.WithoutCancel(ctx))
		defer func() {
			w.going.Go(func() { w.run(ctx) })
			w.going.Go(func() { w.sit(ctx) })
			if w.sights != nil {
				w.going.Go(func() { f.Watch(ctx, w.id, w.sights) })
			}
		}()
	} else if f.running[m.ID] == nil {
		w.hurry()
	}
	w.join(m)
	return w
}

// leave lets a member go. With the last one the walk ends.
func (f *Followers) leave(w *walk, m *member) {
	f.mu.Lock()
	last := w.leave(m)
	if last && f.walks[m.ID] == w {
		delete(f.walks, m.ID)
		f.count()
	}
	f.mu.Unlock()
	if last {
		w.stop()
		w.going.Wait()
	}
}

// Running says that a run of the task begins in this process, after an event of the log, and calls
// Appended for each append. Until somebody calls done, followers of the task read its log only if it
// has events before those. Done must be called as soon as others may append.
func (f *Followers) Running(id a2a.TaskID, after int64) (done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.running[id]
	if h == nil {
		h = new(here)
		f.running[id] = h
		f.count()
	}
	h.runs++
	h.seq = max(h.seq, after)
	if w := f.walks[id]; w != nil {
		w.hurry()
	}
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if h.runs--; h.runs == 0 {
			delete(f.running, id)
			f.count()
		}
		switch w := f.walks[id]; {
		case w == nil:
		case f.ended && h.runs == 0:
			f.endWalk(w, ErrEnding)
		default:
			w.hurry()
		}
	})
}

// ErrEnding means that the process is about to end. The task goes on, or waits, in another one.
var ErrEnding = errors.New("the server is about to end: another one goes on")

// End ends following, since the process is about to end: at once, or if the task runs in this
// process, when that run has ended. Later calls of Follow end as soon.
func (f *Followers) End() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	for id, w := range f.walks {
		if f.running[id] == nil {
			f.endWalk(w, ErrEnding)
		}
	}
}

// endWalk ends a walk and following for all its members. Who comes later begins another walk. f.mu
// is held.
func (f *Followers) endWalk(w *walk, err error) {
	if f.walks[w.id] == w {
		delete(f.walks, w.id)
		f.count()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for m := range w.members {
		w.end(m, err)
	}
}

// Followed reports whether somebody follows the task.
func (f *Followers) Followed(id a2a.TaskID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.walks[id] != nil
}

func (f *Followers) isRunning(id a2a.TaskID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running[id] != nil
}

// count sets elsewhere, after walks or running have changed. f.mu is held.
func (f *Followers) count() { f.elsewhere.Store(int64(max(0, len(f.walks)-len(f.running)))) }

// brings reports whether a run in this process brings all that comes after an event.
func (f *Followers) brings(id a2a.TaskID, after int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.running[id]
	return h != nil && h.seq <= after
}

// Appended shows the followers of a task events that its run in this process has put into the log, in
// order.
func (f *Followers) Appended(id a2a.TaskID, events []Event) {
	f.mu.Lock()
	w := f.walks[id]
	if h := f.running[id]; h != nil { // who comes from now on misses them
		h.seq = max(h.seq, events[len(events)-1].Seq)
	}
	f.mu.Unlock()
	if w != nil && !w.show(events) {
		w.hurry() // there are events before them
	}
}

// lastState returns the last state that the events bring, or "".
func lastState(events []Event) a2a.TaskState {
	state, _ := LastStatus(events)
	return state
}

// LastStatus returns the last state that the events bring, or "", and the time of that status.
func LastStatus(events []Event) (a2a.TaskState, time.Time) {
	type status struct {
		Status struct {
			State     a2a.TaskState `json:"state"`
			Timestamp time.Time     `json:"timestamp"`
		} `json:"status"`
	}
	for i := len(events) - 1; i >= 0; i-- {
		var e struct {
			Task         *status `json:"task"`
			StatusUpdate *status `json:"statusUpdate"`
		}
		if json.Unmarshal(events[i].JSON, &e) != nil {
			continue
		}
		if e.StatusUpdate != nil {
			return e.StatusUpdate.Status.State, e.StatusUpdate.Status.Timestamp
		}
		if e.Task != nil {
			return e.Task.Status.State, e.Task.Status.Timestamp
		}
	}
	return "", time.Time{}
}
