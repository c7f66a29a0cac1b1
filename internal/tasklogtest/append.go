package tasklogtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

func testCreate(t *testing.T, s tasklog.Store) {
	h, first, lease := mustCreate(t, s)
	checkLoad(t, s, h, []tasklog.Entry{first})

	again, err := s.Create(t.Context(), h, first, by("creator"))
	if err != nil {
		t.Errorf("repeated by the same writer: %v", err)
	}
	if _, err := s.Create(t.Context(), h, firstEvent(h, "other"), by("other")); !errors.Is(err, tasklog.ErrExists) {
		t.Errorf("by another writer: got %v, want ErrExists", err)
	}
	checkLoad(t, s, h, []tasklog.Entry{first})

	_, err = lease.Renew(t.Context(), until()) // it is the same lease
	must(t, err)
	one, two := working(h, "one"), working(h, "two")
	must(t, again.Append(t.Context(), 2, one), again.Append(t.Context(), 3, two))
	checkLoad(t, s, h, slices.Concat([]tasklog.Entry{first}, one, two))
}

func testConcurrentCreators(t *testing.T, s tasklog.Store) {
	for range 10 {
		h, _ := NewTask()
		events := make([]tasklog.Entry, 8)
		errs := make([]error, len(events))
		var wg sync.WaitGroup
		for i := range events {
			events[i] = firstEvent(h, "from "+strconv.Itoa(i))
			wg.Go(func() { _, errs[i] = s.Create(t.Context(), h, events[i], by("w"+strconv.Itoa(i))) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Fatalf("both %d and %d created the task", winner, i)
			case err == nil:
				winner = i
			case !errors.Is(err, tasklog.ErrExists):
				t.Fatal(err)
			}
		}
		if winner < 0 {
			t.Fatal("nobody created the task")
		}
		checkLoad(t, s, h, events[winner:winner+1])
	}
}

func testNotFound(t *testing.T, s tasklog.Store) {
	checkNotFound(t, s, "none")
	h, _ := NewTask()
	gone := &tasklog.Snapshot{Head: h, Task: &a2a.Task{ID: h.ID}, Seq: 1, Lease: tasklog.LeaseInfo{Holder: "w", Epoch: 1, Seq: 1}}
	if _, err := s.Acquire(t.Context(), gone, by("w")); !errors.Is(err, tasklog.ErrNotFound) && !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("Acquire: got %v, want ErrNotFound or ErrConflict", err)
	}
	checkNotFound(t, s, h.ID)
}

func testExpired(t *testing.T, s tasklog.Store) {
	h, first := NewTask()
	h.Expires = h.Expires.Add(-2 * time.Hour)
	_, err := s.Create(t.Context(), h, first, by("creator"))
	must(t, err)
	checkNotFound(t, s, h.ID)
}

// checkNotFound fails the test unless no read finds the task.
func checkNotFound(t *testing.T, s tasklog.Store, id a2a.TaskID) {
	t.Helper()
	_, loading := s.Load(t.Context(), id)
	_, loadingAt := s.LoadAt(t.Context(), id, 5, nil)
	_, leasing := s.Lease(t.Context(), id)
	_, _, reading := s.Read(t.Context(), id, 0, 10)
	_, _, readingOn := s.Read(t.Context(), id, 5, 10)
	_, polling := s.Poll(t.Context(), id, 0, false)
	for i, err := range []error{loading, loadingAt, leasing, reading, readingOn, polling} {
		if !errors.Is(err, tasklog.ErrNotFound) {
			t.Errorf("read %d: got %v, want ErrNotFound", i, err)
		}
	}
}

func testReadAnywhere(t *testing.T, s tasklog.Store) {
	h, first, lease := mustCreate(t, s)
	all := []tasklog.Entry{first}
	for i, n := range []int{1, 3, 2, 7, 1} {
		var texts []string
		for j := range n {
			texts = append(texts, fmt.Sprintf("append %d event %d", i, j))
		}
		entries := working(h, texts...)
		must(t, lease.Append(t.Context(), int64(len(all))+1, entries))
		all = append(all, entries...)
	}
	for after := range len(all) + 2 {
		for _, limit := range []int{1, 2, 5, len(all), 100} {
			checkRead(t, s, h, after, limit, all)
		}
	}
	checkLoad(t, s, h, all)
}

// testAppendTwice repeats appends, as a holder does that got no answer.
func testAppendTwice(t *testing.T, s tasklog.Store) {
	h, first, lease := mustCreate(t, s)
	mine, more := working(h, "one", "two"), working(h, "three")
	must(t, lease.Append(t.Context(), 2, mine), lease.Append(t.Context(), 2, mine),
		lease.Append(t.Context(), 4, more), lease.Append(t.Context(), 4, more))
	all := slices.Concat([]tasklog.Entry{first}, mine, more)
	checkLoad(t, s, h, all)

	other := mustAcquire(t, s, h.ID, by("other"))
	refused(t, "an append by another writer at the same place", other.Append(t.Context(), 4, working(h, "else")))
	must(t, lease.Append(t.Context(), 4, more)) // it was done, whatever has happened since
	next := working(h, "four")
	must(t, other.Append(t.Context(), 5, next), other.Append(t.Context(), 5, next))
	checkLoad(t, s, h, append(all, next...))
}

// testConcurrentAppenders has several writers take the lease from each other, and append. All that
// was acknowledged is in the log, once, and in the order of each writer.
func testConcurrentAppenders(t *testing.T, s tasklog.Store) {
	const writers, each = 6, 5
	h, _, _ := mustCreate(t, s)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; i < each; {
				name := fmt.Sprintf("%d/%d", w, i)
				seen, err := s.Load(t.Context(), h.ID)
				var lease tasklog.Lease
				if err == nil {
					lease, err = s.Acquire(t.Context(), seen, by(name+a2a.NewMessageID()))
				}
				if err == nil {
					err = lease.Append(t.Context(), seen.Seq+1, working(h, name))
				}
				if err == nil {
					i++
				} else if !errors.Is(err, tasklog.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	events, _, err := s.Read(t.Context(), h.ID, 1, 1000)
	must(t, err)
	if len(events) != writers*each {
		t.Fatalf("%d events, want %d", len(events), writers*each)
	}
	var next [writers]int
	for i, e := range events {
		if e.Seq != int64(i)+2 {
			t.Fatalf("event %d is numbered %d", i+2, e.Seq)
		}
		event, err := tasklog.Decode(e.JSON)
		must(t, err)
		var w, n int
		text := event.(*a2a.TaskStatusUpdateEvent).Status.Message.Parts[0].Text()
		if _, err := fmt.Sscanf(text, "%d/%d", &w, &n); err != nil {
			t.Fatal(err)
		}
		if n != next[w] {
			t.Fatalf("writer %d: event %d where %d was due", w, n, next[w])
		}
		next[w]++
	}
}

func testNothingAfterTheEnd(t *testing.T, s tasklog.Store) {
	h, first, lease := mustCreate(t, s)
	end := append(working(h, "one"), Status(h, a2a.TaskStateCompleted, ""))
	must(t, lease.Append(t.Context(), 2, end))
	check := func(who string, err error) {
		t.Helper()
		if err != nil && !errors.Is(err, tasklog.ErrConflict) {
			t.Fatalf("appending by %s: %v", who, err)
		}
		all := append([]tasklog.Entry{first}, end...)
		for after := range 5 {
			checkRead(t, s, h, after, 10, all)
		}
		checkLoad(t, s, h, all)
	}
	check("the holder", lease.Append(t.Context(), 4, working(h, "too late")))
	late, err := s.Acquire(t.Context(), mustLoad(t, s, h.ID), by("late"))
	if err == nil {
		err = late.Append(t.Context(), 4, working(h, "too late"))
	}
	check("another", err)
}

func testAppender(t *testing.T, s tasklog.Store) {
	const n = 3000
	h, first, lease := mustCreate(t, s)
	fold := foldOf([]tasklog.Entry{first})
	tap := tasklog.NewTap(t.Context(), s, h.ID, 1)
	a := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{Lease: lease, Fold: fold, Gap: 5 * time.Millisecond, Appended: tap.Publish})
	all := []tasklog.Entry{first}
	go func() {
		for _, e := range numbered(h, 0, n) {
			all = append(all, e)
			if err := a.Add(e); err != nil {
				t.Error(err)
			}
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		tap.End()
	}()
	got := collect(t, tap)
	checkEvents(t, got, 1, all[1:])
	checkLoad(t, s, h, all)
	task, err := fold.Task()
	must(t, err)
	if !reflect.DeepEqual(task, mustLoad(t, s, h.ID).Task) {
		t.Error("the appender's fold is not the task that Load returns")
	}
}

// testAppenderSuperseded has an appender lose its lease: it ends at once, and retries nothing.
func testAppenderSuperseded(t *testing.T, s tasklog.Store) {
	h, first, lease := mustCreate(t, s)
	mustAcquire(t, s, h.ID, by("other"))
	a := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{Lease: lease, Fold: foldOf([]tasklog.Entry{first})})
	must(t, a.Add(working(h, "late")[0]))
	refused(t, "Close", a.Close())
	checkLoad(t, s, h, []tasklog.Entry{first})
}

func collect(t *testing.T, tap *tasklog.Tap) (all []tasklog.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		events, err := tap.Next(ctx)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("after %d events: %v", len(all), err)
		}
		all = append(all, events...)
	}
}
