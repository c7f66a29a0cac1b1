package tasklogtest

import (
	"slices"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// unfinished reports whether the index shows the task as unfinished.
func unfinished(t *testing.T, s tasklog.Store, h tasklog.Head) bool {
	t.Helper()
	found := false
	must(t, s.Unfinished(t.Context(), func(id a2a.TaskID) bool {
		found = id == h.ID
		return !found
	}))
	return found
}

// checkIndex fails the test unless the index shows the task, which is alone in its context, in that
// state, and as unfinished or not.
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

	// The append that ended a turn is repeated in the next turn, whose holder has not told the
	// index anything yet.
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
	// Somebody crashes who was about to begin the next turn.
	crashes := tasklog.Claim{Writer: "seven", Until: time.Now().Add(-time.Second).Truncate(time.Millisecond)}
	_, err := s.Acquire(t.Context(), before, crashes)
	must(t, err, s.Settle(t.Context(), before))
	if !unfinished(t, s, h) {
		t.Error("a task was settled that somebody has acquired since")
	}
	after := mustLoad(t, s, h.ID)
	must(t, s.Settle(t.Context(), after), s.Settle(t.Context(), after))
	checkIndex(t, s, h, a2a.TaskStateInputRequired, false)

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

// testUnfinishedOrder checks the order of tasks that share a key of the index: there, every store
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
	var got []a2a.TaskID
	must(t, s.Unfinished(t.Context(), func(id a2a.TaskID) bool {
		if slices.Contains(order, id) {
			got = append(got, id)
		}
		return true
	}))
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	first := 0
	must(t, s.Unfinished(t.Context(), func(a2a.TaskID) bool {
		first++
		return false
	}))
	if first != 1 {
		t.Errorf("%d tasks after it was told to stop", first)
	}
}
