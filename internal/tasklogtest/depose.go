package tasklogtest

import (
	"sync"
	"testing"
	"time"

	"a2alambda/internal/tasklog"
)

// testDeposeRecorder deposes a holder that records, by what a reader has seen of its journal.
func testDeposeRecorder(t *testing.T, s tasklog.Store) {
	h, lease := mustCreateDurable(t, s)
	for epoch := int64(1); epoch < 3; epoch++ {
		place := 2 * (epoch - 1)
		must(t, lease.Record(t.Context(), place+1, steps("a")))
		seen := mustLoad(t, s, h.ID).Lease
		depose := func(what string, seen tasklog.LeaseInfo, last int64, want bool) {
			t.Helper()
			if done, err := s.Depose(t.Context(), h.ID, seen, last); done != want || err != nil {
				t.Errorf("deposing %s: %t, %v", what, done, err)
			}
		}
		depose("a holder that has recorded since", seen, place, false)
		must(t, lease.Append(t.Context(), epoch+1, working(h, "a")), lease.Record(t.Context(), place+2, steps("b")))
		_, err := lease.Renew(t.Context(), until().Add(time.Second))
		must(t, err)
		depose("a holder that has renewed its lease since", seen, place+2, false)
		seen = mustLoad(t, s, h.ID).Lease
		for range 2 {
			depose("a silent holder", seen, place+2, true)
			refused(t, "recording by a deposed holder", lease.Record(t.Context(), place+3, steps("late")))
		}
		next, err := s.Acquire(t.Context(), mustLoad(t, s, h.ID), recorder("next", place+2))
		must(t, err)
		refused(t, "recording by a deposed holder", lease.Record(t.Context(), place+3, steps("late")))
		lease = next
	}
	// A holder that was not deposed goes on.
	_, err := lease.Renew(t.Context(), until().Add(time.Minute))
	seen := mustLoad(t, s, h.ID).Lease
	must(t, err)
	_, err = lease.Renew(t.Context(), until().Add(2*time.Minute))
	must(t, err)
	if done, err := s.Depose(t.Context(), h.ID, seen, 4); done || err != nil {
		t.Errorf("deposing a holder that has renewed its lease since: %t, %v", done, err)
	}
	must(t, lease.Record(t.Context(), 5, steps("five")))
	if all, err := AllSteps(t.Context(), s, h); len(all) != 5 || err != nil {
		t.Errorf("the journal is %v, %v", all, err)
	}
}

// testDeposeRace has many depose a holder while it records: it is deposed, or it records, or, since
// one of those has shut its journal and was too late, neither.
func testDeposeRace(t *testing.T, s tasklog.Store) {
	for round := range 10 {
		h, lease := mustCreateDurable(t, s)
		if round%2 == 1 {
			_, err := lease.Renew(t.Context(), until().Add(time.Second))
			must(t, err)
		}
		seen := mustLoad(t, s, h.ID).Lease
		const n = 4
		done, errs := make([]bool, n), make([]error, n)
		var recorded, renewed error
		var acting sync.WaitGroup
		for i := range n {
			acting.Go(func() { done[i], errs[i] = s.Depose(t.Context(), h.ID, seen, 0) })
		}
		acting.Go(func() {
			recorded = lease.Record(t.Context(), 1, steps("one"))
			if round%3 == 0 {
				_, renewed = lease.Renew(t.Context(), until().Add(time.Minute))
			}
		})
		acting.Wait()
		must(t, errs...)
		now := mustLoad(t, s, h.ID).Lease
		for _, d := range done {
			if d && recorded == nil || d != now.Deposed {
				t.Errorf("the holder has recorded: %v; it was deposed: %v; the lease is %+v", recorded, done, now)
			}
		}
		if recorded != nil {
			refused(t, "recording", recorded)
		}
		if now.Deposed != (renewed != nil) && round%3 == 0 {
			t.Errorf("the holder renewed its lease: %v; the lease is %+v", renewed, now)
		}
	}
}
