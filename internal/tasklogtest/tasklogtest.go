// Package tasklogtest tests that a [tasklog.Log] keeps its contract. Every implementation passes the same tests.
package tasklogtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/trace"
)

const traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// Test runs all tests. Open returns the log under test; the logs it returns may share their tasks.
func Test(t *testing.T, open func(t *testing.T) tasklog.Log) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, tasklog.Log)
	}{
		{"Create", testCreate},
		{"ConcurrentCreators", testConcurrentCreators},
		{"NotFound", testNotFound},
		{"Expired", testExpired},
		{"ReadAnywhere", testReadAnywhere},
		{"AppendTwice", testAppendTwice},
		{"ConcurrentAppenders", testConcurrentAppenders},
		{"NothingAfterTheEnd", testNothingAfterTheEnd},
		{"BigArtifact", testBigArtifact},
		{"BigMessage", testBigMessage},
		{"ReadBytes", testReadBytes},
		{"Long", testLong},
		{"Snapshot", testSnapshot},
		{"Digits", testDigits},
		{"Size", testSize},
		{"Appender", testAppender},
		{"Lease", testLease},
		{"LeaseBeforeRenewal", testLeaseBeforeRenewal},
		{"Request", testRequest},
		{"Lost", testLost},
		{"ConcurrentAcquire", testConcurrentAcquire},
		{"Fence", testFence},
		{"Takeover", testTakeover},
		{"Poll", testPoll},
		{"Running", testRunning},
		{"List", testList},
		{"Secret", testSecret},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// NewTask returns the head and the first event of a new task, which lives for an hour.
func NewTask() (tasklog.Head, []byte) {
	now := time.Now().Truncate(time.Second).UTC()
	h := tasklog.Head{
		ID: a2a.NewTaskID(), ContextID: a2a.NewContextID(), Scope: tasklog.Scope{Owner: "owner", Tenant: "tenant"},
		Created: now, Expires: now.Add(time.Hour), Request: tasklog.Request{Trace: trace.Trace{Parent: traceParent, State: "a=1,b=2"}},
	}
	return h, firstEvent(h, "hello")
}

func firstEvent(h tasklog.Head, text string) []byte {
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))
	task := a2a.NewSubmittedTask(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, m)
	task.Status.Timestamp = &h.Created
	return encode(task)
}

// StatusEvent returns the JSON of a working status with the text, or of another state without one.
func StatusEvent(h tasklog.Head, state a2a.TaskState, text string) []byte {
	info := a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}
	var m *a2a.Message
	if text != "" {
		m = a2a.NewMessageForTask(a2a.MessageRoleAgent, info, a2a.NewTextPart(text))
	}
	return encode(a2a.NewStatusUpdateEvent(info, state, m))
}

func encode(e a2a.Event) []byte {
	data, err := tasklog.Encode(e)
	if err != nil {
		panic(err)
	}
	return data
}

// until returns an end for a lease that lasts for the test.
func until() time.Time { return time.Now().Add(time.Minute).Truncate(time.Millisecond) }

// must fails the test at the first error among errs.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func mustCreate(t *testing.T, l tasklog.Log) (tasklog.Head, []byte) {
	t.Helper()
	h, first := NewTask()
	must(t, l.Create(t.Context(), h, "creator", until(), first))
	return h, first
}

func batch(h tasklog.Head, writer string, first int64, texts ...string) tasklog.Batch {
	b := tasklog.Batch{ID: h.ID, Writer: writer, First: first, State: a2a.TaskStateWorking, Expires: h.Expires}
	for _, text := range texts {
		b.Events = append(b.Events, StatusEvent(h, a2a.TaskStateWorking, text))
	}
	return b
}

// checkEvents fails the test unless events are those of want that follow number after.
func checkEvents(t *testing.T, events []tasklog.Event, after int64, want [][]byte) {
	t.Helper()
	if len(events) != len(want) {
		t.Fatalf("read %d events after %d, want %d", len(events), after, len(want))
	}
	for i, e := range events {
		if e.Seq != after+int64(i)+1 || !bytes.Equal(e.JSON, want[i]) {
			t.Fatalf("event after %d: got %d %.200s\nwant %d %.200s", after, e.Seq, e.JSON, after+int64(i)+1, want[i])
		}
	}
}

// checkLoad fails the test unless Load returns the fold over events.
func checkLoad(t *testing.T, l tasklog.Log, h tasklog.Head, events [][]byte) {
	t.Helper()
	fold := tasklog.NewFold(nil, 0)
	for i, data := range events {
		fold.Add(tasklog.Event{Seq: int64(i) + 1, JSON: data})
	}
	want, err := fold.Task()
	must(t, err)
	got, err := l.Load(t.Context(), h.ID)
	must(t, err)
	if got.Seq != int64(len(events)) {
		t.Fatalf("loaded as of event %d, want %d", got.Seq, len(events))
	}
	if !got.Head.Expires.Equal(h.Expires) || !got.Head.Created.Equal(h.Created) || got.Head.ID != h.ID || got.Head.ContextID != h.ContextID {
		t.Fatalf("loaded head %+v, want %+v", got.Head, h)
	}
	gotJSON, err := tasklog.EncodeTask(got.Task)
	must(t, err)
	wantJSON, err := tasklog.EncodeTask(want)
	must(t, err)
	if !bytes.Equal(gotJSON, wantJSON) {
		t.Fatalf("loaded task (%d bytes) %.400s\nwant (%d bytes) %.400s", len(gotJSON), gotJSON, len(wantJSON), wantJSON)
	}
}

func testCreate(t *testing.T, l tasklog.Log) {
	h, first := mustCreate(t, l)
	checkLoad(t, l, h, [][]byte{first})

	if err := l.Create(t.Context(), h, "creator", until(), first); err != nil {
		t.Errorf("repeated by the same writer: %v", err)
	}
	if err := l.Create(t.Context(), h, "other", until(), firstEvent(h, "other")); !errors.Is(err, tasklog.ErrExists) {
		t.Errorf("by another writer: got %v, want ErrExists", err)
	}
	checkLoad(t, l, h, [][]byte{first})
}

func testConcurrentCreators(t *testing.T, l tasklog.Log) {
	for range 10 {
		h, _ := NewTask()
		events := make([][]byte, 8)
		errs := make([]error, len(events))
		var wg sync.WaitGroup
		for i := range events {
			events[i] = firstEvent(h, "from "+strconv.Itoa(i))
			wg.Go(func() { errs[i] = l.Create(t.Context(), h, "w"+strconv.Itoa(i), until(), events[i]) })
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
		checkLoad(t, l, h, events[winner:winner+1])
	}
}

func testNotFound(t *testing.T, l tasklog.Log) {
	if _, err := l.Load(t.Context(), "none"); !errors.Is(err, tasklog.ErrNotFound) {
		t.Errorf("Load: got %v, want ErrNotFound", err)
	}
	if _, err := l.Lease(t.Context(), "none"); !errors.Is(err, tasklog.ErrNotFound) {
		t.Errorf("Lease: got %v, want ErrNotFound", err)
	}
	for _, after := range []int64{0, 5} {
		if _, err := l.Read(t.Context(), "none", after, 10); !errors.Is(err, tasklog.ErrNotFound) {
			t.Errorf("Read after %d: got %v, want ErrNotFound", after, err)
		}
	}
}

func testExpired(t *testing.T, l tasklog.Log) {
	h, first := NewTask()
	h.Created = h.Created.Add(-2 * time.Hour)
	h.Expires = h.Created.Add(time.Hour)
	must(t, l.Create(t.Context(), h, "creator", until(), first))
	if _, err := l.Load(t.Context(), h.ID); !errors.Is(err, tasklog.ErrNotFound) {
		t.Errorf("Load: got %v, want ErrNotFound", err)
	}
	if _, err := l.Lease(t.Context(), h.ID); !errors.Is(err, tasklog.ErrNotFound) {
		t.Errorf("Lease: got %v, want ErrNotFound", err)
	}
	for _, after := range []int64{0, 1} {
		if _, err := l.Read(t.Context(), h.ID, after, 10); !errors.Is(err, tasklog.ErrNotFound) {
			t.Errorf("Read after %d: got %v, want ErrNotFound", after, err)
		}
	}
}

func testReadAnywhere(t *testing.T, l tasklog.Log) {
	h, first := mustCreate(t, l)
	want := [][]byte{first}
	for i, n := range []int{1, 3, 2, 7, 1} {
		var texts []string
		for j := range n {
			texts = append(texts, fmt.Sprintf("batch %d event %d", i, j))
		}
		b := batch(h, "w", int64(len(want))+1, texts...)
		must(t, l.Append(t.Context(), b))
		want = append(want, b.Events...)
	}
	for after := range len(want) + 2 {
		for _, limit := range []int{1, 2, 5, 100} {
			events, err := l.Read(t.Context(), h.ID, int64(after), limit)
			must(t, err)
			from := min(after, len(want))
			checkEvents(t, events, int64(after), want[from:min(from+limit, len(want))])
		}
	}
	checkLoad(t, l, h, want)
}

func testAppendTwice(t *testing.T, l tasklog.Log) {
	h, first := mustCreate(t, l)
	mine := batch(h, "mine", 2, "one", "two")
	must(t, l.Append(t.Context(), mine))
	if err := l.Append(t.Context(), mine); err != nil {
		t.Errorf("an append repeated by its writer: %v", err)
	}
	if err := l.Append(t.Context(), batch(h, "other", 2, "else")); !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("an append by another writer at the same place: got %v, want ErrConflict", err)
	}
	checkLoad(t, l, h, append([][]byte{first}, mine.Events...))
}

func testConcurrentAppenders(t *testing.T, l tasklog.Log) {
	const writers, each = 6, 10
	h, _ := mustCreate(t, l)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i, next := 0, int64(2); i < each; {
				name := fmt.Sprintf("%d/%d", w, i)
				err := l.Append(t.Context(), batch(h, name, next, name))
				if err == nil {
					i++
				} else if !errors.Is(err, tasklog.ErrConflict) {
					t.Error(err)
					return
				}
				events, err := l.Read(t.Context(), h.ID, next-1, 1000)
				if err != nil {
					t.Error(err)
					return
				}
				next += int64(len(events))
			}
		})
	}
	wg.Wait()
	events, err := l.Read(t.Context(), h.ID, 1, 1000)
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
		if _, err := fmt.Sscanf(event.(*a2a.TaskStatusUpdateEvent).Status.Message.Parts[0].Text(), "%d/%d", &w, &n); err != nil {
			t.Fatal(err)
		}
		if n != next[w] {
			t.Fatalf("writer %d: event %d where %d was due", w, n, next[w])
		}
		next[w]++
	}
}

func testNothingAfterTheEnd(t *testing.T, l tasklog.Log) {
	h, first := mustCreate(t, l)
	end := batch(h, "w", 2, "one")
	end.Events = append(end.Events, StatusEvent(h, a2a.TaskStateCompleted, ""))
	end.State = a2a.TaskStateCompleted
	must(t, l.Append(t.Context(), end))
	if err := l.Append(t.Context(), batch(h, "late", 4, "too late")); err != nil && !errors.Is(err, tasklog.ErrConflict) {
		t.Fatal(err)
	}
	want := append([][]byte{first}, end.Events...)
	for after := range int64(5) {
		events, err := l.Read(t.Context(), h.ID, after, 10)
		must(t, err)
		checkEvents(t, events, after, want[min(after, 3):])
	}
	checkLoad(t, l, h, want)
}

// incompressible returns n random characters.
func incompressible(n int) string {
	b := make([]byte, n*3/4)
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

func testBigArtifact(t *testing.T, l tasklog.Log) {
	for _, size := range []int{2 << 20, 5 << 20} {
		h, first := mustCreate(t, l)
		e := a2a.NewArtifactEvent(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, a2a.NewTextPart(incompressible(size)))
		b := tasklog.Batch{ID: h.ID, Writer: "w", First: 2, Events: [][]byte{encode(e)}, Expires: h.Expires}
		must(t, l.Append(t.Context(), b), l.Append(t.Context(), b), l.Append(t.Context(), batch(h, "w", 3, "after it")))
		events, err := l.Read(t.Context(), h.ID, 1, 1)
		must(t, err)
		checkEvents(t, events, 1, b.Events)
		last, err := l.Read(t.Context(), h.ID, 2, 1)
		must(t, err)
		checkLoad(t, l, h, [][]byte{first, b.Events[0], last[0].JSON})
	}
}

func testBigMessage(t *testing.T, l tasklog.Log) {
	for _, size := range []int{5 << 10, 1 << 20} {
		h, _ := NewTask()
		first := firstEvent(h, incompressible(size))
		must(t, l.Create(t.Context(), h, "creator", until(), first))
		if err := l.Create(t.Context(), h, "other", until(), first); !errors.Is(err, tasklog.ErrExists) {
			t.Errorf("by another writer: got %v, want ErrExists", err)
		}
		events, err := l.Read(t.Context(), h.ID, 0, 10)
		must(t, err)
		checkEvents(t, events, 0, [][]byte{first})
		checkLoad(t, l, h, [][]byte{first})
	}
}

// testReadBytes checks that a Read of many long events returns some of them.
func testReadBytes(t *testing.T, l tasklog.Log) {
	h, first := mustCreate(t, l)
	want := [][]byte{first}
	for i := range 4 {
		b := batch(h, "w", int64(len(want))+1, strings.Repeat(strconv.Itoa(i), tasklog.ReadBytes/2))
		must(t, l.Append(t.Context(), b))
		want = append(want, b.Events...)
	}
	for after, n := range []int{3, 2, 2, 2, 1, 0} {
		events, err := l.Read(t.Context(), h.ID, int64(after), 100)
		must(t, err)
		checkEvents(t, events, int64(after), want[after:after+n])
		if whole := tasklog.Whole(events, 100); whole != (n < 2) {
			t.Errorf("after event %d, these %d are all: %t", after, n, whole)
		}
	}
}

func testLong(t *testing.T, l tasklog.Log) {
	const n, each = 50_000, 500
	h, first := mustCreate(t, l)
	want := [][]byte{first}
	for len(want) < n {
		b := tasklog.Batch{ID: h.ID, Writer: "w", First: int64(len(want)) + 1, State: a2a.TaskStateWorking, Expires: h.Expires}
		for i := range each {
			b.Events = append(b.Events, StatusEvent(h, a2a.TaskStateWorking, strconv.Itoa(len(want)+i)))
		}
		must(t, l.Append(t.Context(), b))
		want = append(want, b.Events...)
	}
	for _, after := range []int{0, 1, 2, 501, n / 2, len(want) - 1, len(want)} {
		events, err := l.Read(t.Context(), h.ID, int64(after), 20)
		must(t, err)
		checkEvents(t, events, int64(after), want[after:min(after+20, len(want))])
	}
	var all []tasklog.Event
	for {
		events, err := l.Read(t.Context(), h.ID, int64(len(all)), 7777)
		must(t, err)
		all = append(all, events...)
		if len(events) < 7777 {
			break
		}
	}
	checkEvents(t, all, 0, want)
	checkLoad(t, l, h, want)
}

func testSnapshot(t *testing.T, l tasklog.Log) {
	s, ok := l.(tasklog.Snapshotter)
	if !ok {
		return // nothing more is promised
	}
	h, first := mustCreate(t, l)
	want := [][]byte{first}
	save := func(seq int64) {
		fold := tasklog.NewFold(nil, 0)
		for i, data := range want[:seq] {
			fold.Add(tasklog.Event{Seq: int64(i) + 1, JSON: data})
		}
		task, err := fold.Task()
		must(t, err)
		must(t, s.SaveSnapshot(t.Context(), h, "w", seq, tasklog.SnapshotLines(task)))
	}
	for range 5 {
		b := batch(h, "w", int64(len(want))+1, incompressible(100_000), "b", "c")
		must(t, l.Append(t.Context(), b))
		want = append(want, b.Events...)
		save(int64(len(want)) - 1) // in the middle of a batch
		checkLoad(t, l, h, want)
	}
	save(4) // late
	checkLoad(t, l, h, want)
	save(int64(len(want)))
	checkLoad(t, l, h, want)
}

// testSize checks that a log knows how large it is, whatever was saved of it, and that a poll does not return all of one that
// deflates to nearly nothing.
func testSize(t *testing.T, l tasklog.Log) {
	h, first := NewTask()
	h.Size = tasklog.Size{Bytes: int64(len(first)), Values: 7}
	must(t, l.Create(t.Context(), h, "w", until(), first))
	size := h.Size
	check := func(seq int64) {
		t.Helper()
		s, err := l.Load(t.Context(), h.ID)
		must(t, err)
		if s.Size != size || s.Seq != seq {
			t.Errorf("as of event %d the log has the size %+v, want %+v as of event %d", s.Seq, s.Size, size, seq)
		}
	}
	check(1)
	for i := range 6 {
		b := batch(h, "w", int64(i)+2, strings.Repeat("x", 1<<20))
		size = size.Plus(tasklog.Size{Bytes: int64(len(b.Events[0])), Values: 1})
		b.Size = size
		must(t, l.Append(t.Context(), b))
	}
	check(7)
	if s, ok := l.(tasklog.Snapshotter); ok {
		snapshot, err := l.Load(t.Context(), h.ID)
		must(t, err, s.SaveSnapshot(t.Context(), h, "w", snapshot.Seq, tasklog.SnapshotLines(snapshot.Task)))
		check(snapshot.Seq)
	}
	must(t, l.Fence(t.Context(), h, "other", 5, 8))
	check(7)
	next, polls := int64(0), 0
	for next < 7 {
		events, _, err := l.Poll(t.Context(), h.ID, next)
		must(t, err)
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
	}
	if polls < 2 {
		t.Errorf("%d polls brought 6 MB", polls)
	}
}

func testAppender(t *testing.T, l tasklog.Log) {
	const n = 3000
	h, first := mustCreate(t, l)
	fold := tasklog.NewFold(nil, 0)
	fold.Add(tasklog.Event{Seq: 1, JSON: first})
	tap := tasklog.NewTap(t.Context(), l, h.ID, 1)
	a := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{
		Log: l, Head: h, Writer: "w", Fold: fold, Gap: 5 * time.Millisecond, Tap: tap,
	})
	want := [][]byte{first}
	go func() {
		for i := range n {
			want = append(want, StatusEvent(h, a2a.TaskStateWorking, strconv.Itoa(i)))
			if err := a.Add(tasklog.Entry{JSON: want[i+1], State: a2a.TaskStateWorking}); err != nil {
				t.Error(err)
			}
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		tap.End()
	}()
	got := collect(t, tap)
	checkEvents(t, got, 1, want[1:])
	checkLoad(t, l, h, want)
	task, err := fold.Task()
	must(t, err)
	stored, err := l.Load(t.Context(), h.ID)
	must(t, err)
	if !reflect.DeepEqual(task, stored.Task) {
		t.Error("the appender's fold is not the task that Load returns")
	}
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
