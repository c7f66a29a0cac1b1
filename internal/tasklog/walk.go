package tasklog

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

const (
	// A log is polled pollFirst after an event, and then less and less often. The longest pause is
	// pollMost while the task runs elsewhere, and pollQuiet while it has been silent for longer than
	// its rhythm explains. It is pollIdle if the task waits for the client or is suspended. While the
	// task runs in this process, the run passes its events on, and the log is not polled.
	//
	// A run that talks appends at a steady pace, which is a little slower than pollFirst. So a poll
	// that comes too early is repeated pollAgain later. Each that was not too early has the next one
	// come pollStep sooner, but not below pollLeast: so the polls come soon after the appends.
	pollFirst = 90 * time.Millisecond
	pollStep  = 2 * time.Millisecond
	pollLeast = 75 * time.Millisecond
	pollAgain = 20 * time.Millisecond
	pollMost  = 200 * time.Millisecond
	pollQuiet = 800 * time.Millisecond
	pollIdle  = time.Second

	// A process that follows many tasks polls each less often, but when it talks: pollEach times the number
	// of tasks is the least that pollMost then is, up to pollQuiet. So it polls about a thousand times a
	// second, which takes it most of a processor.
	pollEach = time.Millisecond

	// pollFresh is the longest time between two polls that are strongly consistent, and
	// pollFreshQuiet while the task is quiet, or free: nobody holds it, so that nothing comes before
	// the next lease. The polls between them cost half. While the task is free, they only look for that
	// lease.
	pollFresh      = time.Second
	pollFreshQuiet = 2100 * time.Millisecond

	// A store that is slow, perhaps because of many followers, is polled less often: from one poll to the
	// next it is pollShare times as long as the first one took at least, but for pollSlow at most.
	pollShare = 6
	pollSlow  = 2 * time.Second

	// pollFailed is the longest pause while the log can't be read.
	pollFailed = 2 * time.Second

	// idleFor is how long a follower stays with a task that waits for the client, or is suspended.
	idleFor = time.Minute

	// A task that nobody holds is reported orphanedFirst after that is seen, or a little later: until then
	// a worker may come that somebody else has asked for, and no reader asks for another one. Then it is
	// reported less and less often: a busy system should not get busier from those that wait for it.
	orphanedFirst = 2 * time.Second
	orphanedMost  = time.Minute
)

// walk reads the log of a task as it grows, for all its followers.
type walk struct {
	followers *Followers
	id        a2a.TaskID
	stop      context.CancelFunc
	going     sync.WaitGroup
	sooner    chan struct{} // holds one token when the log is to be polled soon
	sights    *Sights       // nil if nobody watches the holder

	// Only run uses these.
	interval time.Duration // until the next poll
	rhythm   rhythm
	hits     int       // how many polls in a row have found news
	known    LeaseInfo // the newest that was seen
	fresh    time.Time // when the last poll that was strongly consistent began
	unsure   bool      // the next poll must be strongly consistent
	before   int64     // the last event at the last poll
	asleep   bool      // at the last poll the task was suspended
	orphaned time.Time // when the task that nobody holds is reported; zero if somebody holds it
	again    time.Duration

	mu      sync.Mutex
	members map[*member]struct{}
	seq     int64         // the last event that was shown
	state   a2a.TaskState // that it left the task in
	recent  []Event       // the last that were shown, up to maxRecent bytes; seq is the last of them
}

// member is a follower. After and State are as of the last event that it was shown. Until done is
// closed, walk.mu guards them and the fields below.
type member struct {
	FollowConfig
	done    chan struct{}
	err     error
	failing time.Time // since when the log can't be read
	idle    time.Time // since when the task waits for the client, or was first seen suspended
}

func newWalk(f *Followers, m *member) *walk {
	w := &walk{
		followers: f, id: m.ID, sooner: make(chan struct{}, 1),
		interval: pollFirst, fresh: time.Now(), again: orphanedFirst, before: m.After,
		rhythm: rhythm{last: time.Now()}, known: m.Lease,
		members: map[*member]struct{}{}, seq: m.After, state: m.State,
	}
	if m.Lease.Epoch == 0 {
		w.interval, w.unsure = 0, true
	} else if w.asleep = m.Lease.Sleeps(); !w.asleep && !m.Lease.Held() {
		w.orphanedNow(w.fresh)
	}
	if f.Watch != nil {
		w.sights = newSights()
	}
	return w
}

func (w *walk) join(m *member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members[m] = struct{}{}
	w.sights.came(m.Lease, !m.waits())
	if m.After < w.seq {
		switch {
		case m.Tap == nil:
		case len(w.recent) > 0 && w.recent[0].Seq <= m.After+1:
			m.Tap.Publish(eventsAfter(w.recent, m.After))
		default:
			m.Tap.Reach(w.seq) // it reads what has come since from the log
		}
		m.After, m.State, m.Leaving = w.seq, w.state, false
		if m.ends() {
			w.end(m, nil)
		}
	}
}

// leave removes a member. It reports whether none is left.
func (w *walk) leave(m *member) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.members, m)
	return len(w.members) == 0
}

// end ends following for a member. w.mu is held.
func (w *walk) end(m *member, err error) {
	m.err = err
	close(m.done)
	delete(w.members, m)
}

// hurry makes the next poll come soon.
func (w *walk) hurry() {
	select {
	case w.sooner <- struct{}{}:
	default:
	}
}

func (w *walk) run(ctx context.Context) {
	for begun := time.Now(); w.wait(ctx, begun); {
		begun = time.Now()
		quiet := w.quiet(begun)
		fresh := pollFresh
		free := w.free()
		if quiet || free {
			fresh = pollFreshQuiet
		}
		stale := !w.unsure && begun.Sub(w.fresh)+w.interval*3/2 < fresh
		after := w.last()
		if after > w.before {
			w.before, w.orphaned, w.again = after, time.Time{}, orphanedFirst
			w.rhythm.heard(begun)
			w.sights.change(func(s *Sight) { s.News = begun })
		}
		if free && stale && !w.acquired(ctx, begun) {
			continue
		}
		polled, err := w.followers.log.Poll(ctx, w.id, after, stale)
		took := time.Since(begun)
		if ctx.Err() != nil {
			return
		}
		if !stale {
			w.fresh = begun
		}
		w.unsure = stale && errors.Is(err, ErrNotFound) // it may just have been created
		if w.unsure {
			w.interval = 0
			continue
		}
		news := err == nil && len(polled.Events) > 0
		if news {
			w.rhythm.heard(begun)
			w.show(polled.Events)
		}
		// An old read ends nothing.
		decides := err == nil && !stale && !news
		if decides {
			w.asleep = polled.Lease.Sleeps()
		}
		active := w.look(err, decides, polled.Lease)
		if err == nil {
			w.learn(polled.Lease, begun, decides, active)
		}
		if decides {
			w.tend(ctx, active && !w.asleep && !polled.Lease.Held())
		}
		switch {
		case news && polled.More:
			w.interval = 0
		case news:
			w.interval = pollFirst
			if w.hits++; w.rhythm.talks() {
				w.interval = max(pollLeast, pollFirst-time.Duration(w.hits)*pollStep)
			}
		case err == nil && w.hits > 0 && w.rhythm.talks():
			w.interval, w.hits = pollAgain, 0
		case err == nil && w.rhythm.talks():
			w.interval = min(max(w.interval, pollAgain)*3/2, w.most(err))
		default:
			w.interval, w.hits = min(max(w.interval, pollFirst)*3/2, w.most(err)), 0
		}
		if w.interval > 0 {
			w.interval = max(w.interval, min(pollShare*took, pollSlow))
		}
	}
}

// free reports whether nobody held the task when its lease was last seen.
func (w *walk) free() bool {
	if w.known.Epoch == 0 || w.known.Held() || w.known.Suspended {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for m := range w.members {
		if m.waits() || m.UntilOrphaned {
			return false
		}
	}
	return true
}

// acquired reports whether somebody seems to have the task by now that was free.
func (w *walk) acquired(ctx context.Context, begun time.Time) bool {
	got, err := w.followers.log.Acquired(ctx, w.id, w.known.Epoch)
	if got || err != nil { // a poll tells more
		w.interval = 0
		return true
	}
	w.tend(ctx, true)
	w.interval = min(max(w.interval, pollFirst)*3/2, pollMost)
	w.interval = max(w.interval, min(pollShare*time.Since(begun), pollSlow))
	return false
}

// learn takes the lease that a poll has found. An old read may tell that the holder has renewed its
// lease, or that there is another one: nothing takes that back.
func (w *walk) learn(l LeaseInfo, at time.Time, decides, active bool) {
	newer := l.Epoch > w.known.Epoch || l.Epoch == w.known.Epoch && l.Held() && w.known.Held() && l.Until.After(w.known.Until)
	if !decides && !newer {
		return
	}
	if l.Epoch > w.known.Epoch {
		w.rhythm.last = at // whoever has it now, speaks soon
	}
	w.known = l
	w.sights.change(func(s *Sight) {
		s.Lease, s.Time = l, at
		if decides {
			s.Active = active
		}
	})
}

// quiet reports whether the task is silent, and its holder is not in doubt.
func (w *walk) quiet(now time.Time) bool {
	return w.rhythm.quiet(now) && w.known.Held() && !w.known.Doubted
}

// tend reports the task when nobody has held it for long enough.
func (w *walk) tend(ctx context.Context, orphaned bool) {
	now := time.Now()
	switch {
	case !orphaned:
		w.orphaned = time.Time{}
	case w.orphaned.IsZero():
		w.orphanedNow(now)
	case now.After(w.orphaned):
		w.orphanedNow(now)
		if w.followers.orphaned != nil {
			w.followers.orphaned(ctx, w.id)
		}
	}
}

// orphanedNow notes that somebody sees to the orphaned task now, and when it is reported again.
func (w *walk) orphanedNow(now time.Time) {
	w.orphaned = now.Add(w.again + rand.N(w.again/5))
	w.again = min(2*w.again, orphanedMost)
}

// wait waits for the time of the next poll, after the last one began. There is none while a run in
// this process brings the events. It reports false when ctx is done.
func (w *walk) wait(ctx context.Context, begun time.Time) bool {
	// The pause varies, so that walks that began together don't stay together. It is never much
	// shorter, however slow the store is.
	end := begun.Add(w.interval - w.interval/20 + rand.N(w.interval/10+1))
	if least := time.Now().Add(w.interval / 2); end.Before(least) {
		end = least
	}
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	for {
		due := timer.C
		if w.followers.brings(w.id, w.last()) {
			due = nil
		}
		select {
		case <-due:
			if !w.followers.brings(w.id, w.last()) {
				return true
			} // else a run has begun meanwhile
		case <-w.sooner:
			w.interval = min(w.interval, pollFirst)
			if soon := time.Now().Add(pollFirst); soon.Before(end) {
				end = soon
			}
			timer.Reset(time.Until(end))
		case <-ctx.Done():
			return false
		}
	}
}

// last returns the number of the last event that was shown.
func (w *walk) last() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq
}

// most returns the longest time between two polls.
func (w *walk) most(err error) time.Duration {
	if err != nil {
		return pollFailed
	}
	if w.asleep {
		return pollIdle
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for m := range w.members {
		if !m.waits() {
			if w.quiet(time.Now()) {
				return pollQuiet
			}
			return min(max(pollMost, time.Duration(w.followers.elsewhere.Load())*pollEach), pollQuiet)
		}
	}
	return pollIdle
}

// look updates the members after a poll, and ends following for those that have waited long enough.
// err is the error of the poll. decides says that the poll may end following; then lease is the
// task's. look reports whether a member goes on to follow it who waits for what its holder does.
func (w *walk) look(err error, decides bool, lease LeaseInfo) (active bool) {
	now, asleep := time.Now(), lease.Sleeps()
	orphaned := decides && !lease.Held() && !asleep
	w.mu.Lock()
	defer w.mu.Unlock()
	for m := range w.members {
		switch {
		case errors.Is(err, ErrNotFound):
			w.end(m, err)
		case err != nil && m.failing.IsZero():
			m.failing = now
		case err != nil:
			if now.Sub(m.failing) > retryFor {
				w.end(m, err)
			}
		case !decides:
			m.failing = time.Time{}
		case m.waits() && m.idle.IsZero():
			m.failing, m.idle = time.Time{}, now
		case m.waits():
			m.failing = time.Time{}
			if now.Sub(m.idle) > idleFor {
				w.end(m, nil)
			}
		case asleep && m.UntilSuspended, asleep && !m.idle.IsZero() && now.Sub(m.idle) > idleFor:
			w.end(m, &SuspendedError{lease.Due})
		case asleep:
			m.failing = time.Time{}
			if m.idle.IsZero() {
				m.idle = now
			}
		case orphaned && m.UntilOrphaned:
			w.end(m, nil)
		default:
			m.failing = time.Time{}
			active = true
		}
	}
	return active
}
