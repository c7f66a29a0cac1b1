package tasklogtest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// mustDoubt doubts the holder.
func mustDoubt(t *testing.T, s tasklog.Store, h tasklog.Head, seen tasklog.LeaseInfo) {
	t.Helper()
	_, err := s.Doubt(t.Context(), h.ID, seen) // it reports false, too, if its answer was lost
	must(t, err)
}

// doubtedAlready fails the test unless somebody has doubted the holder before.
func doubtedAlready(t *testing.T, s tasklog.Store, h tasklog.Head, seen tasklog.LeaseInfo) {
	t.Helper()
	if asked, err := s.Doubt(t.Context(), h.ID, seen); err != nil || asked {
		t.Errorf("doubting again: asked is %t, %v", asked, err)
	}
}

// notDoubted fails the test unless the holder of the lease cannot be doubted, nor deposed.
func notDoubted(t *testing.T, what string, s tasklog.Store, h tasklog.Head, seen tasklog.LeaseInfo) {
	t.Helper()
	_, err := s.Doubt(t.Context(), h.ID, seen)
	refused(t, "doubting "+what, err)
	if done, err := s.Depose(t.Context(), h.ID, seen, tasklog.AnyPlace); done || err != nil {
		t.Errorf("deposing %s: %t, %v", what, done, err)
	}
}

// testDoubt doubts a holder, which renews its lease, before and after its first renewal.
func testDoubt(t *testing.T, s tasklog.Store) {
	h, first := NewTask()
	end := until()
	lease, err := s.Create(t.Context(), h, first, tasklog.Claim{Writer: "one", Until: end})
	must(t, err)
	want := tasklog.LeaseInfo{Holder: "one", Epoch: 1, Seq: 1, Until: end}
	for i := range 4 {
		seen := checkLease(t, s, h, want).Lease
		mustDoubt(t, s, h, seen)
		doubtedAlready(t, s, h, seen) // one question for all
		want.Doubted = true
		doubted := checkLease(t, s, h, want).Lease
		doubtedAlready(t, s, h, doubted)
		want.Until, want.Doubted = want.Until.Add(time.Second), false
		checkAsked(t, lease, want.Until, tasklog.Asked{Cancel: want.Cancel})
		checkLease(t, s, h, want)
		notDoubted(t, "a lease that was renewed since", s, h, seen)
		notDoubted(t, "a lease that was renewed since", s, h, doubted)
		switch i {
		case 1:
			must(t, s.RequestCancel(t.Context(), h))
			want.Cancel = true
		case 2: // the next holder does not answer for the one before
			mustDoubt(t, s, h, want)
			claim := by("two")
			seen := mustLoad(t, s, h.ID)
			lease, err = s.Acquire(t.Context(), seen, claim)
			must(t, err)
			want = tasklog.LeaseInfo{Holder: "two", Epoch: 2, Seq: 1, Until: claim.Until, Cancel: true, Crashes: 1}
			notDoubted(t, "a lease that was acquired since", s, h, seen.Lease)
		}
	}
	must(t, lease.Release(t.Context()))
	notDoubted(t, "a lease that was released since", s, h, want)
	notDoubted(t, "a lease that was released", s, h, mustLoad(t, s, h.ID).Lease)

	h, first = NewTask()
	_, err = s.Create(t.Context(), h, first, tasklog.Claim{Writer: "one"})
	must(t, err)
	notDoubted(t, "a task that was left to a worker", s, h, mustLoad(t, s, h.ID).Lease)

	h, lease = mustCreateDurable(t, s)
	mustDoubt(t, s, h, mustLoad(t, s, h.ID).Lease)
	seen := mustLoad(t, s, h.ID).Lease
	if ok, err := lease.Suspend(t.Context(), time.Now().Add(time.Hour), 0); !ok || err != nil {
		t.Fatalf("suspending: %t, %v", ok, err)
	}
	notDoubted(t, "a task that is suspended since", s, h, seen)
	now := mustLoad(t, s, h.ID).Lease
	notDoubted(t, "a suspended task", s, h, now)
	if now.Doubted || !now.Sleeps() {
		t.Errorf("the suspended task has the lease %+v", now)
	}

	gone, _ := NewTask()
	if _, err := s.Doubt(t.Context(), gone.ID, seen); !errors.Is(err, tasklog.ErrNotFound) && !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("doubting the holder of no task: %v", err)
	}
}

// testAskedOf asks something of the holders in two processes, and of some that have no lease any more.
func testAskedOf(t *testing.T, s tasklog.Store) {
	one, other := tasklog.NewProcess(), tasklog.NewProcess()
	checkAskedOf := func(what, process string, want ...a2a.TaskID) {
		t.Helper()
		ids, err := s.AskedOf(t.Context(), process)
		slices.Sort(ids)
		slices.Sort(want)
		if err != nil || !slices.Equal(ids, want) {
			t.Errorf("%s: asked of %v, %v, want %v", what, ids, err, want)
		}
		if ids, err := s.AskedOf(t.Context(), process); len(ids) > 0 || err != nil {
			t.Errorf("%s: asked again of %v, %v", what, ids, err)
		}
	}
	held := func(process string) (tasklog.Head, tasklog.Lease) {
		h, first := NewTask()
		lease, err := s.Create(t.Context(), h, first, by(tasklog.NewWriter(process)))
		must(t, err)
		return h, lease
	}
	checkAskedOf("nothing", one)
	a, lease := held(one)
	b, _ := held(one)
	c, _ := held(other)
	checkAskedOf("nothing yet", one)
	for _, renewed := range []bool{false, true} {
		if renewed {
			_, err := lease.Renew(t.Context(), until().Add(time.Second))
			must(t, err)
		}
		must(t, s.RequestCancel(t.Context(), a), s.Wake(t.Context(), b.ID), s.Wake(t.Context(), a.ID), s.RequestCancel(t.Context(), c))
		checkAskedOf("a cancel, and two wakes", one, a.ID, b.ID)
		checkAskedOf("a cancel", other, c.ID)
		mustDoubt(t, s, a, mustLoad(t, s, a.ID).Lease)
		checkAskedOf("a doubt", one, a.ID)
	}
	seen := mustLoad(t, s, a.ID).Lease
	if done, err := s.Depose(t.Context(), a.ID, seen, tasklog.AnyPlace); !done || err != nil {
		t.Fatalf("deposing: %t, %v", done, err)
	}
	must(t, s.RequestCancel(t.Context(), a))
	checkAskedOf("a cancel of a task whose holder was deposed", one)
	mustAcquire(t, s, b.ID, by(tasklog.NewWriter(other)))
	checkAskedOf("a lease that another has", one, b.ID)
	must(t, s.RequestCancel(t.Context(), b))
	checkAskedOf("a cancel, after that", one)
	checkAskedOf("a cancel of what it has acquired", other, b.ID)

	// Between a look at the task and its lease.
	for _, ask := range []func(tasklog.Head) error{
		func(h tasklog.Head) error { return s.RequestCancel(t.Context(), h) },
		func(h tasklog.Head) error { return s.Wake(t.Context(), h.ID) },
	} {
		h, lease := held(one)
		must(t, lease.Release(t.Context()))
		seen := mustLoad(t, s, h.ID)
		must(t, ask(h))
		_, err := s.Acquire(t.Context(), seen, by(tasklog.NewWriter(other)))
		must(t, err)
		checkAskedOf("what came before the lease", other, h.ID)
		third := tasklog.NewProcess()
		mustAcquire(t, s, h.ID, by(tasklog.NewWriter(third)))
		checkAskedOf("what a look has shown", third)
		checkAskedOf("a lease that another has", other, h.ID)
	}

	var ids []a2a.TaskID
	for range 120 {
		h, _ := held(one)
		must(t, s.RequestCancel(t.Context(), h))
		ids = append(ids, h.ID)
	}
	checkAskedOf("many", one, ids...)
}

// testDepose deposes a holder, before and after its first renewal, of a first and of a later lease.
func testDepose(t *testing.T, s tasklog.Store) {
	for _, renewed := range []bool{false, true} {
		h, lease := mustCreateDurable(t, s)
		must(t, lease.Append(t.Context(), 2, working(h, "two")), s.RequestCancel(t.Context(), h))
		for epoch := int64(1); epoch < 3; epoch++ {
			if renewed {
				_, err := lease.Renew(t.Context(), until().Add(time.Second))
				must(t, err)
			}
			seen := mustLoad(t, s, h.ID)
			mustDoubt(t, s, h, seen.Lease)
			if done, err := s.Depose(t.Context(), h.ID, seen.Lease, tasklog.AnyPlace); !done || err != nil {
				t.Fatalf("deposing: %t, %v", done, err)
			}
			if done, err := s.Depose(t.Context(), h.ID, seen.Lease, tasklog.AnyPlace); !done || err != nil {
				t.Errorf("deposing again: %t, %v", done, err)
			}
			want := seen.Lease
			want.Until, want.Deposed = time.Time{}, true
			now := checkLease(t, s, h, want)
			if now.Busy() || now.Lease.Held() || !now.Fenced() {
				t.Errorf("the holder was deposed, and the lease is %+v", now.Lease)
			}
			_, err := lease.Renew(t.Context(), until())
			refused(t, "renewing by a deposed holder", err)
			_, err = lease.Suspend(t.Context(), time.Now().Add(time.Hour), 0)
			refused(t, "suspending by a deposed holder", err)
			refused(t, "releasing by a deposed holder", lease.Release(t.Context()))
			checkLease(t, s, h, want)
			_, err = s.Doubt(t.Context(), h.ID, now.Lease)
			refused(t, "doubting a deposed holder", err)

			claim := recorder("next", 0)
			next, err := s.Acquire(t.Context(), now, claim)
			must(t, err)
			refused(t, "appending by a deposed holder", lease.Append(t.Context(), 3, working(h, "late")))
			refused(t, "recording by a deposed holder", lease.Record(t.Context(), 1, steps("late")))
			after := mustLoad(t, s, h.ID).Lease
			if !after.Held() || after.Deposed || after.Epoch != epoch+1 || !after.Cancel || after.Crashes != int(epoch) {
				t.Errorf("the next lease is %+v", after)
			}
			if done, err := s.Depose(t.Context(), h.ID, now.Lease, tasklog.AnyPlace); done || err != nil {
				t.Errorf("deposing once more: %t, %v", done, err)
			}
			lease = next
		}
		must(t, lease.Append(t.Context(), 3, working(h, "three")))
	}

	// A deposed holder that is at work appends until somebody has the lease, and nobody gets the
	// lease without the place in the log.
	h, _, lease := mustCreate(t, s)
	if done, err := s.Depose(t.Context(), h.ID, mustLoad(t, s, h.ID).Lease, tasklog.AnyPlace); !done || err != nil {
		t.Fatalf("deposing: %t, %v", done, err)
	}
	seen := mustLoad(t, s, h.ID)
	must(t, lease.Append(t.Context(), 2, working(h, "two")))
	_, err := s.Acquire(t.Context(), seen, by("hasty"))
	refused(t, "acquiring though the deposed holder has appended", err)
	seen = mustLoad(t, s, h.ID)
	if seen.Busy() {
		t.Errorf("nobody has acquired the lease, and it is %+v", seen.Lease)
	}
	next, err := s.Acquire(t.Context(), seen, by("next"))
	must(t, err, next.Append(t.Context(), 3, working(h, "three")))
}

// testDoubtRace has many doubt a holder and depose it, while it renews its lease: one asks, and
// either the holder or those who depose it are refused.
func testDoubtRace(t *testing.T, s tasklog.Store) {
	for round := range 10 {
		h, _, lease := mustCreate(t, s)
		if round%2 == 1 {
			_, err := lease.Renew(t.Context(), until().Add(time.Second))
			must(t, err)
		}
		seen := mustLoad(t, s, h.ID).Lease
		const n = 8
		var asking sync.WaitGroup
		asked, errs := make([]bool, n), make([]error, n)
		for i := range n {
			asking.Go(func() { asked[i], errs[i] = s.Doubt(t.Context(), h.ID, seen) })
		}
		asking.Wait()
		must(t, errs...)
		questions := 0
		for _, a := range asked {
			if a {
				questions++
			}
		}
		if l := mustLoad(t, s, h.ID).Lease; questions > 1 || !l.Doubted { // none, if the answer was lost
			t.Errorf("%d questions; the lease is %+v", questions, l)
		}
		done := make([]bool, n)
		var acting sync.WaitGroup
		var renewal error
		for i := range n {
			acting.Go(func() { done[i], errs[i] = s.Depose(t.Context(), h.ID, seen, tasklog.AnyPlace) })
		}
		acting.Go(func() { _, renewal = lease.Renew(t.Context(), until().Add(time.Minute)) })
		acting.Wait()
		must(t, errs...)
		for _, d := range done {
			if d == (renewal == nil) {
				t.Fatalf("the holder renewed its lease: %v; it was deposed: %v", renewal, done)
			}
		}
		if l := mustLoad(t, s, h.ID).Lease; l.Held() != (renewal == nil) || l.Doubted {
			t.Errorf("the lease is %+v; renewed: %v", l, renewal)
		}
	}
}
