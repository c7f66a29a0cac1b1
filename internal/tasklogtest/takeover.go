package tasklogtest

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// testCrashes checks how many holders in a row crashed before they appended anything.
func testCrashes(t *testing.T, s tasklog.Store) {
	h, _, _ := mustCreate(t, s)
	acquire := func(c tasklog.Claim, want int) tasklog.Lease {
		t.Helper()
		lease := mustAcquire(t, s, h.ID, c)
		if got := mustLoad(t, s, h.ID).Lease.Crashes; got != want {
			t.Errorf("before %s %d crashed, want %d", c.Writer, got, want)
		}
		return lease
	}
	acquire(by("two"), 1)
	three := acquire(by("three"), 2)
	must(t, three.Append(t.Context(), 2, working(h, "something")))
	four := acquire(by("four"), 0)
	must(t, four.Release(t.Context()))
	acquire(by("five"), 0)
	six := acquire(by("six"), 1)
	_, err := six.Renew(t.Context(), until())
	must(t, err)
	acquire(tasklog.Claim{Writer: "seven"}, 2)
	acquire(by("eight"), 0)
	nine := acquire(by("nine"), 1)
	endTurn(t, nine, h, 3)
	acquire(by("ten"), 0)
	acquire(by("eleven"), 1)
}

// testConcurrentAcquire has many acquire one lease. One of them gets it, and nobody else can
// append.
func testConcurrentAcquire(t *testing.T, s tasklog.Store) {
	for round := range 20 {
		h, first, former := mustCreate(t, s)
		seen := mustLoad(t, s, h.ID)
		end := until()
		if round%2 == 1 {
			end = time.Time{} // left to a worker
		}
		var wg sync.WaitGroup
		leases, errs := make([]tasklog.Lease, 6), make([]error, 6)
		for i := range errs {
			claim := tasklog.Claim{Writer: string(rune('a' + i)), Until: end}
			wg.Go(func() { leases[i], errs[i] = s.Acquire(t.Context(), seen, claim) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			if err == nil && winner >= 0 {
				t.Fatalf("both %d and %d acquired the lease", winner, i)
			}
			if err == nil {
				winner = i
			} else {
				refused(t, "acquiring", err)
			}
		}
		if winner < 0 {
			t.Fatal("nobody acquired the lease")
		}
		want := tasklog.LeaseInfo{Holder: string(rune('a' + winner)), Epoch: 2, Seq: 1, Until: end, Crashes: 1}
		if end.IsZero() {
			want.Holder = ""
		}
		checkLease(t, s, h, want)
		refused(t, "appending by the holder before", former.Append(t.Context(), 2, working(h, "former")))
		entries := working(h, "winner")
		must(t, leases[winner].Append(t.Context(), 2, entries))
		checkLoad(t, s, h, append([]tasklog.Entry{first}, entries...))
	}
}

// testFormerHolder has holders crash, or stand still for long, before and after they append.
func testFormerHolder(t *testing.T, s tasklog.Store) {
	h, first, old := mustCreate(t, s)
	two := working(h, "two")
	must(t, old.Append(t.Context(), 2, two))
	all := append([]tasklog.Entry{first}, two...)

	next := mustAcquire(t, s, h.ID, by("next"))
	refused(t, "appending after a takeover", old.Append(t.Context(), 3, working(h, "late")))
	must(t, old.Append(t.Context(), 2, two)) // as before: this is done
	for after := range 4 {
		checkRead(t, s, h, after, 10, all) // a takeover is no event
	}
	checkLoad(t, s, h, all)

	newest := mustAcquire(t, s, h.ID, by("newest")) // after one that crashed idle
	refused(t, "appending after the second takeover", next.Append(t.Context(), 3, working(h, "late")))
	refused(t, "appending after two takeovers", old.Append(t.Context(), 3, working(h, "late")))
	three, five := working(h, "three", "four"), working(h, "five")
	must(t, newest.Append(t.Context(), 3, three), newest.Append(t.Context(), 3, three), newest.Append(t.Context(), 5, five))
	all = slices.Concat(all, three, five)
	refused(t, "appending behind what the next holder has appended", next.Append(t.Context(), 6, working(h, "late")))
	for after := range 7 {
		checkRead(t, s, h, after, 10, all)
	}
	checkLoad(t, s, h, all)

	// After the end of a turn, the next holder appends nothing.
	endTurn(t, newest, h, 6)
	idle := mustAcquire(t, s, h.ID, by("idle"))
	last := mustAcquire(t, s, h.ID, by("last"))
	refused(t, "appending after somebody else has the turn", idle.Append(t.Context(), 7, working(h, "late")))
	must(t, last.Append(t.Context(), 7, working(h, "in time")))
}

// testNotCrashed tries to take the lease of a holder that is at work. Nothing is given; the next
// try, with what is known then, succeeds at once.
func testNotCrashed(t *testing.T, s tasklog.Store) {
	h, first, old := mustCreate(t, s)
	seen := mustLoad(t, s, h.ID)
	two := working(h, "two")
	must(t, old.Append(t.Context(), 2, two))
	_, err := s.Acquire(t.Context(), seen, by("hasty"))
	refused(t, "acquiring though the holder has appended", err)
	next := mustAcquire(t, s, h.ID, by("next"))
	if got := mustLoad(t, s, h.ID).Lease; got.Holder != "next" || got.Crashes != 0 || got.Seq != 2 || got.Released {
		t.Errorf("the lease is %+v", got)
	}
	refused(t, "appending after a takeover", old.Append(t.Context(), 3, working(h, "late")))
	three := working(h, "three")
	must(t, next.Append(t.Context(), 3, three))
	checkLoad(t, s, h, slices.Concat([]tasklog.Entry{first}, two, three))

	seen = mustLoad(t, s, h.ID)
	_, err = next.Renew(t.Context(), until().Add(time.Second))
	must(t, err)
	_, err = s.Acquire(t.Context(), seen, by("hasty"))
	refused(t, "acquiring though the holder has renewed", err)
	must(t, next.Append(t.Context(), 4, working(h, "four")))

	seen = mustLoad(t, s, h.ID)
	endTurn(t, next, h, 5)
	_, err = s.Acquire(t.Context(), seen, by("hasty"))
	refused(t, "acquiring though the holder has ended its turn", err)
	last := mustAcquire(t, s, h.ID, by("last"))
	must(t, last.Append(t.Context(), 6, working(h, "six")))
}

// testReleased hands a task over.
func testReleased(t *testing.T, s tasklog.Store) {
	h, first, lease := mustCreate(t, s)
	all := []tasklog.Entry{first}
	for i, writer := range []string{"creator", "two", "three"} {
		entries := working(h, writer)
		must(t, lease.Append(t.Context(), int64(i)+2, entries))
		all = append(all, entries...)
		must(t, lease.Release(t.Context()), lease.Release(t.Context()))
		seen := checkLease(t, s, h, tasklog.LeaseInfo{Holder: writer, Epoch: int64(i) + 1, Seq: int64(max(i, 0)) + 1, Released: true})
		if seen.Busy() || seen.CrashedIdle(0) {
			t.Errorf("%s has released the lease: busy is %t, crashed idle is %t", writer, seen.Busy(), seen.CrashedIdle(0))
		}
		refused(t, "appending with a lease that was released", lease.Append(t.Context(), int64(i)+3, working(h, "late")))
		_, err := lease.Renew(t.Context(), until())
		refused(t, "renewing a lease that was released", err)
		next, err := s.Acquire(t.Context(), seen, by([]string{"two", "three", "four"}[i]))
		must(t, err)
		refused(t, "appending after the hand-over", lease.Append(t.Context(), int64(i)+3, working(h, "late")))
		checkLoad(t, s, h, all)
		lease = next
	}
	end := in(h, a2a.TaskStateInputRequired)
	must(t, lease.Append(t.Context(), 5, end))
	lease.Close(t.Context())
	if seen := mustLoad(t, s, h.ID); seen.Busy() {
		t.Error("a task that waits for input is busy")
	}
	checkLoad(t, s, h, append(all, end...))
}

// testTakeover takes a task over from a writer that goes on appending, at the pace of an appender.
// From then on that writer is refused. The log has all of its acknowledged events, and then those
// of the new writer.
func testTakeover(t *testing.T, s tasklog.Store) {
	for round := range 10 {
		h, _, old := mustCreate(t, s)
		appended := make(chan int64)
		go func() {
			next := int64(2)
			for old.Append(t.Context(), next, working(h, "old")) == nil {
				next++
				// A writer that needs longer than this to load and to acquire never gets the lease.
				time.Sleep(50 * time.Millisecond)
			}
			appended <- next - 1
		}()
		var lease tasklog.Lease
		var last int64
		for lease == nil {
			seen := mustLoad(t, s, h.ID)
			if seen.Seq < int64(round%4) {
				continue // not always at the beginning
			}
			var err error
			if lease, err = s.Acquire(t.Context(), seen, by("new")); err != nil && !errors.Is(err, tasklog.ErrConflict) {
				t.Fatal(err)
			}
			last = seen.Seq
		}
		must(t, lease.Append(t.Context(), last+1, working(h, "new")))
		if told := <-appended; told != last {
			t.Fatalf("the old writer was told that it appended %d, and was superseded after %d", told, last)
		}
		refused(t, "a late append", old.Append(t.Context(), last+1, working(h, "late")))
		events, _, err := s.Read(t.Context(), h.ID, 0, 100_000)
		must(t, err)
		if len(events) != int(last)+1 {
			t.Fatalf("%d events, want %d", len(events), last+1)
		}
		for i, e := range events[1:] {
			if e.Seq != int64(i)+2 || bytes.Contains(e.JSON, []byte(`"new"`)) != (e.Seq == last+1) {
				t.Fatalf("event %d of %d, superseded after %d: %s", e.Seq, len(events), last, e.JSON)
			}
		}
	}
}

func testPoll(t *testing.T, s tasklog.Store) {
	testAcquired(t, s)
	for _, stale := range []bool{false, true} {
		if _, err := s.Poll(t.Context(), "none", 0, stale); !errors.Is(err, tasklog.ErrNotFound) {
			t.Errorf("stale: %t: got %v, want ErrNotFound", stale, err)
		}
	}
	h, first, lease := mustCreate(t, s)
	all := []tasklog.Entry{first}
	var got []tasklog.Event
	poll := func(holder string) {
		t.Helper()
		old, err := s.Poll(t.Context(), h.ID, int64(len(got)), true)
		must(t, err)
		polled, err := s.Poll(t.Context(), h.ID, int64(len(got)), false)
		must(t, err)
		if n := len(old.Events); n > len(polled.Events) || !reflect.DeepEqual(old.Events, polled.Events[:n:n]) && n > 0 {
			t.Errorf("a stale poll found %v, and then the log has %v", old.Events, polled.Events)
		}
		got = append(got, polled.Events...)
		if polled.Lease.Holder != holder || polled.More {
			t.Errorf("%q holds the lease, want %q; more is %t, want false", polled.Lease.Holder, holder, polled.More)
		}
	}
	poll("creator")
	for i := range 3 {
		for range i {
			entries := working(h, "a", "b")
			must(t, lease.Append(t.Context(), int64(len(all))+1, entries))
			all = append(all, entries...)
		}
		poll("creator")
		poll("creator")
	}
	lease = mustAcquire(t, s, h.ID, by("next"))
	poll("next")
	entries := working(h, "c")
	must(t, lease.Append(t.Context(), int64(len(all))+1, entries))
	all = append(all, entries...)
	poll("next")
	checkEvents(t, got, 0, all)
	polled, err := s.Poll(t.Context(), h.ID, 0, false)
	must(t, err)
	checkEvents(t, polled.Events, 0, all)
}

// testAcquired checks that those who wait for the next lease of a task learn of it.
func testAcquired(t *testing.T, s tasklog.Store) {
	check := func(what string, id a2a.TaskID, epoch int64, want bool) {
		t.Helper()
		if got, err := s.Acquired(t.Context(), id, epoch); err != nil || got != want {
			t.Errorf("%s, after lease %d: %t, %v", what, epoch, got, err)
		}
	}
	h, _, lease := mustCreate(t, s)
	check("before any renewal", h.ID, 1, false)
	must(t, lease.Release(t.Context()))
	check("after a hand-over", h.ID, 1, false)
	mustAcquire(t, s, h.ID, by("two"))
	check("after the next lease", h.ID, 1, true)
	check("after the next lease", h.ID, 2, false)
	check("of a task that never was", "none", 1, false)
}
