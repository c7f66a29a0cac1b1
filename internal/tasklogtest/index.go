package tasklogtest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// Due returns all looks that are due at the time by, shard by shard. It reads them in pages of the
// given size.
func Due(ctx context.Context, s tasklog.Looks, by time.Time, page int) (all []tasklog.Look, err error) {
	for shard := range tasklog.Shards {
		for place, more := tasklog.Place(""), true; more; {
			var looks []tasklog.Look
			if looks, more, err = s.Due(ctx, shard, by, place, page); err != nil {
				return nil, err
			}
			if all = append(all, looks...); len(looks) > 0 {
				place = looks[len(looks)-1].Place
			}
		}
	}
	return all, nil
}

func mustDue(t *testing.T, s tasklog.Looks, by time.Time, page int) []tasklog.Look {
	t.Helper()
	all, err := Due(t.Context(), s, by, page)
	must(t, err)
	return all
}

// Unfinished returns all tasks that the index shows as unfinished, whenever their looks are due.
func Unfinished(ctx context.Context, s tasklog.Looks) (ids []a2a.TaskID, err error) {
	all, err := Due(ctx, s, time.Now().AddDate(100, 0, 0), 1000)
	for _, l := range all {
		ids = append(ids, l.ID)
	}
	return ids, err
}

// unfinished reports whether the index shows the task as unfinished.
func unfinished(t *testing.T, s tasklog.Store, h tasklog.Head) bool {
	t.Helper()
	ids, err := Unfinished(t.Context(), s)
	must(t, err)
	return slices.Contains(ids, h.ID)
}

// checkIndex fails the test unless the index shows the task in that state, and as unfinished or
// not. The task must be alone in its context.
func checkIndex(t *testing.T, s tasklog.Store, h tasklog.Head, state a2a.TaskState, isUnfinished bool) {
	t.Helper()
	if got := unfinished(t, s, h); got != isUnfinished {
		t.Errorf("the task that is %s is unfinished: %t, want %t", state, got, isUnfinished)
	}
	for _, listed := range []a2a.TaskState{
		a2a.TaskStateSubmitted, a2a.TaskStateWorking, a2a.TaskStateInputRequired, a2a.TaskStateCompleted,
	} {
		f := tasklog.Filter{Scope: h.Scope, ContextID: h.ContextID, State: listed}
		n, err := s.Count(t.Context(), f)
		must(t, err)
		all, err := All(t.Context(), s, f)
		must(t, err)
		var ids []a2a.TaskID
		for _, p := range all {
			ids = append(ids, p.ID)
		}
		if want := listed == state; n == 1 != want || slices.Contains(ids, h.ID) != want || len(ids) != n {
			t.Errorf("the task is %s; %d are counted as %s, and listed are %v", state, n, listed, ids)
		}
	}
}

// testUnfinished checks that the index follows the log, and never goes back.
func testUnfinished(t *testing.T, s tasklog.Store) {
	h, _, lease := mustCreate(t, s)
	checkIndex(t, s, h, a2a.TaskStateSubmitted, true)
	must(t, lease.Append(t.Context(), 2, working(h, "")))
	if !unfinished(t, s, h) {
		t.Error("a working task is finished")
	}
	waits := in(h, a2a.TaskStateInputRequired)
	must(t, lease.Append(t.Context(), 3, waits))
	if mustLoad(t, s, h.ID).Busy() {
		t.Error("a task that waits for input is busy")
	}
	lease.Close(t.Context())
	checkIndex(t, s, h, a2a.TaskStateInputRequired, false)

	lease = mustAcquire(t, s, h.ID, by("two"))
	if !unfinished(t, s, h) || !mustLoad(t, s, h.ID).Busy() {
		t.Error("a task that was acquired for its next turn is finished, or not busy")
	}
	must(t, lease.Append(t.Context(), 4, working(h, "")), lease.Release(t.Context()))
	lease.Close(t.Context())
	checkIndex(t, s, h, a2a.TaskStateWorking, true)
	lease = mustAcquire(t, s, h.ID, by("three"))
	must(t, lease.Append(t.Context(), 5, working(h, "")),
		lease.Append(t.Context(), 6, waits), lease.Append(t.Context(), 6, waits))
	lease.Close(t.Context())
	checkIndex(t, s, h, a2a.TaskStateInputRequired, false)

	// The append that ended a turn is repeated in the next turn, whose holder has not written to
	// the index yet.
	late := mustAcquire(t, s, h.ID, by("four"))
	must(t, late.Append(t.Context(), 7, working(h, "")), late.Append(t.Context(), 8, waits))
	next := mustAcquire(t, s, h.ID, by("five"))
	must(t, next.Append(t.Context(), 9, working(h, "")), late.Append(t.Context(), 8, waits))
	late.Close(t.Context())
	next.Close(t.Context())
	checkIndex(t, s, h, a2a.TaskStateWorking, true)
	next = mustAcquire(t, s, h.ID, by("six"))
	endTurn(t, next, h, 10)
	testSettle(t, s, h)
}

// testSettle settles the task, which has ten events and waits for input.
func testSettle(t *testing.T, s tasklog.Store, h tasklog.Head) {
	before := mustLoad(t, s, h.ID)
	// Somebody crashes just before the next turn begins.
	crashes := tasklog.Claim{Writer: "seven", Until: time.Now().Add(-time.Second).Truncate(time.Millisecond)}
	_, err := s.Acquire(t.Context(), before, crashes)
	must(t, err, s.Settle(t.Context(), before))
	if !unfinished(t, s, h) {
		t.Error("a task was settled that somebody has acquired since")
	}
	after := mustLoad(t, s, h.ID)
	must(t, s.Settle(t.Context(), after), s.Settle(t.Context(), after))
	checkIndex(t, s, h, a2a.TaskStateInputRequired, false)

	// A turn is settled before its message comes: of a slow holder, of two that leave it to a worker, and then not.
	for _, writer := range []string{"slow", "left", "left again"} {
		claim := tasklog.Claim{Writer: writer}
		if writer == "slow" {
			claim.Until = crashes.Until
		}
		left := mustAcquire(t, s, h.ID, claim)
		must(t, s.Settle(t.Context(), mustLoad(t, s, h.ID)))
		refused(t, "appending to a turn that was settled", left.Append(t.Context(), 11, working(h, "")))
		checkIndex(t, s, h, a2a.TaskStateInputRequired, false)
	}
	unbegun := mustAcquire(t, s, h.ID, tasklog.Claim{Writer: "left at last"})
	seen := mustLoad(t, s, h.ID)
	next, err := s.Acquire(t.Context(), seen, by("next"))
	must(t, err, s.Settle(t.Context(), seen))
	refused(t, "appending after another turn", unbegun.Append(t.Context(), 11, working(h, "")))
	if !unfinished(t, s, h) {
		t.Error("a task was settled that somebody has acquired since")
	}
	must(t, next.Release(t.Context()), s.Settle(t.Context(), mustLoad(t, s, h.ID)))
	after = mustLoad(t, s, h.ID)

	lease, err := s.Acquire(t.Context(), after, by("eight"))
	must(t, err, lease.Append(t.Context(), 11, working(h, "")))
	lease.Close(t.Context())
	must(t, s.Settle(t.Context(), after))
	checkIndex(t, s, h, a2a.TaskStateWorking, true)
	lease = mustAcquire(t, s, h.ID, by("nine"))
	must(t, lease.Append(t.Context(), 12, in(h, a2a.TaskStateCompleted)))
	lease.Close(t.Context())
	must(t, s.Settle(t.Context(), after))
	checkIndex(t, s, h, a2a.TaskStateCompleted, false)
	must(t, s.Settle(t.Context(), mustLoad(t, s, h.ID)))
	checkIndex(t, s, h, a2a.TaskStateCompleted, false)
}

// testUnfinishedOrder checks the order of tasks that share a key of the index, where every store
// can keep it.
func testUnfinishedOrder(t *testing.T, s tasklog.Store) {
	now := time.Now().Truncate(time.Millisecond)
	var order []a2a.TaskID
	create := func(c tasklog.Claim) (tasklog.Head, tasklog.Lease) {
		h, _ := NewTask()
		for spread(h.ID, unfinishedShards) != 0 {
			h.ID = a2a.NewTaskID()
		}
		lease, err := s.Create(t.Context(), h, firstEvent(h, "hello"), c)
		must(t, err)
		order = append(order, h.ID)
		return h, lease
	}
	after := func(d time.Duration) tasklog.Claim { return tasklog.Claim{Writer: "w", Until: now.Add(d)} }
	create(after(30 * time.Minute))
	_, renewed := create(after(10 * time.Minute))
	create(tasklog.Claim{Writer: "w"}) // left to a worker
	create(after(20 * time.Minute))
	moved, _ := create(after(5 * time.Minute))
	_, released := create(after(15 * time.Minute))
	ended, lease := create(after(time.Minute))

	_, err := renewed.Renew(t.Context(), now.Add(50*time.Minute)) // this moves nothing
	must(t, err, released.Release(t.Context()))                   // nor does this
	mustAcquire(t, s, moved.ID, after(40*time.Minute))
	must(t, lease.Append(t.Context(), 2, in(ended, a2a.TaskStateCompleted)))
	lease.Close(t.Context())

	want := []a2a.TaskID{order[2], order[1], order[5], order[3], order[0], order[4]}
	got, err := Unfinished(t.Context(), s)
	must(t, err)
	got = slices.DeleteFunc(got, func(id a2a.TaskID) bool { return !slices.Contains(order, id) })
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	// Only one of them is due. Tasks of other tests may be, too.
	isDue := func(by time.Time, id a2a.TaskID) bool {
		return slices.ContainsFunc(mustDue(t, s, by, 3), func(l tasklog.Look) bool { return l.ID == id })
	}
	if !isDue(now.Add(time.Second), order[2]) || isDue(now.Add(time.Second), order[1]) || !isDue(now.Add(10*time.Minute), order[1]) {
		t.Error("it is not due what should be")
	}
}

// testPostponed checks that only one of those that saw a look moves it, and that the next lease
// begins the count anew.
func testPostponed(t *testing.T, s tasklog.Store) {
	h, first := NewTask()
	_, err := s.Create(t.Context(), h, first, tasklog.Claim{Writer: "w"}) // left to a worker
	must(t, err)
	look := func(by time.Time) (found tasklog.Look) {
		t.Helper()
		for _, l := range mustDue(t, s, by, 100) {
			if l.ID == h.ID {
				found = l
			}
		}
		return found
	}
	seen := look(time.Now())
	if seen.Held || seen.ID == "" || time.Since(seen.Due) > time.Minute {
		t.Fatalf("it is %+v", seen)
	}
	next := time.Now().Add(10 * time.Minute).Truncate(time.Second)
	for i, want := range []bool{true, false} {
		moved, err := s.Postpone(t.Context(), seen, next)
		must(t, err)
		if moved != want && i > 0 { // of the first, the answer may be lost
			t.Errorf("postponed the time %d: %t", i+1, moved)
		}
	}
	if l := look(time.Now().Add(5 * time.Minute)); l.ID != "" {
		t.Errorf("it was postponed, and is due: %+v", l)
	}
	if l := look(next); !l.Due.Equal(next) {
		t.Errorf("it is due %v, want %v", l.Due, next)
	}
	lease, err := s.Lease(t.Context(), h.ID)
	must(t, err)
	if lease.Asked != 1 || mustLoad(t, s, h.ID).Lease.Asked != 1 {
		t.Errorf("it was asked for %d times, want 1", lease.Asked)
	}

	end := time.Now().Add(time.Minute).Truncate(time.Second)
	held, err := s.Acquire(t.Context(), mustLoad(t, s, h.ID), tasklog.Claim{Writer: "x", Until: end})
	must(t, err)
	_, err = held.Renew(t.Context(), end.Add(time.Minute))
	must(t, err)
	if l := look(end); !l.Due.Equal(end) || !l.Held {
		t.Errorf("it was acquired and renewed: %+v, want it held, and due %v", l, end)
	}
	if lease, err = s.Lease(t.Context(), h.ID); err != nil || lease.Asked != 0 {
		t.Errorf("it was asked for %d times since it was acquired, %v", lease.Asked, err)
	}
	must(t, held.Append(t.Context(), 2, in(h, a2a.TaskStateCompleted)))
	held.Close(t.Context())
	if moved, err := s.Postpone(t.Context(), tasklog.Look{ID: h.ID, Due: end}, next); moved || err != nil {
		t.Errorf("postponed though it has ended: %t, %v", moved, err)
	}
}

// testPlaces checks that the index keeps a place, and that a late sweep does not set it back.
func testPlaces(t *testing.T, s tasklog.Store) {
	at := func() tasklog.Place {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			places, err := s.Places(t.Context())
			must(t, err)
			if places[5] == "" && places[7] != "" || time.Now().After(end) {
				return places[7]
			}
		}
	}
	save := func(before, now tasklog.Place) { t.Helper(); must(t, s.SavePlace(t.Context(), 7, before, now)) }
	places, err := s.Places(t.Context())
	must(t, err)
	if places[7] != "" {
		save(places[7], "")
	}
	save("", "one")
	save("", "late")
	if got := at(); got != "one" {
		t.Errorf("the place is %q, want the first", got)
	}
	save("one", "two")
	save("one", "late")
	if got := at(); got != "two" {
		t.Errorf("the place is %q, want the second", got)
	}
	save("two", "")
	save("", "three")
	if got := at(); got != "three" {
		t.Errorf("the place is %q, want the third", got)
	}
	save("three", "")
}
