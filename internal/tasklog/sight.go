package tasklog

import (
	"sync"
	"time"
)

// Sight is what the followers of a task see of its holder. Its times are those of this process.
type Sight struct {
	// Lease is the task's at the time Time.
	Lease LeaseInfo
	Time  time.Time
	// News is when events were last seen, Came when somebody last began to follow.
	News, Came time.Time
	// Active says that somebody waits for what the holder does.
	Active bool
}

// Sights passes on the last sight of a task. A nil Sights passes on none.
type Sights struct {
	mu    sync.Mutex
	last  Sight
	ready chan struct{} // holds one token when there is something new
}

func newSights() *Sights { return &Sights{ready: make(chan struct{}, 1)} }

// Ready returns a channel that has a value when there is something new.
func (s *Sights) Ready() <-chan struct{} { return s.ready }

// Last returns the last sight.
func (s *Sights) Last() Sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// change changes the last sight, once a lease is known.
func (s *Sights) change(f func(*Sight)) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f(&s.last); s.last.Lease.Epoch == 0 {
		return
	}
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// came notes that a follower has come, who has seen the lease. Active says that it waits for what
// the holder does.
func (s *Sights) came(l LeaseInfo, active bool) {
	now := time.Now()
	s.change(func(last *Sight) {
		if last.Came = now; l.Epoch > 0 && l.Epoch >= last.Lease.Epoch {
			last.Lease, last.Time = l, now
		}
		last.Active = last.Active || active
	})
}
