package tasklogtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

// TestFaultNth fails one call of a method: before it is done, or after.
func TestFaultNth(t *testing.T) {
	trouble := errors.New("trouble")
	for _, done := range []bool{false, true} {
		s := Faulty(new(memlog.Log), Fault{Op: "Lease.Append", Nth: 2, Done: done, Do: Fails(trouble)})
		h, _, lease := mustCreate(t, s)
		two := working(h, "two")
		must(t, lease.Append(t.Context(), 2, working(h, "one")))
		if err := lease.Append(t.Context(), 3, two); !errors.Is(err, trouble) {
			t.Errorf("the second append: %v", err)
		}
		if seq := mustLoad(t, s, h.ID).Seq; seq == 3 != done {
			t.Errorf("there are %d events", seq)
		}
		must(t, lease.Append(t.Context(), 3, two), lease.Append(t.Context(), 4, working(h, "three")))
	}
}

// TestFaultDead has an instance die at a call: it does nothing any more, and another instance goes
// on.
func TestFaultDead(t *testing.T) {
	for _, done := range []bool{false, true} {
		l := new(memlog.Log)
		s := Faulty(l, Fault{Op: "Acquire", Nth: 1, Done: done})
		h, _, lease := mustCreate(t, s)
		endTurn(t, lease, h, 2)
		if _, err := s.Acquire(t.Context(), mustLoad(t, l, h.ID), by("dead")); !errors.Is(err, ErrDead) {
			t.Errorf("got %v", err)
		}
		if holder := mustLoad(t, l, h.ID).Lease.Holder; holder == "dead" != done {
			t.Errorf("%q holds the lease", holder)
		}
		_, loading := s.Load(t.Context(), h.ID)
		_, leasing := s.Create(t.Context(), h, firstEvent(h, "late"), by("dead"))
		for _, err := range []error{loading, leasing, lease.Append(t.Context(), 3, working(h, "late"))} {
			if !errors.Is(err, ErrDead) {
				t.Errorf("a dead instance got %v", err)
			}
		}
		must(t, mustAcquire(t, l, h.ID, by("other")).Append(t.Context(), 3, working(h, "other")))
	}
}

// TestFaultStops stops a call while others go on. Another call waits as long as its context.
func TestFaultStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reached, released := make(chan struct{}), make(chan struct{})
		s := Faulty(new(memlog.Log), Fault{Op: "Lease.Append", Nth: 1, Do: StopsUntil(released, reached)},
			Fault{Op: "Lease.Renew", Do: StopsUntil(nil, nil)},
			Fault{Op: "AskedOf", Do: func(context.Context, tasklog.Op) error { time.Sleep(time.Second); return nil }})
		h, _, lease := mustCreate(t, s)
		appended := make(chan error)
		go func() { appended <- lease.Append(t.Context(), 2, working(h, "slow")) }()
		<-reached
		if seq := mustLoad(t, s, h.ID).Seq; seq != 1 {
			t.Errorf("a call that is stopped has done something: there are %d events", seq)
		}
		close(released)
		must(t, <-appended)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := lease.Renew(ctx, until()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("renewing: %v", err)
		}
		begun := time.Now()
		_, err := s.AskedOf(t.Context(), "p")
		must(t, err)
		if took := time.Since(begun); took != time.Second {
			t.Errorf("asking took %v", took)
		}
	})
}
