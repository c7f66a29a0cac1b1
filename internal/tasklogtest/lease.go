package tasklogtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/trace"
)

func testLease(t *testing.T, s tasklog.Store) {
	h, first := NewTask()
	end := until()
	one, err := s.Create(t.Context(), h, first, tasklog.Claim{Writer: "one", Until: end})
	must(t, err)
	checkLease(t, s, h, tasklog.LeaseInfo{Holder: "one", Epoch: 1, Seq: 1, Until: end})

	end = end.Add(time.Second)
	checkAsked(t, one, end, tasklog.Asked{})
	checkLease(t, s, h, tasklog.LeaseInfo{Holder: "one", Epoch: 1, Seq: 1, Until: end})

	must(t, s.RequestCancel(t.Context(), h))
	checkLease(t, s, h, tasklog.LeaseInfo{Holder: "one", Epoch: 1, Seq: 1, Until: end, Cancel: true})
	checkAsked(t, one, end, tasklog.Asked{Cancel: true})

	seen := mustLoad(t, s, h.ID)
	if !seen.Busy() {
		t.Error("a task with a holder is not busy")
	}
	claim := tasklog.Claim{Writer: "two", Until: end.Add(time.Minute)}
	two, err := s.Acquire(t.Context(), seen, claim)
	must(t, err)
	want := tasklog.LeaseInfo{Holder: "two", Epoch: 2, Seq: 1, Until: claim.Until, Cancel: true, Crashes: 1}
	checkLease(t, s, h, want)
	again, err := s.Acquire(t.Context(), seen, claim)
	if err != nil {
		t.Fatalf("acquiring again: %v", err)
	}
	checkLease(t, s, h, want)
	_, err = s.Acquire(t.Context(), seen, by("three"))
	refused(t, "acquiring a lease that is not the one seen", err)

	_, err = one.Renew(t.Context(), end)
	refused(t, "renewing by the holder before", err)
	refused(t, "releasing by the holder before", one.Release(t.Context()))
	checkLease(t, s, h, want)

	must(t, again.Append(t.Context(), 2, working(h, "two")), again.Append(t.Context(), 3, working(h, "three")))
	want.Until = end.Add(time.Hour)
	checkAsked(t, two, want.Until, tasklog.Asked{Cancel: true}) // one lease
	checkLease(t, s, h, want)
}

// checkAsked renews the lease, and fails the test unless the answer asks that of the holder.
func checkAsked(t *testing.T, l tasklog.Lease, until time.Time, want tasklog.Asked) {
	t.Helper()
	if asked, err := l.Renew(t.Context(), until); err != nil || asked != want {
		t.Errorf("at its renewal, asked is %+v, %v, want %+v", asked, err, want)
	}
}

// testLeaseBeforeRenewal checks requests about a lease that has never been renewed.
func testLeaseBeforeRenewal(t *testing.T, s tasklog.Store) {
	h, first := NewTask()
	end := until()
	one, err := s.Create(t.Context(), h, first, tasklog.Claim{Writer: "one", Until: end})
	must(t, err, s.RequestCancel(t.Context(), h))
	seen := checkLease(t, s, h, tasklog.LeaseInfo{Holder: "one", Epoch: 1, Seq: 1, Until: end, Cancel: true})
	two, err := s.Acquire(t.Context(), seen, tasklog.Claim{Writer: "two", Until: end})
	must(t, err)
	checkLease(t, s, h, tasklog.LeaseInfo{Holder: "two", Epoch: 2, Seq: 1, Until: end, Cancel: true, Crashes: 1})
	refused(t, "appending by the holder before", one.Append(t.Context(), 2, working(h, "late")))
	must(t, two.Append(t.Context(), 2, working(h, "two")), two.Release(t.Context()))

	h, first = NewTask()
	one, err = s.Create(t.Context(), h, first, tasklog.Claim{Writer: "one", Until: end})
	must(t, err, s.RequestCancel(t.Context(), h))
	if asked, err := one.Renew(t.Context(), end); err != nil || !asked.Cancel {
		t.Errorf("got %+v, %v", asked, err)
	}
	endTurn(t, one, h, 2)
	if seen := mustLoad(t, s, h.ID); seen.Lease.Cancel || seen.Busy() {
		t.Errorf("after a turn whose holder knew that it was to cancel: %+v", seen.Lease)
	}

	h, first = NewTask()
	one, err = s.Create(t.Context(), h, first, tasklog.Claim{Writer: "one", Until: end})
	must(t, err, one.Release(t.Context()))
	if seen := mustLoad(t, s, h.ID); !seen.Lease.Released || seen.Busy() {
		t.Errorf("a lease that was released, and never renewed: %+v", seen.Lease)
	}
}

// testLeftToWorker leaves the turns of a task to a worker.
func testLeftToWorker(t *testing.T, s tasklog.Store) {
	h, first := NewTask()
	_, err := s.Create(t.Context(), h, first, tasklog.Claim{Writer: "one"})
	must(t, err)
	seen := checkLease(t, s, h, tasklog.LeaseInfo{Epoch: 1, Seq: 1})
	if seen.Busy() {
		t.Error("a task that was left to a worker is busy")
	}
	claim := by("worker")
	worker, err := s.Acquire(t.Context(), seen, claim)
	must(t, err)
	checkLease(t, s, h, tasklog.LeaseInfo{Holder: "worker", Epoch: 2, Seq: 1, Until: claim.Until})
	endTurn(t, worker, h, 2)

	// The next turn: the front that takes the message puts it into the log.
	seen = mustLoad(t, s, h.ID)
	left, err := s.Acquire(t.Context(), seen, tasklog.Claim{Writer: "two"})
	must(t, err)
	checkLease(t, s, h, tasklog.LeaseInfo{Epoch: 3, Seq: 2})
	again, err := s.Acquire(t.Context(), seen, tasklog.Claim{Writer: "two"})
	must(t, err)
	_, err = s.Acquire(t.Context(), seen, tasklog.Claim{Writer: "three"})
	refused(t, "leaving to a worker what somebody else has left", err)
	message := in(h, a2a.TaskStateSubmitted)
	must(t, left.Append(t.Context(), 3, message), left.Append(t.Context(), 3, message), again.Append(t.Context(), 3, message))
	left.Close(t.Context())
	seen = checkLease(t, s, h, tasklog.LeaseInfo{Epoch: 3, Seq: 2})
	if !unfinished(t, s, h) || seen.Busy() || seen.Seq != 3 {
		t.Errorf("a turn that was left to a worker: unfinished is %t, busy is %t", unfinished(t, s, h), seen.Busy())
	}
	worker, err = s.Acquire(t.Context(), seen, claim)
	must(t, err)
	endTurn(t, worker, h, 4)

	// Somebody else comes between the two steps.
	slow := mustAcquire(t, s, h.ID, tasklog.Claim{Writer: "slow"})
	quick := mustAcquire(t, s, h.ID, by("quick"))
	refused(t, "appending after somebody else has acquired the lease", slow.Append(t.Context(), 5, message))
	must(t, quick.Append(t.Context(), 5, message))
	refused(t, "appending after somebody else has appended", slow.Append(t.Context(), 6, message))
}

// testRequests checks that the requests that began the task, and its last turn, are kept.
func testRequests(t *testing.T, s tasklog.Store) {
	same := func(a, b tasklog.Request) bool {
		return a.Trace == b.Trace && slices.Equal(a.Extensions, b.Extensions) && bytes.Equal(a.Metadata, b.Metadata)
	}
	check := func(h tasklog.Head, first, last tasklog.Request) {
		t.Helper()
		got := mustLoad(t, s, h.ID)
		if !same(got.First, first) || !same(got.Last, last) {
			t.Errorf("kept %.300v and %.300v;\nwant %.300v and %.300v", got.First, got.Last, first, last)
		}
	}
	tr := trace.Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", State: "a=1,b=2"}
	big := func() json.RawMessage { return json.RawMessage(fmt.Sprintf(`{"a":%q}`, incompressible(1<<20))) }
	kinds := []func() tasklog.Request{
		func() tasklog.Request { return tasklog.Request{} },
		func() tasklog.Request {
			return tasklog.Request{Trace: tr, Extensions: []string{"https://a", "https://b"}}
		},
		func() tasklog.Request { return tasklog.Request{Metadata: json.RawMessage(`{"a":{"b":[1,"c\nd"]}}`)} },
		func() tasklog.Request {
			return tasklog.Request{Trace: tr, Extensions: []string{"https://a"}, Metadata: big()}
		},
	}
	claim := func(writer string, r tasklog.Request) tasklog.Claim {
		return tasklog.Claim{Writer: writer, Until: until(), Request: r}
	}
	for _, kind := range kinds {
		h, event := NewTask()
		first := kind()
		for range 2 {
			_, err := s.Create(t.Context(), h, event, claim("w", first))
			must(t, err)
		}
		if _, err := s.Create(t.Context(), h, event, claim("late", kinds[1]())); !errors.Is(err, tasklog.ErrExists) {
			t.Errorf("created late: %v", err)
		}
		check(h, first, first)
		seq := int64(1)
		for i, kind := range kinds {
			seen := mustLoad(t, s, h.ID)
			last := kind()
			lease, err := s.Acquire(t.Context(), seen, claim(fmt.Sprint(i), last))
			must(t, err)
			check(h, first, last)
			_, err = s.Acquire(t.Context(), seen, claim("late", kinds[(i+1)%len(kinds)]()))
			refused(t, "acquiring late", err)
			check(h, first, last)
			seq++
			endTurn(t, lease, h, seq)
			check(h, first, last)
		}
	}
}

// testCancel checks that a request to cancel stays until a run that knows of it has ended.
func testCancel(t *testing.T, s tasklog.Store) {
	asked := tasklog.Asked{Cancel: true}
	check := func(h tasklog.Head, want bool) {
		t.Helper()
		if snapshot := mustLoad(t, s, h.ID); snapshot.Lease.Cancel != want {
			t.Errorf("the task is to be canceled: %t, want %t", snapshot.Lease.Cancel, want)
		}
	}
	h, _, _ := mustCreate(t, s)
	must(t, s.RequestCancel(t.Context(), h), s.RequestCancel(t.Context(), h))
	two := mustAcquire(t, s, h.ID, by("two")) // the first has crashed
	check(h, true)
	checkAsked(t, two, until(), asked)
	three := mustAcquire(t, s, h.ID, by("three")) // the second has crashed, which had seen it
	checkAsked(t, three, until(), asked)
	must(t, three.Append(t.Context(), 2, working(h, "handing over")), three.Release(t.Context()))
	check(h, true)
	four := mustAcquire(t, s, h.ID, by("four"))
	checkAsked(t, four, until(), asked)
	endTurn(t, four, h, 3) // it was too late
	check(h, false)
	five := mustAcquire(t, s, h.ID, by("five"))
	checkAsked(t, five, until(), tasklog.Asked{})
	endTurn(t, five, h, 4)

	must(t, s.RequestCancel(t.Context(), h)) // while nobody holds the lease
	check(h, true)
	six := mustAcquire(t, s, h.ID, by("six"))
	checkAsked(t, six, until(), asked)
	endTurn(t, six, h, 5)
	check(h, false)

	late := mustAcquire(t, s, h.ID, by("late"))
	checkAsked(t, late, until(), tasklog.Asked{})
	must(t, s.RequestCancel(t.Context(), h)) // which this run does not get to see
	endTurn(t, late, h, 6)
	check(h, true)
	next := mustAcquire(t, s, h.ID, by("next"))
	checkAsked(t, next, until(), asked)
	endTurn(t, next, h, 7)
	check(h, false)

	seen := mustLoad(t, s, h.ID)
	must(t, s.RequestCancel(t.Context(), h)) // while somebody is about to acquire the lease
	seven, err := s.Acquire(t.Context(), seen, by("seven"))
	must(t, err)
	checkAsked(t, seven, until(), asked)
}
