package tasklogtest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"a2alambda/internal/tasklog"
)

// suspend suspends the task, and fails the test unless that succeeds or not as wanted.
func suspend(t *testing.T, l tasklog.Lease, due time.Time, woken int64, want bool) {
	t.Helper()
	if suspended, err := l.Suspend(t.Context(), due, woken); err != nil || suspended != want {
		t.Fatalf("suspending: got %t, %v, want %t", suspended, err, want)
	}
}

// checkSuspended fails the test unless the task is suspended until due, and was woken so often. It
// returns the snapshot.
func checkSuspended(t *testing.T, s tasklog.Store, h tasklog.Head, due time.Time, woken int64) *tasklog.Snapshot {
	t.Helper()
	seen := mustLoad(t, s, h.ID)
	polled, err := s.Poll(t.Context(), h.ID, seen.Seq, false)
	must(t, err)
	alone, err := s.Lease(t.Context(), h.ID)
	must(t, err)
	for method, l := range map[string]tasklog.LeaseInfo{"Load": seen.Lease, "Poll": polled.Lease, "Lease": alone} {
		if !l.Suspended || !l.Released || !l.Due.Equal(due) || l.Woken != woken || !l.Expired() || l.Sleeps() != time.Now().Before(due) {
			t.Errorf("%s: the lease is %+v, want it suspended until %v, and woken %d times", method, l, due, woken)
		}
	}
	if seen.Busy() || seen.CrashedIdle(seen.Lease.Place) || seen.Fenced() {
		t.Errorf("a suspended task is busy: %t, crashed: %t, fenced: %t", seen.Busy(), seen.CrashedIdle(seen.Lease.Place), seen.Fenced())
	}
	return seen
}

// lookAt returns the look at the task that is due at the time by. Its ID is "" if there is none.
func lookAt(t *testing.T, s tasklog.Looks, h tasklog.Head, by time.Time) (found tasklog.Look) {
	t.Helper()
	for _, l := range mustDue(t, s, by, 100) {
		if l.ID == h.ID {
			if found.ID != "" {
				t.Errorf("there are two looks: %+v and %+v", found, l)
			}
			found = l
		}
	}
	return found
}

func checkLook(t *testing.T, s tasklog.Looks, h tasklog.Head, due time.Time, suspended bool) tasklog.Look {
	t.Helper()
	before, l := lookAt(t, s, h, due.Add(-time.Second)), lookAt(t, s, h, due)
	if before.ID != "" || l.ID == "" || !l.Due.Equal(due) || l.Held || l.Suspended != suspended {
		t.Errorf("before it is due, the look is %+v; then %+v, want it due %v, suspended: %t", before, l, due, suspended)
	}
	return l
}

func testSuspend(t *testing.T, s tasklog.Store) {
	for _, renewed := range []bool{false, true} {
		h, lease := mustCreateDurable(t, s)
		if renewed {
			_, err := lease.Renew(t.Context(), until())
			must(t, err)
		}
		must(t, lease.Append(t.Context(), 2, working(h, "two")), lease.Record(t.Context(), 1, steps("one")))
		due := time.Now().Add(48 * time.Hour).Truncate(time.Second)
		suspend(t, lease, due.Add(300*time.Millisecond), 0, true)
		suspend(t, lease, due, 0, true)
		seen := checkSuspended(t, s, h, due, 0)
		checkLook(t, s, h, due, true)
		_, renewing := lease.Renew(t.Context(), until())
		for what, err := range map[string]error{
			"appending": lease.Append(t.Context(), 3, working(h, "late")),
			"recording": lease.Record(t.Context(), 2, steps("late")), "renewing": renewing,
		} {
			refused(t, what+" while it is suspended", err)
		}
		must(t, lease.Release(t.Context())) // changes nothing
		lease.Close(t.Context())
		checkSuspended(t, s, h, due, 0)
		checkJournal(t, s, h, steps("one"))
		if !unfinished(t, s, h) {
			t.Error("a suspended task is finished")
		}

		// The next holder goes on. It has not crashed before.
		next, err := s.Acquire(t.Context(), seen, recorder("next", 1))
		must(t, err)
		l := mustLoad(t, s, h.ID).Lease
		if l.Suspended || l.Released || l.Holder != "next" || l.Crashes != 0 || l.Place != 1 || l.Sleeps() || !l.Due.IsZero() {
			t.Errorf("the lease is %+v", l)
		}
		if l := lookAt(t, s, h, due.Add(time.Hour)); l.Suspended || l.Due.After(time.Now().Add(time.Hour)) {
			t.Errorf("the look at a task that somebody runs is %+v", l)
		}
		refused(t, "appending by the holder before", lease.Append(t.Context(), 3, working(h, "late")))
		must(t, next.Append(t.Context(), 3, working(h, "three")), next.Record(t.Context(), 2, steps("two")))
		suspend(t, next, due, 0, true)
		_, err = s.Acquire(t.Context(), seen, recorder("late", 1))
		refused(t, "acquiring what was acquired since", err)
		again := mustAcquire(t, s, h.ID, recorder("again", 2))
		endTurn(t, again, h, 4)
		if unfinished(t, s, h) {
			t.Error("a task that waits for input is unfinished")
		}
	}
}

// testWake wakes a task that is held, suspended, and due.
func testWake(t *testing.T, s tasklog.Store) {
	ctx := t.Context()
	for _, renewed := range []bool{false, true} {
		h, lease := mustCreateDurable(t, s)
		far := time.Now().Add(48 * time.Hour).Truncate(time.Second)
		if renewed {
			checkAsked(t, lease, until(), tasklog.Asked{})
		}
		woken := int64(0)
		wake := func() {
			t.Helper()
			must(t, s.Wake(ctx, h.ID))
			l, err := s.Lease(ctx, h.ID)
			must(t, err)
			if l.Woken <= woken {
				t.Errorf("woken %d times, and before %d times", l.Woken, woken)
			}
			woken = l.Woken
		}
		wake()
		suspend(t, lease, far, woken-1, false) // it was woken since
		suspend(t, lease, far, woken-1, false)
		must(t, lease.Append(ctx, 2, working(h, "still holds it")), lease.Record(ctx, 1, steps("one")))
		checkAsked(t, lease, until(), tasklog.Asked{Woken: woken})
		suspend(t, lease, far, woken, true)
		checkSuspended(t, s, h, far, woken)

		begun := time.Now().Truncate(time.Second)
		wake()
		suspend(t, lease, far, woken-1, true) // its answer was lost: this is no other suspension
		l := mustLoad(t, s, h.ID).Lease
		if l.Due.Before(begun) || l.Due.After(time.Now()) {
			t.Errorf("woken, the lease is %+v", l)
		}
		look := checkLook(t, s, h, l.Due, true)

		// A sweep asks for a worker, which does not come. What comes then makes the look due again.
		later := time.Now().Add(10 * time.Minute).Truncate(time.Second)
		moved, err := s.Postpone(ctx, look, later)
		must(t, err)
		seen := checkSuspended(t, s, h, l.Due, woken)
		if lookAt(t, s, h, later.Add(-time.Second)).ID != "" || !moved && seen.Lease.Asked == 0 || seen.Lease.Asked != 1 {
			t.Errorf("postponed: %t, asked %d times; the look is %+v", moved, seen.Lease.Asked, lookAt(t, s, h, later))
		}
		if moved, err := s.Postpone(ctx, look, later.Add(time.Hour)); err != nil || moved {
			t.Errorf("a look that has changed was postponed: %t, %v", moved, err)
		}
		wake()
		l = mustLoad(t, s, h.ID).Lease
		if look := lookAt(t, s, h, time.Now()); look.ID == "" || l.Sleeps() {
			t.Errorf("woken again, the look is %+v, the lease %+v", look, l)
		}
		wake() // it is due
		next, err := s.Acquire(ctx, seen, recorder("next", 1))
		must(t, err)
		checkAsked(t, next, until(), tasklog.Asked{Woken: woken})
		suspend(t, next, far, woken-1, false)
		suspend(t, next, far, woken, true)
	}
	for _, h := range []tasklog.Head{{ID: "none"}, expiring(t, s)} {
		if err := s.Wake(ctx, h.ID); !errors.Is(err, tasklog.ErrNotFound) {
			t.Errorf("waking what is not there: %v", err)
		}
	}
}

// expiring returns a suspended task that has expired.
func expiring(t *testing.T, s tasklog.Store) tasklog.Head {
	t.Helper()
	h, _ := NewTask()
	h.Expires = time.Now().Add(2 * time.Second).Truncate(time.Second)
	lease, err := s.Create(t.Context(), h, firstEvent(h, "hello"), recorder("w", 0))
	must(t, err)
	suspend(t, lease, h.Expires, 0, true)
	time.Sleep(time.Until(h.Expires))
	return h
}

// testSuspendCancel asks to cancel a task before and after it is suspended.
func testSuspendCancel(t *testing.T, s tasklog.Store) {
	ctx := t.Context()
	far := time.Now().Add(48 * time.Hour)
	for _, renewed := range []bool{false, true} {
		h, lease := mustCreateDurable(t, s)
		if renewed {
			checkAsked(t, lease, until(), tasklog.Asked{})
		}
		must(t, s.RequestCancel(ctx, h))
		suspend(t, lease, far, 0, false)
		checkAsked(t, lease, until(), tasklog.Asked{Cancel: true})
		must(t, lease.Append(ctx, 2, working(h, "undoes it")))

		h, lease = mustCreateDurable(t, s)
		suspend(t, lease, far, 0, true)
		for range 2 {
			must(t, s.RequestCancel(ctx, h))
			seen := mustLoad(t, s, h.ID)
			if look := lookAt(t, s, h, time.Now()); seen.Lease.Sleeps() || !seen.Lease.Cancel || !seen.Lease.Suspended || !look.Suspended {
				t.Errorf("the lease is %+v, the look is %+v", seen.Lease, look)
			}
		}
		next := mustAcquire(t, s, h.ID, recorder("next", 0))
		checkAsked(t, next, until(), tasklog.Asked{Cancel: true})
		suspend(t, next, far, 0, false)
	}
}

// testSuspendRace has a holder suspend its task while a delivery comes, somebody asks to cancel,
// and workers and a sweep come by. After the delivery and the request the task is held, or due.
func testSuspendRace(t *testing.T, s tasklog.Store) {
	ctx := t.Context()
	for round := range 20 {
		h, lease := mustCreateDurable(t, s)
		far := time.Now().Add(48 * time.Hour)
		must(t, s.OpenWait(ctx, h, "a", ""))
		var mu sync.Mutex
		leases := []tasklog.Lease{lease}
		var wg sync.WaitGroup
		hold := func(l tasklog.Lease) {
			asked, err := l.Renew(ctx, until())
			var w tasklog.Wait
			if err == nil {
				w, err = s.Wait(ctx, h.ID, "a")
			}
			if err == nil && w.State == tasklog.WaitOpen {
				_, err = l.Suspend(ctx, far, asked.Woken)
			}
			if err != nil && !errors.Is(err, tasklog.ErrConflict) {
				t.Error(err)
			}
		}
		wg.Go(func() { hold(lease) })
		if round%4 > 0 {
			wg.Go(func() {
				if err := errors.Join(s.Deliver(ctx, h.ID, "a", tasklog.Delivery{Body: []byte("x")}), s.Wake(ctx, h.ID)); err != nil {
					t.Error(err)
				}
			})
		}
		if round%4 < 2 {
			wg.Go(func() {
				if err := s.RequestCancel(ctx, h); err != nil {
					t.Error(err)
				}
			})
		}
		for i := range 3 {
			wg.Go(func() {
				seen, err := s.Load(ctx, h.ID)
				if err != nil || seen.Busy() || seen.Lease.Sleeps() {
					return
				}
				l, err := s.Acquire(ctx, seen, recorder(fmt.Sprint("worker", i), 0))
				if err != nil {
					refused(t, "acquiring", err)
					return
				}
				mu.Lock()
				leases = append(leases, l)
				mu.Unlock()
				hold(l)
			})
		}
		wg.Wait()
		seen := mustLoad(t, s, h.ID)
		if seen.Lease.Sleeps() {
			t.Fatalf("round %d: it sleeps: %+v", round, seen.Lease)
		}
		if look := lookAt(t, s, h, time.Now()); !seen.Busy() && look.ID == "" {
			t.Errorf("round %d: nobody holds it, and it is not due: %+v", round, seen.Lease)
		}
		holders := 0
		for _, l := range leases {
			if err := l.Append(ctx, 2, working(h, "x")); err == nil {
				holders++
			} else {
				refused(t, "appending", err)
			}
		}
		if want := map[bool]int{true: 0, false: 1}[seen.Lease.Suspended]; holders != want {
			t.Errorf("round %d: %d can append, want %d; the lease is %+v", round, holders, want, seen.Lease)
		}
	}
}
