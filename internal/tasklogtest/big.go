package tasklogtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

func testBigArtifact(t *testing.T, s tasklog.Store) {
	for _, size := range []int{2 << 20, 5 << 20} {
		h, first, lease := mustCreate(t, s)
		info := a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}
		big := []tasklog.Entry{EntryOf(a2a.NewArtifactEvent(info, a2a.NewTextPart(incompressible(size))))}
		after := working(h, "after it")
		must(t, lease.Append(t.Context(), 2, big), lease.Append(t.Context(), 2, big), lease.Append(t.Context(), 3, after))
		all := slices.Concat([]tasklog.Entry{first}, big, after)
		checkRead(t, s, h, 1, 1, all)
		checkRead(t, s, h, 2, 1, all)
		checkLoad(t, s, h, all)
	}
}

func testBigMessage(t *testing.T, s tasklog.Store) {
	for _, size := range []int{5 << 10, 1 << 20} {
		h, _ := NewTask()
		first := firstEvent(h, incompressible(size))
		_, err := s.Create(t.Context(), h, first, by("creator"))
		must(t, err)
		if _, err := s.Create(t.Context(), h, first, by("other")); !errors.Is(err, tasklog.ErrExists) {
			t.Errorf("by another writer: got %v, want ErrExists", err)
		}
		checkRead(t, s, h, 0, 10, []tasklog.Entry{first})
		checkLoad(t, s, h, []tasklog.Entry{first})
	}
}

// testReadBytes checks that a Read of many long events returns some of them, and says that there
// are more.
func testReadBytes(t *testing.T, s tasklog.Store) {
	h, first, lease := mustCreate(t, s)
	all := []tasklog.Entry{first}
	for i := range 4 {
		long := working(h, strings.Repeat(strconv.Itoa(i), tasklog.ReadBytes/2))
		must(t, lease.Append(t.Context(), int64(len(all))+1, long))
		all = append(all, long...)
	}
	for after, n := range []int{3, 2, 2, 2, 1, 0} {
		events, more, err := s.Read(t.Context(), h.ID, int64(after), 100)
		must(t, err)
		checkEvents(t, events, int64(after), all[after:after+n])
		if more != (after+n < len(all)) {
			t.Errorf("after event %d, there are more than these %d: %t", after, n, more)
		}
	}
}

func testLong(t *testing.T, s tasklog.Store) {
	const n, each = 50_000, 500
	h, first, lease := mustCreate(t, s)
	all := []tasklog.Entry{first}
	for len(all) < n {
		entries := numbered(h, len(all), each)
		must(t, lease.Append(t.Context(), int64(len(all))+1, entries))
		all = append(all, entries...)
	}
	for _, after := range []int{0, 1, 2, 501, n / 2, len(all) - 1, len(all)} {
		checkRead(t, s, h, after, 20, all)
	}
	var read []tasklog.Event
	for more := true; more; {
		var events []tasklog.Event
		var err error
		events, more, err = s.Read(t.Context(), h.ID, int64(len(read)), 7777)
		must(t, err)
		if more && len(events) == 0 {
			t.Fatalf("no event after %d, but more", len(read))
		}
		read = append(read, events...)
	}
	checkEvents(t, read, 0, all)
	checkLoad(t, s, h, all)
}

func testSnapshot(t *testing.T, s tasklog.Store) {
	h, first, lease := mustCreate(t, s)
	all := []tasklog.Entry{first}
	save := func(seq int) {
		task, err := foldOf(all[:seq]).Task()
		must(t, err, lease.SaveSnapshot(t.Context(), int64(seq), tasklog.SnapshotLines(task)))
	}
	for range 5 {
		entries := working(h, incompressible(100_000), "b", "c")
		must(t, lease.Append(t.Context(), int64(len(all))+1, entries))
		all = append(all, entries...)
		save(len(all) - 1) // in the middle of an append
		checkLoad(t, s, h, all)
	}
	save(4) // late
	checkLoad(t, s, h, all)
	save(len(all))
	checkLoad(t, s, h, all)
	checkLoadAt(t, s, h, all)

	lease = mustAcquire(t, s, h.ID, by("other"))
	entries := working(h, "d")
	must(t, lease.Append(t.Context(), int64(len(all))+1, entries))
	all = append(all, entries...)
	save(len(all))
	checkLoad(t, s, h, all)
	entries = append(working(h, "e"), in(h, a2a.TaskStateInputRequired)...)
	must(t, lease.Append(t.Context(), int64(len(all))+1, entries))
	all = append(all, entries...)
	checkLoadAt(t, s, h, all)
}

// testReferences saves snapshots that refer to what is large in the log, of random tasks, and goes on
// from them with other holders.
func testReferences(t *testing.T, s tasklog.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for n := range uint64(4) {
		h, first, lease := mustCreate(t, s)
		g := newGenerator(h, seed, n)
		all := []tasklog.Entry{first}
		fold := foldOf(all)
		for i := range 6 {
			var entries []tasklog.Entry
			for range 1 + g.IntN(5) {
				entries = append(entries, EntryOf(g.event()))
			}
			must(t, lease.Append(t.Context(), int64(len(all))+1, entries))
			for _, e := range entries {
				all = append(all, e)
				fold.Add(tasklog.Event{Seq: int64(len(all)), JSON: e.JSON})
			}
			if g.IntN(3) > 0 {
				must(t, lease.SaveSnapshot(t.Context(), fold.Seq(), fold.SnapshotLines()))
			}
			checkLoad(t, s, h, all)
			if i == 2 {
				lease = mustAcquire(t, s, h.ID, by("next"))
				fold = mustLoad(t, s, h.ID).Fold()
			}
		}
		checkLoadAt(t, s, h, all)
	}
}

// checkLoadAt fails the test unless LoadAt returns the task as it was after each of the events, and
// what Load returns.
func checkLoadAt(t *testing.T, s tasklog.Store, h tasklog.Head, events []tasklog.Entry) {
	t.Helper()
	end := mustLoad(t, s, h.ID)
	for seq := 1; seq <= len(events)+2; seq++ {
		want, err := foldOf(events[:min(seq, len(events))]).Task()
		must(t, err)
		past, err := s.LoadAt(t.Context(), h.ID, int64(seq), nil)
		must(t, err)
		then, now := past.Task, past.Now
		if n := len(past.Later); n > 0 {
			checkEvents(t, past.Later, int64(seq), events[seq:seq+n])
		}
		wantJSON, err := tasklog.EncodeTask(want)
		must(t, err)
		gotJSON, err := tasklog.EncodeTask(then)
		must(t, err)
		if !bytes.Equal(gotJSON, wantJSON) {
			t.Fatalf("loaded task as of event %d (%d bytes) %.400s\nwant (%d bytes) %.400s", seq, len(gotJSON), gotJSON, len(wantJSON), wantJSON)
		}
		task := now.Task
		whole := seq >= len(events)
		if (now.Task == then) != whole || (now.Origins != nil) != (whole && end.Origins != nil) {
			t.Fatalf("loaded as of event %d of %d, the task now is the one that was loaded: %v, with origins: %v, want %v", seq, len(events), now.Task == then, now.Origins != nil, whole)
		}
		if !whole && len(task.History)+len(task.Artifacts) > 0 || task.Status.State != end.Task.Status.State || task.ID != h.ID || task.ContextID != h.ContextID ||
			!task.Status.Timestamp.Equal(*end.Task.Status.Timestamp) {
			t.Fatalf("loaded as of event %d, the task is %+v now, want %+v", seq, task, end.Task)
		}
		got, want2 := *now, *end
		got.Task, want2.Task, got.Origins, want2.Origins, got.Kept, want2.Kept = nil, nil, nil, nil, nil, nil
		if !reflect.DeepEqual(got, want2) {
			t.Fatalf("loaded as of event %d: %+v, want %+v", seq, got, want2)
		}
	}
}

// testDigits stores numbers, some of which a float64 would change. The task has them with all
// digits, from its events and from a snapshot.
func testDigits(t *testing.T, s tasklog.Store) {
	h, _, lease := mustCreate(t, s)
	numbers := map[string]any{
		"large": json.Number("12345678901234567890"), "list": []any{json.Number("0.1234567890123456789"), 0.5}, "small": 1.0,
	}
	info := a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}
	message := a2a.NewMessageForTask(a2a.MessageRoleAgent, info, a2a.NewDataPart(numbers))
	event := a2a.NewStatusUpdateEvent(info, a2a.TaskStateWorking, message)
	event.Metadata = numbers
	must(t, lease.Append(t.Context(), 2, []tasklog.Entry{EntryOf(event)}))
	check := func(where string) *a2a.Task {
		task := mustLoad(t, s, h.ID).Task
		if got := task.Status.Message.Parts[0].Data(); !reflect.DeepEqual(got, numbers) || !reflect.DeepEqual(task.Metadata, numbers) {
			t.Errorf("%s: %#v, metadata %#v, want %#v", where, got, task.Metadata, numbers)
		}
		return task
	}
	task := check("out of events")
	must(t, lease.SaveSnapshot(t.Context(), 2, tasklog.SnapshotLines(task)))
	check("out of a snapshot")
}

// testSize checks that a log knows its size, whatever was saved of it. A poll does not return all
// of a log that deflates to nearly nothing.
func testSize(t *testing.T, s tasklog.Store) {
	h, first := NewTask()
	first.Values = 7
	lease, err := s.Create(t.Context(), h, first, by("w"))
	must(t, err)
	size := first.Size()
	check := func(seq int64) {
		t.Helper()
		if s := mustLoad(t, s, h.ID); s.Size != size || s.Seq != seq {
			t.Errorf("as of event %d the log has the size %+v, want %+v as of event %d", s.Seq, s.Size, size, seq)
		}
	}
	check(1)
	add := func(lease tasklog.Lease, seq int64) {
		long := working(h, strings.Repeat("x", 1<<20))
		long[0].Values = 1
		size = size.Plus(tasklog.Size{Bytes: int64(len(long[0].JSON)), Values: 1})
		must(t, lease.Append(t.Context(), seq, long), lease.Append(t.Context(), seq, long)) // counted once
	}
	for seq := range int64(6) {
		add(lease, seq+2)
	}
	check(7)
	must(t, lease.SaveSnapshot(t.Context(), 7, tasklog.SnapshotLines(mustLoad(t, s, h.ID).Task)))
	check(7)
	lease = mustAcquire(t, s, h.ID, by("other"))
	check(7)
	next, polls := int64(0), 0
	for next < 7 {
		polled, err := s.Poll(t.Context(), h.ID, next, false)
		must(t, err)
		events := polled.Events
		bytes := 0
		for _, e := range events {
			next++
			bytes += len(e.JSON)
			if e.Seq != next {
				t.Fatalf("event %d after event %d", e.Seq, next-1)
			}
		}
		if polls++; len(events) == 0 || bytes > tasklog.ReadBytes+2<<20 {
			t.Fatalf("a poll after event %d brought %d events of %d bytes", next, len(events), bytes)
		}
		if polled.More != (next < 7) {
			t.Errorf("after event %d of 7 there are more: %t", next, polled.More)
		}
	}
	if polls < 2 {
		t.Errorf("%d polls brought 6 MB", polls)
	}
	add(lease, 8) // the next holder goes on counting
	check(8)
}
