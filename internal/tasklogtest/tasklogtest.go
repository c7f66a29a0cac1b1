// Package tasklogtest tests that a [tasklog.Store] keeps its contract; every implementation passes
// the same tests. It also does harm to stores, for the tests of their users.
package tasklogtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

type storeTest struct {
	name string
	run  func(*testing.T, tasklog.Store)
}

// bodies are the tests of what is large.
var bodies = []storeTest{
	{"BigArtifact", testBigArtifact},
	{"BigMessage", testBigMessage},
	{"ReadBytes", testReadBytes},
	{"Snapshot", testSnapshot},
	{"References", testReferences},
	{"Peek", testPeek},
	{"Requests", testRequests},
	{"JournalBig", testJournalBig},
}

var others = []storeTest{
	{"Create", testCreate},
	{"ConcurrentCreators", testConcurrentCreators},
	{"NotFound", testNotFound},
	{"Expired", testExpired},
	{"ReadAnywhere", testReadAnywhere},
	{"AppendTwice", testAppendTwice},
	{"ConcurrentAppenders", testConcurrentAppenders},
	{"NothingAfterTheEnd", testNothingAfterTheEnd},
	{"Long", testLong},
	{"Digits", testDigits},
	{"Size", testSize},
	{"Appender", testAppender},
	{"AppenderSuperseded", testAppenderSuperseded},
	{"Lease", testLease},
	{"LeaseBeforeRenewal", testLeaseBeforeRenewal},
	{"LeftToWorker", testLeftToWorker},
	{"Crashes", testCrashes},
	{"Cancel", testCancel},
	{"ConcurrentAcquire", testConcurrentAcquire},
	{"FormerHolder", testFormerHolder},
	{"NotCrashed", testNotCrashed},
	{"Released", testReleased},
	{"Takeover", testTakeover},
	{"Doubt", testDoubt},
	{"AskedOf", testAskedOf},
	{"Depose", testDepose},
	{"DoubtRace", testDoubtRace},
	{"DeposeRecorder", testDeposeRecorder},
	{"DeposeRace", testDeposeRace},
	{"Poll", testPoll},
	{"Seats", testSeats},
	{"ConcurrentSeats", testConcurrentSeats},
	{"Unfinished", testUnfinished},
	{"UnfinishedOrder", testUnfinishedOrder},
	{"Postponed", testPostponed},
	{"Places", testPlaces},
	{"Rounds", testRounds},
	{"List", testList},
	{"InContext", testInContext},
	{"Secret", testSecret},
	{"Owners", testOwners},
	{"Journal", testJournal},
	{"JournalFence", testJournalFence},
	{"JournalCrashes", testJournalCrashes},
	{"RecordRace", testRecordRace},
	{"Suspend", testSuspend},
	{"Wake", testWake},
	{"SuspendCancel", testSuspendCancel},
	{"SuspendRace", testSuspendRace},
	{"Waits", testWaits},
	{"WaitRace", testWaitRace},
}

// Test runs all tests. Open returns the store under test. The stores that it returns may share
// their tasks.
func Test(t *testing.T, open func(t *testing.T) tasklog.Store) {
	TestBodies(t, open)
	for _, test := range others {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// TestBodies runs the tests of what is large only: for a store that keeps it in another way. They run
// beside each other, and have ended when it returns.
func TestBodies(t *testing.T, open func(t *testing.T) tasklog.Store) {
	t.Run("Bodies", func(t *testing.T) {
		for _, test := range bodies {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				test.run(t, open(t))
			})
		}
	})
}

// Wrap returns the store with errors that are wrapped, as those of every store may be.
func Wrap(s tasklog.Store) tasklog.Store {
	return tasklog.Hooked(s, tasklog.Hooks{After: func(_ context.Context, op tasklog.Op, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", op.Name, err)
		}
		return nil
	}})
}

// NewTask returns the head and the first event of a new task, which lives for an hour.
func NewTask() (tasklog.Head, tasklog.Entry) {
	h := tasklog.Head{
		ID: a2a.NewTaskID(), ContextID: a2a.NewContextID(), Scope: tasklog.Scope{Owner: "owner", Tenant: "tenant"},
		Expires: time.Now().Truncate(time.Second).UTC().Add(time.Hour),
	}
	return h, firstEvent(h, "hello")
}

func firstEvent(h tasklog.Head, text string) tasklog.Entry {
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))
	task := a2a.NewSubmittedTask(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, m)
	now := time.Now().Truncate(time.Second).UTC()
	task.Status.Timestamp = &now
	return EntryOf(task)
}

// Status returns a status event of the task, with the text if it is not "".
func Status(h tasklog.Head, state a2a.TaskState, text string) tasklog.Entry {
	info := a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}
	var m *a2a.Message
	if text != "" {
		m = a2a.NewMessageForTask(a2a.MessageRoleAgent, info, a2a.NewTextPart(text))
	}
	return EntryOf(a2a.NewStatusUpdateEvent(info, state, m))
}

// EntryOf returns the entry of the event.
func EntryOf(event a2a.Event) tasklog.Entry {
	data, err := tasklog.Encode(event)
	if err != nil {
		panic(err)
	}
	return tasklog.NewEntry(event, data)
}

// working returns a status for each text.
func working(h tasklog.Head, texts ...string) (entries []tasklog.Entry) {
	for _, text := range texts {
		entries = append(entries, Status(h, a2a.TaskStateWorking, text))
	}
	return entries
}

// in returns a status without text.
func in(h tasklog.Head, state a2a.TaskState) []tasklog.Entry {
	return []tasklog.Entry{Status(h, state, "")}
}

// until returns an end for a lease that lasts for the test.
func until() time.Time { return time.Now().Add(time.Minute).Truncate(time.Millisecond) }

// by returns the writer's claim to a lease that lasts for the test.
func by(writer string) tasklog.Claim { return tasklog.Claim{Writer: writer, Until: until()} }

// must fails the test at the first error among errs.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// refused fails the test unless the error says that somebody else writes to the task.
func refused(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("%s: got %v, want ErrConflict", what, err)
	}
}

// mustCreate creates a task whose lease the writer "creator" holds.
func mustCreate(t *testing.T, s tasklog.Store) (tasklog.Head, tasklog.Entry, tasklog.Lease) {
	t.Helper()
	h, first := NewTask()
	lease, err := s.Create(t.Context(), h, first, by("creator"))
	must(t, err)
	return h, first, lease
}

func mustLoad(t *testing.T, s tasklog.Store, id a2a.TaskID) *tasklog.Snapshot {
	t.Helper()
	snapshot, err := s.Load(t.Context(), id)
	must(t, err)
	return snapshot
}

// mustAcquire acquires the lease of the task as it is.
func mustAcquire(t *testing.T, s tasklog.Store, id a2a.TaskID, c tasklog.Claim) tasklog.Lease {
	t.Helper()
	lease, err := s.Acquire(t.Context(), mustLoad(t, s, id), c)
	must(t, err)
	return lease
}

// endTurn ends the turn of the lease with event number seq: the task waits for input.
func endTurn(t *testing.T, l tasklog.Lease, h tasklog.Head, seq int64) {
	t.Helper()
	must(t, l.Append(t.Context(), seq, in(h, a2a.TaskStateInputRequired)))
	l.Close(t.Context())
}

// checkEvents fails the test unless the events are those of want, numbered from after+1.
func checkEvents(t *testing.T, events []tasklog.Event, after int64, want []tasklog.Entry) {
	t.Helper()
	if len(events) != len(want) {
		t.Fatalf("read %d events after %d, want %d", len(events), after, len(want))
	}
	for i, e := range events {
		if e.Seq != after+int64(i)+1 || !bytes.Equal(e.JSON, want[i].JSON) {
			t.Fatalf("event after %d: got %d %.200s\nwant %d %.200s", after, e.Seq, e.JSON, after+int64(i)+1, want[i].JSON)
		}
	}
}

// checkRead fails the test unless Read returns the right part of all events: those after number
// after, limit at most.
func checkRead(t *testing.T, s tasklog.Store, h tasklog.Head, after, limit int, all []tasklog.Entry) {
	t.Helper()
	events, more, err := s.Read(t.Context(), h.ID, int64(after), limit)
	must(t, err)
	from := min(after, len(all))
	end := min(from+limit, len(all))
	checkEvents(t, events, int64(after), all[from:end])
	if more != (end < len(all)) {
		t.Errorf("%d events after %d of %d: more is %t", len(events), after, len(all), more)
	}
}

// foldOf returns the fold over the events.
func foldOf(entries []tasklog.Entry) *tasklog.Fold {
	fold := tasklog.NewFold(nil, 0)
	for i, e := range entries {
		fold.Add(tasklog.Event{Seq: int64(i) + 1, JSON: e.JSON})
	}
	return fold
}

// checkLoad fails the test unless Load returns the fold over the events.
func checkLoad(t *testing.T, s tasklog.Store, h tasklog.Head, events []tasklog.Entry) {
	t.Helper()
	want, err := foldOf(events).Task()
	must(t, err)
	got := mustLoad(t, s, h.ID)
	if got.Seq != int64(len(events)) {
		t.Fatalf("loaded as of event %d, want %d", got.Seq, len(events))
	}
	if !got.Head.Expires.Equal(h.Expires) || got.Head.ID != h.ID ||
		got.Head.ContextID != h.ContextID || got.Head.Scope != h.Scope {
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

// checkLease fails the test unless Load, Poll and Lease all return the wanted lease. It returns the
// snapshot.
func checkLease(t *testing.T, s tasklog.Store, h tasklog.Head, want tasklog.LeaseInfo) *tasklog.Snapshot {
	t.Helper()
	snapshot := mustLoad(t, s, h.ID)
	polled, err := s.Poll(t.Context(), h.ID, snapshot.Seq, false)
	must(t, err)
	alone, err := s.Lease(t.Context(), h.ID)
	must(t, err)
	if len(polled.Events) != 0 {
		t.Fatalf("polled %d events after the last", len(polled.Events))
	}
	for method, got := range map[string]tasklog.LeaseInfo{"Load": snapshot.Lease, "Poll": polled.Lease, "Lease": alone} {
		sameEnd := got.Until.Equal(want.Until) || want.Until.IsZero() && got.Expired()
		got.Until = want.Until
		if !sameEnd || got != want {
			t.Errorf("%s: the lease is %+v, want %+v; its end is right: %t", method, got, want, sameEnd)
		}
	}
	return snapshot
}

// incompressible returns n random characters.
func incompressible(n int) string {
	b := make([]byte, n*3/4)
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// numbered returns a status for each number.
func numbered(h tasklog.Head, from, n int) (entries []tasklog.Entry) {
	for i := range n {
		entries = append(entries, Status(h, a2a.TaskStateWorking, strconv.Itoa(from+i)))
	}
	return entries
}
