package tasklogtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"a2alambda/internal/tasklog"
)

// recorder returns the claim of a writer that records after the place, to a lease that lasts for
// the test.
func recorder(writer string, place int64) tasklog.Claim {
	c := by(writer)
	c.Records, c.Place = true, place
	return c
}

// mustCreateDurable creates a task whose lease the writer "creator" holds, which records.
func mustCreateDurable(t *testing.T, s tasklog.Store) (tasklog.Head, tasklog.Lease) {
	t.Helper()
	h, first := NewTask()
	lease, err := s.Create(t.Context(), h, first, recorder("creator", 0))
	must(t, err)
	return h, lease
}

// step returns an entry of a journal.
func step(text string) []byte { return []byte(fmt.Sprintf(`{"name":%q}`, text)) }

func steps(texts ...string) (entries [][]byte) {
	for _, text := range texts {
		entries = append(entries, step(text))
	}
	return entries
}

// AllSteps returns the whole journal, as a reader does who reads page by page.
func AllSteps(ctx context.Context, s tasklog.Journal, h tasklog.Head) (all []tasklog.Step, err error) {
	for more := true; more; {
		var page []tasklog.Step
		if page, more, err = s.Steps(ctx, h.ID, int64(len(all)), false); err != nil {
			return nil, err
		}
		all = append(all, page...)
	}
	return all, nil
}

// checkJournal fails the test unless the journal has those entries, after every place.
func checkJournal(t *testing.T, s tasklog.Store, h tasklog.Head, want [][]byte) {
	t.Helper()
	all, err := AllSteps(t.Context(), s, h)
	must(t, err)
	if len(all) != len(want) {
		t.Fatalf("the journal has %d entries, want %d", len(all), len(want))
	}
	for after := range len(want) + 2 {
		for _, stale := range []bool{true, false} {
			got, more, err := s.Steps(t.Context(), h.ID, int64(after), stale)
			must(t, err)
			wanted := want[min(after, len(want)):]
			if more || len(got) != len(wanted) {
				t.Fatalf("after %d there are %d entries, and more: %t; want %d", after, len(got), more, len(wanted))
			}
			for i, step := range got {
				if step.Place != int64(after+i+1) || !bytes.Equal(step.JSON, wanted[i]) {
					t.Fatalf("after %d: got %d %.100s, want %.100s", after, step.Place, step.JSON, wanted[i])
				}
			}
		}
	}
}

func testJournal(t *testing.T, s tasklog.Store) {
	h, lease := mustCreateDurable(t, s)
	checkJournal(t, s, h, nil)
	one, two := steps("one"), steps("two", "three", "four")
	must(t, lease.Record(t.Context(), 1, one), lease.Record(t.Context(), 1, one))
	must(t, lease.Record(t.Context(), 2, two), lease.Record(t.Context(), 2, two))
	all := steps("one", "two", "three", "four")
	checkJournal(t, s, h, all)
	refused(t, "recording behind a gap", lease.Record(t.Context(), 6, one))
	must(t, lease.Append(t.Context(), 2, working(h, "two")), lease.Record(t.Context(), 5, steps("five")))
	checkJournal(t, s, h, append(all, step("five")))
	seen := mustLoad(t, s, h.ID) // the journal is no part of the log
	if seen.Seq != 2 || !seen.Lease.Records || seen.Lease.Place != 0 {
		t.Errorf("loaded as of event %d, the lease is %+v", seen.Seq, seen.Lease)
	}

	// Somebody who has not read all of the journal does not get the lease of a holder that released it.
	must(t, lease.Release(t.Context()))
	seen = mustLoad(t, s, h.ID)
	refused(t, "recording after the release", lease.Record(t.Context(), 6, one))
	for _, place := range []int64{0, 1, 4} { // as a reader may have seen it
		_, err := s.Acquire(t.Context(), seen, recorder("hasty", place))
		refused(t, fmt.Sprintf("acquiring with the place %d of 5", place), err)
	}
	next := mustAcquire(t, s, h.ID, recorder("next", 5))
	if l := mustLoad(t, s, h.ID).Lease; !l.Records || l.Place != 5 {
		t.Errorf("the lease is %+v", l)
	}
	must(t, next.Record(t.Context(), 6, steps("six")))
	refused(t, "recording by the holder before", lease.Record(t.Context(), 6, one))
	checkJournal(t, s, h, append(all, step("five"), step("six")))

	// Holders of other leases don't record.
	plain := mustAcquire(t, s, h.ID, by("plain"))
	refused(t, "recording though the claim does not say so", plain.Record(t.Context(), 7, one))
	if l := mustLoad(t, s, h.ID).Lease; l.Records || l.Place != 0 {
		t.Errorf("the lease is %+v", l)
	}

	if all, more, err := s.Steps(t.Context(), "none", 0, false); len(all) > 0 || more || err != nil {
		t.Errorf("the journal of no task has %d entries, more: %t, %v", len(all), more, err)
	}
	gone, _ := NewTask()
	gone.Expires = time.Now().Add(2 * time.Second).Truncate(time.Second)
	lease, err := s.Create(t.Context(), gone, firstEvent(gone, "hello"), recorder("w", 0))
	must(t, err, lease.Record(t.Context(), 1, one))
	time.Sleep(time.Until(gone.Expires))
	if all, more, err := s.Steps(t.Context(), gone.ID, 0, false); len(all) > 0 || more || err != nil {
		t.Errorf("the journal of an expired task has %d entries, more: %t, %v", len(all), more, err)
	}
}

// testJournalFence has holders crash, or stand still for long, before and after they record.
func testJournalFence(t *testing.T, s tasklog.Store) {
	h, old := mustCreateDurable(t, s)
	must(t, old.Record(t.Context(), 1, steps("one")))
	seen := mustLoad(t, s, h.ID)
	_, err := s.Acquire(t.Context(), seen, recorder("hasty", 0))
	refused(t, "acquiring with an old journal", err)
	next := mustAcquire(t, s, h.ID, recorder("next", 1))
	refused(t, "recording after a takeover", old.Record(t.Context(), 2, steps("late"))) // before next records anything
	must(t, old.Record(t.Context(), 1, steps("one")))                                   // as before: this is done
	checkJournal(t, s, h, steps("one"))

	newest := mustAcquire(t, s, h.ID, recorder("newest", 1)) // after one that recorded nothing
	refused(t, "recording after the second takeover", next.Record(t.Context(), 2, steps("late")))
	must(t, newest.Record(t.Context(), 2, steps("two", "three")), newest.Record(t.Context(), 2, steps("two", "three")))
	refused(t, "recording after two takeovers", old.Record(t.Context(), 2, steps("late")))
	refused(t, "recording after two takeovers", next.Record(t.Context(), 4, steps("late")))
	checkJournal(t, s, h, steps("one", "two", "three"))

	// The holder before the last one, which did not record, is kept out as well.
	plain := mustAcquire(t, s, h.ID, by("plain"))
	must(t, plain.Release(t.Context()))
	last := mustAcquire(t, s, h.ID, recorder("last", 3))
	refused(t, "recording after a holder that did not", newest.Record(t.Context(), 4, steps("late")))
	must(t, last.Record(t.Context(), 4, steps("four")))

	// A turn that has ended records no more.
	endTurn(t, last, h, 2)
	refused(t, "recording after the end of the turn", last.Record(t.Context(), 5, steps("late")))
	again := mustAcquire(t, s, h.ID, recorder("again", 4))
	refused(t, "recording after the next turn has begun", last.Record(t.Context(), 5, steps("late")))
	must(t, again.Record(t.Context(), 5, steps("five")))
	checkJournal(t, s, h, steps("one", "two", "three", "four", "five"))
}

// testJournalCrashes checks that an entry is progress, and an event is none, if the holder records.
func testJournalCrashes(t *testing.T, s tasklog.Store) {
	h, lease := mustCreateDurable(t, s)
	must(t, lease.Append(t.Context(), 2, working(h, "says much")))
	check := func(writer string, place int64, want int) tasklog.Lease {
		t.Helper()
		lease := mustAcquire(t, s, h.ID, recorder(writer, place))
		if got := mustLoad(t, s, h.ID).Lease.Crashes; got != want {
			t.Errorf("before %s %d crashed, want %d", writer, got, want)
		}
		return lease
	}
	lease = check("two", 0, 1)
	must(t, lease.Append(t.Context(), 3, working(h, "does nothing")))
	lease = check("three", 0, 2)
	must(t, lease.Record(t.Context(), 1, steps("one")))
	lease = check("four", 1, 0)
	must(t, lease.Release(t.Context()))
	check("five", 1, 0)
	check("six", 1, 1)
}

// testJournalBig records entries that don't fit into one item of any store, and a long journal.
func testJournalBig(t *testing.T, s tasklog.Store) {
	h, lease := mustCreateDurable(t, s)
	all := [][]byte{step("small"), step(incompressible(1 << 20)), step(strings.Repeat("a", 2<<20))}
	all = append(all, step(incompressible(100_000)), step(incompressible(2<<20)), step("last"))
	for i, n := 0, 2; i < len(all); i += n {
		if i == 4 {
			n = 1
		}
		must(t, lease.Record(t.Context(), int64(i)+1, all[i:i+n]), lease.Record(t.Context(), int64(i)+1, all[i:i+n]))
	}
	got, more, err := s.Steps(t.Context(), h.ID, 0, false)
	must(t, err)
	if len(got) == len(all) || !more { // with entry 5, they are longer than ReadBytes
		t.Errorf("one page has %d entries of %d, more: %t", len(got), len(all), more)
	}
	got, err = AllSteps(t.Context(), s, h)
	must(t, err)
	if len(got) != len(all) {
		t.Fatalf("read %d entries, want %d", len(got), len(all))
	}
	for i, step := range got {
		if step.Place != int64(i)+1 || !bytes.Equal(step.JSON, all[i]) {
			t.Errorf("entry %d is at %d, with %d bytes, want %d", i+1, step.Place, len(step.JSON), len(all[i]))
		}
	}
	const n = 500
	for i := range n {
		must(t, lease.Record(t.Context(), int64(len(all)+i)+1, steps(fmt.Sprint(i))))
	}
	got, more, err = s.Steps(t.Context(), h.ID, int64(len(all)), true)
	if must(t, err); len(got) != n || more {
		t.Errorf("read %d entries, more: %t, want %d", len(got), more, n)
	}
}

// testRecordRace takes a journal over from a holder that goes on recording. From then on that
// holder is refused: what it was told that it recorded is there, and nothing else.
func testRecordRace(t *testing.T, s tasklog.Store) {
	for range 10 {
		h, old := mustCreateDurable(t, s)
		recorded := make(chan int64)
		go func() {
			place := int64(0)
			for old.Record(t.Context(), place+1, steps("old")) == nil {
				place++
				time.Sleep(20 * time.Millisecond)
			}
			recorded <- place
		}()
		var leases [3]tasklog.Lease
		var places [3]int64
		var wg sync.WaitGroup
		for i := range leases {
			wg.Go(func() {
				for tries := 0; leases[i] == nil && tries < 40; tries++ {
					seen := mustLoad(t, s, h.ID)
					if seen.Lease.Epoch > 1 && seen.Busy() {
						return // another was faster
					}
					all, err := AllSteps(t.Context(), s, h)
					if err != nil {
						t.Error(err)
						return
					}
					lease, err := s.Acquire(t.Context(), seen, recorder(fmt.Sprint("new", i), int64(len(all))))
					if err == nil {
						leases[i], places[i] = lease, int64(len(all))
					} else if !errors.Is(err, tasklog.ErrConflict) {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		winner := -1
		for i, lease := range leases {
			if lease != nil && lease.Record(t.Context(), places[i]+1, steps("new")) == nil {
				if winner >= 0 {
					t.Fatalf("both %d and %d have recorded at their first place", winner, i)
				}
				winner = i
			}
		}
		if winner < 0 {
			t.Fatal("nobody has taken over")
		}
		if told := <-recorded; told != places[winner] {
			t.Fatalf("the old holder was told that it recorded %d, and was superseded after %d", told, places[winner])
		}
		all, err := AllSteps(t.Context(), s, h)
		must(t, err)
		for i, got := range all {
			if new := bytes.Equal(got.JSON, step("new")); new != (int64(i) == places[winner]) {
				t.Errorf("entry %d of %d, superseded after %d: %s", i+1, len(all), places[winner], got.JSON)
			}
		}
	}
}

// testOwners checks that Read and Poll return the owners of events, and that they are no part of
// the task.
func testOwners(t *testing.T, s tasklog.Store) {
	h, lease := mustCreateDurable(t, s)
	all := []tasklog.Entry{mustFirst(t, s, h)}
	add := func(owners ...string) {
		t.Helper()
		entries := working(h, make([]string, len(owners))...)
		for i := range entries {
			entries[i].Owner = owners[i]
		}
		must(t, lease.Append(t.Context(), int64(len(all))+1, entries))
		all = append(all, entries...)
	}
	add("a")
	add("")
	add("", "a", "a", "hotel/book#2", "", "ü\n\x00", "")
	long := make([]string, 300)
	for i := range long {
		long[i] = incompressible(512)
	}
	add(long...)
	check := func(events []tasklog.Event, after int) {
		t.Helper()
		for i, e := range events {
			if want := all[after+i].Owner; e.Owner != want {
				t.Errorf("event %d is of %.50q, want %.50q", e.Seq, e.Owner, want)
			}
		}
	}
	for after := 0; after < 12; after++ {
		events, _, err := s.Read(t.Context(), h.ID, int64(after), 5)
		must(t, err)
		check(events, after)
		checkRead(t, s, h, after, 5, all)
	}
	polled, err := s.Poll(t.Context(), h.ID, 1, false)
	must(t, err)
	check(polled.Events, 1)
	checkEvents(t, polled.Events, 1, all[1:])
	checkLoad(t, s, h, all)
}

// mustFirst returns the first event of the task.
func mustFirst(t *testing.T, s tasklog.Store, h tasklog.Head) tasklog.Entry {
	t.Helper()
	events, _, err := s.Read(t.Context(), h.ID, 0, 1)
	must(t, err)
	return tasklog.Entry{JSON: events[0].JSON, Owner: events[0].Owner}
}
