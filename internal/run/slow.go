package run

import (
	"sync/atomic"
	"time"
)

// slowness is whether the store answers a process, but slowly.
type slowness struct{ until atomic.Int64 } // nanoseconds since 1970

// answered notes that an answer took so long.
func (s *slowness) answered(took time.Duration) {
	if took >= askWithin {
		s.until.Store(time.Now().Add(slowFor).UnixNano())
	}
}

func (s *slowness) is() bool { return time.Now().UnixNano() < s.until.Load() }
