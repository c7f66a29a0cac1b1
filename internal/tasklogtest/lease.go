package tasklogtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/trace"
)

func mustLoad(t *testing.T, l tasklog.Log, id a2a.TaskID) *tasklog.Snapshot {
	t.Helper()
	s, err := l.Load(t.Context(), id)
	must(t, err)
	return s
}

func checkLease(t *testing.T, l tasklog.Log, h tasklog.Head, want tasklog.Lease) {
	t.Helper()
	s := mustLoad(t, l, h.ID)
	events, polled, err := l.Poll(t.Context(), h.ID, s.Seq)
	must(t, err)
	alone, err := l.Lease(t.Context(), h.ID)
	must(t, err)
	if len(events) != 0 {
		t.Fatalf("polled %d events after the last", len(events))
	}
	for _, got := range []tasklog.Lease{s.Lease, polled, alone} {
		if got.Holder != want.Holder || got.Epoch != want.Epoch || got.Seq != want.Seq || !got.Until.Equal(want.Until) || got.Cancel != want.Cancel {
			t.Errorf("lease %+v, want %+v", got, want)
		}
	}
}

func testLease(t *testing.T, l tasklog.Log) {
	h, first := NewTask()
	end := until()
	must(t, l.Create(t.Context(), h, "one", end, first))
	checkLease(t, l, h, tasklog.Lease{Holder: "one", Epoch: 1, Seq: 1, Until: end})

	end = end.Add(time.Second)
	asked, err := l.Renew(t.Context(), h, "one", end)
	must(t, err)
	if asked != (tasklog.Asked{}) {
		t.Errorf("nobody has asked for anything, got %+v", asked)
	}
	checkLease(t, l, h, tasklog.Lease{Holder: "one", Epoch: 1, Seq: 1, Until: end})

	must(t, l.RequestCancel(t.Context(), h))
	checkLease(t, l, h, tasklog.Lease{Holder: "one", Epoch: 1, Seq: 1, Until: end, Cancel: true})
	for _, until := range []time.Time{{}, end} {
		if asked, err := l.Renew(t.Context(), h, "one", until); err != nil || asked != (tasklog.Asked{Cancel: true}) {
			t.Errorf("renewing until %v after a request to cancel: got %+v, %v", until, asked, err)
		}
	}

	seen := mustLoad(t, l, h.ID)
	next := end.Add(time.Minute)
	lease, err := l.Acquire(t.Context(), seen, "two", next)
	must(t, err)
	want := tasklog.Lease{Holder: "two", Epoch: 2, Seq: 1, Until: next, Lost: 1}
	if lease != want {
		t.Errorf("acquired %+v, want %+v", lease, want)
	}
	checkLease(t, l, h, want)
	if _, err := l.Acquire(t.Context(), seen, "two", next); err != nil {
		t.Errorf("acquiring again: %v", err)
	}
	if _, err := l.Acquire(t.Context(), seen, "three", next); !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("acquiring a lease that is not the one seen: got %v, want ErrConflict", err)
	}
	for _, until := range []time.Time{{}, end} {
		if _, err := l.Renew(t.Context(), h, "one", until); !errors.Is(err, tasklog.ErrConflict) {
			t.Errorf("renewing until %v by the holder before: got %v, want ErrConflict", until, err)
		}
	}
	checkLease(t, l, h, want)
}

// testRequest checks that the head keeps what it is to keep of the request which began the last turn.
func testRequest(t *testing.T, l tasklog.Log) {
	set := func(h *tasklog.Head, tr trace.Trace, extensions []string, metadata string) {
		h.Trace, h.Extensions, h.Metadata = tr, extensions, nil
		if metadata != "" {
			h.Metadata = json.RawMessage(metadata)
		}
	}
	check := func(want tasklog.Head) {
		t.Helper()
		got := mustLoad(t, l, want.ID).Head
		if got.Trace != want.Trace || !slices.Equal(got.Extensions, want.Extensions) || !bytes.Equal(got.Metadata, want.Metadata) {
			t.Errorf("kept %+v, %q and %.100q; want %+v, %q and %.100q",
				got.Trace, got.Extensions, got.Metadata, want.Trace, want.Extensions, want.Metadata)
		}
	}
	tr, big := trace.Trace{Parent: traceParent}, fmt.Sprintf(`{"a":%q}`, incompressible(1<<20))
	kinds := []func(h *tasklog.Head){
		func(h *tasklog.Head) { set(h, trace.Trace{}, nil, "") },
		func(h *tasklog.Head) { set(h, tr, []string{"https://a", "https://b"}, "") },
		func(h *tasklog.Head) { set(h, trace.Trace{}, nil, `{"a":{"b":[1,"c\nd"]}}`) },
		func(h *tasklog.Head) { set(h, tr, []string{"https://a"}, big) },
	}
	for _, first := range kinds {
		h, event := NewTask()
		first(&h)
		must(t, l.Create(t.Context(), h, "w", until(), event), l.Create(t.Context(), h, "w", until(), event))
		check(h)
		for i, next := range kinds {
			seen := mustLoad(t, l, h.ID)
			next(&seen.Head)
			_, err := l.Acquire(t.Context(), seen, fmt.Sprint(i), until())
			must(t, err)
			check(seen.Head)
			// Who comes too late changes nothing.
			late := *seen
			kinds[(i+1)%len(kinds)](&late.Head)
			if _, err := l.Acquire(t.Context(), &late, "late", until()); !errors.Is(err, tasklog.ErrConflict) {
				t.Errorf("acquired late: %v", err)
			}
			check(seen.Head)
		}
	}
}

// testLost checks the count of the holders that were lost without having appended anything.
func testLost(t *testing.T, l tasklog.Log) {
	h, _ := mustCreate(t, l)
	acquire := func(writer string, want int) {
		t.Helper()
		lease, err := l.Acquire(t.Context(), mustLoad(t, l, h.ID), writer, until())
		must(t, err)
		if stored := mustLoad(t, l, h.ID).Lease.Lost; lease.Lost != want || stored != want {
			t.Errorf("before %s %d were lost, stored are %d; want %d", writer, lease.Lost, stored, want)
		}
	}
	acquire("two", 1)
	acquire("three", 2)
	must(t, l.Append(t.Context(), batch(h, "three", 2, "something")))
	acquire("four", 0)
	_, err := l.Renew(t.Context(), h, "four", tasklog.HandedOver)
	must(t, err)
	acquire("five", 0)
	acquire("six", 1)
	acquire("", 2)
	acquire("seven", 0)
}

// testLeaseBeforeRenewal checks requests about a lease that has never been renewed.
func testLeaseBeforeRenewal(t *testing.T, l tasklog.Log) {
	h, first := NewTask()
	end := until()
	must(t, l.Create(t.Context(), h, "one", end, first), l.RequestCancel(t.Context(), h))
	checkLease(t, l, h, tasklog.Lease{Holder: "one", Epoch: 1, Seq: 1, Until: end, Cancel: true})
	if asked, err := l.Renew(t.Context(), h, "one", time.Time{}); err != nil || asked != (tasklog.Asked{Cancel: true}) {
		t.Errorf("got %+v, %v", asked, err)
	}
	if _, err := l.Acquire(t.Context(), mustLoad(t, l, h.ID), "two", end); err != nil {
		t.Error(err)
	}

	h, first = NewTask()
	must(t, l.Create(t.Context(), h, "one", time.Time{}, first))
	s := mustLoad(t, l, h.ID)
	if s.Lease.Holder != "" || s.Lease.Epoch != 1 || !s.Lease.Expired() {
		t.Errorf("lease of a task given to nobody: %+v", s.Lease)
	}
	if _, err := l.Acquire(t.Context(), s, "two", end); err != nil {
		t.Error(err)
	}
	checkLease(t, l, h, tasklog.Lease{Holder: "two", Epoch: 2, Seq: 1, Until: end})
}

func testConcurrentAcquire(t *testing.T, l tasklog.Log) {
	for range 10 {
		h, _ := mustCreate(t, l)
		seen := mustLoad(t, l, h.ID)
		var wg sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			wg.Go(func() { _, errs[i] = l.Acquire(t.Context(), seen, string(rune('a'+i)), until()) })
		}
		wg.Wait()
		var holders []string
		for i, err := range errs {
			if err == nil {
				holders = append(holders, string(rune('a'+i)))
			} else if !errors.Is(err, tasklog.ErrConflict) {
				t.Fatal(err)
			}
		}
		if got := mustLoad(t, l, h.ID).Lease; len(holders) != 1 || got.Holder != holders[0] {
			t.Fatalf("%q acquired the lease, which is %+v", holders, got)
		}
	}
}

func testFence(t *testing.T, l tasklog.Log) {
	h, first := mustCreate(t, l)
	must(t, l.Append(t.Context(), batch(h, "old", 2, "two")))
	if err := l.Fence(t.Context(), h, "new", 2, 2); !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("fencing a place that is taken: got %v, want ErrConflict", err)
	}
	must(t, l.Fence(t.Context(), h, "new", 2, 3), l.Fence(t.Context(), h, "new", 2, 3))
	if err := l.Append(t.Context(), batch(h, "old", 3, "late")); !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("appending behind a fence: got %v, want ErrConflict", err)
	}
	if err := l.Fence(t.Context(), h, "older", 1, 3); !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("fencing in an earlier epoch: got %v, want ErrConflict", err)
	}
	s := mustLoad(t, l, h.ID)
	if s.Seq != 2 {
		t.Errorf("a fence counts as event: loaded as of %d", s.Seq)
	}
	for after := range int64(4) {
		events, err := l.Read(t.Context(), h.ID, after, 10)
		must(t, err)
		if len(events) != max(0, 2-int(after)) {
			t.Errorf("read %d events after %d", len(events), after)
		}
	}
	must(t, l.Fence(t.Context(), h, "newest", 3, 3)) // the holder before has died before its first append
	if err := l.Append(t.Context(), batch(h, "new", 3, "late")); !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("appending behind the second fence: got %v, want ErrConflict", err)
	}
	b := batch(h, "newest", 3, "three", "four")
	must(t, l.Append(t.Context(), b), l.Append(t.Context(), b), l.Append(t.Context(), batch(h, "newest", 5, "five")))
	events, err := l.Read(t.Context(), h.ID, 1, 10)
	must(t, err)
	if len(events) != 4 {
		t.Fatalf("read %d events, want 4", len(events))
	}
	all := [][]byte{first}
	for _, e := range events {
		all = append(all, e.JSON)
	}
	checkLoad(t, l, h, all)
}

// testTakeover takes a task over from a writer that goes on appending, paced as an appender is: from the fence on it is refused,
// and the log has all that it was told was appended, then what the new writer appended.
func testTakeover(t *testing.T, l tasklog.Log) {
	for round := range 10 {
		h, _ := mustCreate(t, l)
		appended := make(chan int64)
		go func() {
			next := int64(2)
			for l.Append(t.Context(), batch(h, "old", next, "old")) == nil {
				next++
				time.Sleep(50 * time.Millisecond) // a taker that needs longer than that to load and to fence never gets there
			}
			appended <- next - 1
		}()
		var fenced int64
		for {
			s := mustLoad(t, l, h.ID)
			if s.Seq < int64(round%4) {
				continue // not always at the beginning
			}
			lease, err := l.Acquire(t.Context(), s, "new", until())
			must(t, err)
			for {
				err := l.Fence(t.Context(), h, "new", lease.Epoch, s.Seq+1)
				if err == nil {
					break
				}
				if !errors.Is(err, tasklog.ErrConflict) {
					t.Fatal(err)
				}
				s = mustLoad(t, l, h.ID)
			}
			fenced = s.Seq + 1
			break
		}
		must(t, l.Append(t.Context(), batch(h, "new", fenced, "new")))
		if last := <-appended; last != fenced-1 {
			t.Fatalf("the old writer was told that it appended %d, the fence is at %d", last, fenced)
		}
		if err := l.Append(t.Context(), batch(h, "old", fenced, "late")); !errors.Is(err, tasklog.ErrConflict) {
			t.Fatalf("a late append: got %v, want ErrConflict", err)
		}
		events, err := l.Read(t.Context(), h.ID, 0, 100_000)
		must(t, err)
		for i, e := range events {
			if by := "old"; i > 0 && (e.Seq != int64(i)+1 || !bytes.Contains(e.JSON, []byte(by)) != (e.Seq == fenced)) {
				t.Fatalf("event %d of %d, fenced at %d: %s", e.Seq, len(events), fenced, e.JSON)
			}
		}
	}
}

func testPoll(t *testing.T, l tasklog.Log) {
	if _, _, err := l.Poll(t.Context(), "none", 0); !errors.Is(err, tasklog.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	h, first := mustCreate(t, l)
	want := [][]byte{first}
	var got []tasklog.Event
	poll := func() {
		events, _, err := l.Poll(t.Context(), h.ID, int64(len(got)))
		must(t, err)
		got = append(got, events...)
	}
	poll()
	for i := range 3 {
		for range i {
			b := batch(h, "w", int64(len(want))+1, "a", "b")
			must(t, l.Append(t.Context(), b))
			want = append(want, b.Events...)
		}
		poll()
		poll()
	}
	must(t, l.Fence(t.Context(), h, "next", 2, int64(len(want))+1))
	poll()
	checkEvents(t, got, 0, want)
	all, _, err := l.Poll(t.Context(), h.ID, 0)
	must(t, err)
	checkEvents(t, all, 0, want)
}

func testRunning(t *testing.T, l tasklog.Log) {
	running := func(h tasklog.Head) bool {
		var ids []a2a.TaskID
		must(t, l.Running(t.Context(), func(id a2a.TaskID) bool {
			ids = append(ids, id)
			return true
		}))
		return slices.Contains(ids, h.ID)
	}
	h, _ := mustCreate(t, l)
	seq := int64(1)
	add := func(s a2a.TaskState) {
		seq++
		must(t, l.Append(t.Context(), tasklog.Batch{
			ID: h.ID, Writer: "w", First: seq, Events: [][]byte{StatusEvent(h, s, "")}, State: s, Expires: h.Expires,
		}), l.SetStatus(t.Context(), h.ID, tasklog.Status{State: s, Time: time.Now(), Seq: seq}))
	}
	if !running(h) {
		t.Error("a new task is not running")
	}
	add(a2a.TaskStateWorking)
	if !running(h) {
		t.Error("a working task is not running")
	}
	add(a2a.TaskStateInputRequired)
	if running(h) {
		t.Error("a task that waits for input is running")
	}
	_, err := l.Acquire(t.Context(), mustLoad(t, l, h.ID), "w", until())
	must(t, err)
	add(a2a.TaskStateSubmitted)
	must(t, l.SetStatus(t.Context(), h.ID, tasklog.Status{State: a2a.TaskStateInputRequired, Time: time.Now(), Seq: seq - 1})) // late
	if !running(h) {
		t.Error("a task that has got its input is not running")
	}
	add(a2a.TaskStateInputRequired)
	before := mustLoad(t, l, h.ID)
	if before.Busy() {
		t.Error("a task that waits for input is busy")
	}
	_, err = l.Acquire(t.Context(), before, "x", until()) // who dies then
	must(t, err, l.Settle(t.Context(), before))
	after := mustLoad(t, l, h.ID)
	if !running(h) || !after.Busy() {
		t.Error("a task that was acquired for its next turn is not running")
	}
	must(t, l.Settle(t.Context(), after))
	if running(h) {
		t.Error("a task that was settled is running")
	}
	_, err = l.Acquire(t.Context(), after, "y", until())
	must(t, err)
	add(a2a.TaskStateCompleted)
	if running(h) {
		t.Error("a completed task is running")
	}
}
