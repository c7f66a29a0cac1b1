package run

import (
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

const (
	// clockSlack is how much later than possible a lease may seem to end without a doubt that the
	// holder's clock differs from this one. If it seems to end later than by maxSkew, no clock
	// explains that: the lease is a longer one, and is left alone.
	clockSlack = time.Second
	maxSkew    = 5 * time.Minute
)

// sighting is what a process knows of the holder of a lease. Its times are this process's own, and
// have a monotonic clock.
type sighting struct {
	lease tasklog.LeaseInfo
	at    time.Time // when it was last seen
	// since is when the lease was first seen as it is, or a sign of life after that.
	since time.Time
	// alive is when the holder last gave a sign of life: for sure, if the process has seen it,
	// otherwise by the clock of its machine, which may be another one.
	alive time.Time
	// skewed says that, by the lease, the holder's clock differs from this one: nobody can say when
	// it gave a sign of life before since.
	skewed bool
	long   bool      // the lease is longer than those of this package
	asked  time.Time // when a worker was last asked to see to the holder
	sent   time.Time // when one was last asked for, because nobody holds the lease
}

// see notes the lease as it is at a time. It does nothing if a later look has seen it.
func (s *sighting) see(l tasklog.LeaseInfo, now time.Time) {
	if now.Before(s.at) {
		return
	}
	s.at = now
	if s.lease.Epoch > 0 && s.lease.Same(l) {
		s.lease = l // with what else it says
		return
	}
	known := s.lease.Epoch > 0
	*s = sighting{lease: l, at: now, since: now, alive: now, asked: s.asked}
	if known {
		return // it has changed since the last look, and so the holder was alive after that
	}
	switch age := LeaseTime - l.Until.Sub(now.Round(0)); { // by the wall clock
	case age < -maxSkew:
		s.long = true
	case age < -clockSlack:
		s.skewed = true
	case age > 0:
		s.alive = now.Add(-age)
	}
}

// lives notes a sign of life.
func (s *sighting) lives(now time.Time) { s.since, s.alive, s.skewed = now, now, false }

// silent reports whether the holder has not given a sign of life for d. If nobody can say, it may
// have.
func (s *sighting) silent(d time.Duration, now time.Time) bool {
	return !s.long && now.Sub(s.alive) >= d
}

// watched reports whether the lease was watched unchanged for as long as it lasts: then its holder
// has given it up, whatever its clock says.
func (s *sighting) watched(now time.Time) bool { return !s.long && now.Sub(s.since) >= LeaseTime }

// signs has when other processes last gave a sign of life, as this one has seen it.
type signs struct {
	mu        sync.Mutex
	processes map[string]time.Time
}

// maxSigns bounds them. A forgotten one costs a question at most.
const maxSigns = 1000

// note notes a sign of life of a lease's holder.
func (s *signs) note(l tasklog.LeaseInfo, at time.Time) {
	process := tasklog.ProcessOf(l.Holder)
	if process == "" || !l.Held() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.processes == nil || len(s.processes) >= maxSigns {
		s.processes = make(map[string]time.Time)
	}
	if at.After(s.processes[process]) {
		s.processes[process] = at
	}
}

// of returns when the process of a holder last gave a sign of life, or zero.
func (s *signs) of(holder string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.processes[tasklog.ProcessOf(holder)]
}

// sightings are those of the tasks that a process has seen lately.
type sightings struct {
	mu    sync.Mutex
	tasks map[a2a.TaskID]*sighting
}

// maxSightings bounds them. A forgotten one costs a question at most.
const maxSightings = 1000

// see notes the lease of a task. If the holder was silent for d, and no worker was asked to see to
// it within askAgain, it notes that one is asked now, and reports true.
func (s *sightings) see(id a2a.TaskID, l tasklog.LeaseInfo, d time.Duration, now time.Time) (seen sighting, ask bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.of(id)
	of.see(l, now)
	if ask = of.silent(d, now) && now.Sub(of.asked) >= askAgain; ask {
		of.asked = now
	}
	return *of, ask
}

// orphan notes the lease of a task, which nobody holds. It reports whether a worker is to be asked for,
// and notes that this is done: many may read the task before a worker has come.
func (s *sightings) orphan(id a2a.TaskID, l tasklog.LeaseInfo, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.of(id)
	of.see(l, now)
	if !of.sent.IsZero() && now.Sub(of.sent) < sendAgain {
		return false
	}
	of.sent = now
	return true
}

// of returns what is known of the task. s.mu is held.
func (s *sightings) of(id a2a.TaskID) *sighting {
	of := s.tasks[id]
	if of == nil {
		if s.tasks == nil || len(s.tasks) >= maxSightings {
			s.tasks = make(map[a2a.TaskID]*sighting)
		}
		of = new(sighting)
		s.tasks[id] = of
	}
	return of
}
