// Package tasklog defines how a task is kept: as an append-only log of events numbered 1, 2, 3 …
// without gaps.
//
// The log is the truth. The Task object is a fold over it ([Fold]), a stream is a walk along it,
// and the SSE id of an event is its number. An event is in the log before anybody sees it.
//
// A [Log] is for anybody: it begins tasks, reads them, and gives leases. A [Lease] is for its one
// holder: what proves the right to write is what one writes with. An [Index] finds tasks without
// their ids, and may lag behind the logs. A [Store] is all three: package memlog in memory, package
// dynamolog in DynamoDB. Package tasklogtest holds the tests that both pass. A running task writes
// through an [Appender], which gathers events into few writes.
//
// The words: a turn is what one message makes the agent do, until a final state ([Final]). A run is
// one execution for a turn, in one invocation; it holds the lease. A holder that does not release
// its lease before it ends has crashed. Whoever acquires the lease then takes the task over, and
// puts a fence into the log: an empty entry at the next place, which keeps out who held the lease
// before.
package tasklog

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/trace"
)

var (
	// ErrNotFound means that no such task exists, or that it has expired.
	ErrNotFound = errors.New("task not found")

	// ErrExists means that a task of this id was created before, by somebody else.
	ErrExists = errors.New("task exists")

	// ErrConflict means that the task is not as the caller has seen it, or that the caller does not
	// hold its lease any more: it must look again, or stop.
	ErrConflict = errors.New("somebody else writes to the task")

	// ErrThrottled means that the store refuses calls for their number, and has refused this one
	// also when it was tried again. The same call succeeds later.
	ErrThrottled = errors.New("the store is busy")
)

type givesUpSoon struct{}

// GiveUpSoon returns a context whose calls a store tries again for about a second at most when it
// is throttled, not for some seconds. It is for what nobody relies on yet, and whose caller can be
// told to come again: so what is left of a busy store goes to the tasks that are running. They must
// not get this context.
func GiveUpSoon(ctx context.Context) context.Context {
	return context.WithValue(ctx, givesUpSoon{}, true)
}

// GivesUpSoon reports whether ctx comes from [GiveUpSoon].
func GivesUpSoon(ctx context.Context) bool { return ctx.Value(givesUpSoon{}) != nil }

// Event is one entry of a task's log.
type Event struct {
	// Seq is the number of the event in its task, from 1.
	Seq int64
	// JSON is the event as an A2A 1.0 StreamResponse object (specification 3.2.3), on one line. See
	// [Encode]. It is shared: nobody may change it.
	JSON []byte
}

// Scope is who a task belongs to. Nobody else gets to see it.
type Scope struct {
	// Owner is the caller, "" where callers are not told apart: see [Owner].
	Owner string
	// Tenant is what the caller has named as such (specification 4.4.6), "" for none.
	Tenant string
}

// Head is what of a task never changes, and can be read without its events.
type Head struct {
	ID        a2a.TaskID
	ContextID string
	Scope     Scope
	// Expires is when the life of the task and of all its events ends, to the second: from then on
	// it is not found.
	Expires time.Time
	// Begins says that the context began with this task: nobody could name its id before. See
	// [Index.InContext].
	Begins bool
	// Push says that the task has push notification configurations, or has had some. [Log.Load]
	// fills it in.
	Push bool
}

// Request is what is kept of a request, besides its message, for an executor wherever it runs.
type Request struct {
	// Trace is where the request came from.
	Trace trace.Trace
	// Extensions are the URIs of the extensions that are active.
	Extensions []string
	// Metadata is that of the request, apart from its message's: a JSON object, or nil. It is
	// shared: nobody may change it.
	Metadata json.RawMessage
}

// Entry is an event on its way into the log.
type Entry struct {
	// JSON is the event's, see [Event]. Nobody may change it from then on.
	JSON []byte
	// State is the state that the event brings, or "", and Time when the task got it.
	State a2a.TaskState
	Time  time.Time
	// Values are those of its [Size].
	Values int64
}

// NewEntry returns the entry of an event, whose JSON is data. See [Encode].
func NewEntry(event a2a.Event, data []byte) Entry {
	e := Entry{JSON: data, Values: SizeOf(event).Values}
	var status *a2a.TaskStatus
	switch event := event.(type) {
	case *a2a.Task:
		status = &event.Status
	case *a2a.TaskStatusUpdateEvent:
		status = &event.Status
	default:
		return e
	}
	if e.State = status.State; status.Timestamp != nil {
		e.Time = *status.Timestamp
	}
	return e
}

// Size returns the entry's.
func (e Entry) Size() Size { return Size{Bytes: int64(len(e.JSON)), Values: e.Values} }

// Claim is what somebody asks for a lease with.
type Claim struct {
	// Writer names who asks. It is unique to one turn of one task, and makes a repeated write
	// recognizable.
	Writer string
	// Until is when the lease ends, to the millisecond. Zero leaves the task to a worker: the lease
	// is nobody's. It can append once, if nobody else was faster, and must not be renewed.
	Until time.Time
	// Request is the request that begins the turn, or that had begun it.
	Request Request
	// Push says that the request brings a push notification configuration.
	Push bool
}

// LeaseInfo says who holds the lease of a task.
type LeaseInfo struct {
	// Holder is the writer that holds it, "" if it was given to nobody yet.
	Holder string
	// Epoch counts the leases. It is 1 for the first, also before that is given, and grows by at
	// least 1.
	Epoch int64
	// Seq is the number of the last event when the lease was given.
	Seq int64
	// Until is when the lease ends, to the millisecond. The holder of an unfinished task has
	// crashed if it is over.
	Until time.Time
	// Released says that the holder gave the lease up, for somebody else to go on.
	Released bool
	// Cancel says that the task is to be canceled, and that no holder has learned of it and ended
	// its turn in another way.
	Cancel bool
	// Crashes is how many holders before this one, in a row, crashed without having appended
	// anything.
	Crashes int
	// Asked is how often the look at the task was postponed since the lease was given. See [Looks].
	Asked int
}

// Expired reports whether the lease has ended.
func (l LeaseInfo) Expired() bool { return !time.Now().Before(l.Until) }

// Asked is what is asked of the holder of a lease.
type Asked struct {
	// Cancel says that the task is to be canceled.
	Cancel bool
}

// Filter says which tasks are listed. The zero value of a field lets all pass, but for the scope.
type Filter struct {
	Scope     Scope
	ContextID string
	State     a2a.TaskState
	// Since is the earliest time of the status.
	Since time.Time
}

// Position is a task's place in a list: newest status first, and by id where the time is the same.
// A greater position is earlier in the list.
type Position struct {
	Time time.Time // of the status, to the millisecond
	ID   a2a.TaskID
}

// Snapshot is a task as of event Seq.
type Snapshot struct {
	Head Head
	// Task is the fold over the events 1 … Seq. It belongs to the caller, but what it points to is
	// shared.
	Task *a2a.Task
	Seq  int64
	// Size is the log's.
	Size Size
	// First is the request that began the task, and Last the one that began its last turn.
	First, Last Request
	// Lease is the last that was given.
	Lease LeaseInfo
}

// Past is a task as it was.
type Past struct {
	Task *a2a.Task
	// Later are the events that came next, in order, as far as they were read with it: ReadBytes of
	// them, but for the last append.
	Later []Event
	// Now is what Load returns, but with a task that has only its ids and its state: no task is in
	// memory twice.
	Now *Snapshot
}

// Busy reports whether somebody holds the lease and may append. That may also be so in a final
// state: the holder of the next turn is about to append.
func (s *Snapshot) Busy() bool { return !s.over() && !s.Lease.Expired() }

// over reports whether the turn that the last lease was given for has ended.
func (s *Snapshot) over() bool { return Final(s.Task.Status.State) && s.Lease.Seq < s.Seq }

// CrashedIdle reports whether the last holder, if it does not run any more, crashed before it had
// appended anything.
func (s *Snapshot) CrashedIdle() bool {
	return s.Lease.Holder != "" && s.Lease.Seq == s.Seq && !s.Lease.Released
}

// Fenced reports whether the next lease begins with a fence, since somebody may still append with
// the one in s: its holder, if it has neither released the lease nor ended its turn, or, if that
// lease was left to a worker, whoever left it and has not appended yet.
func (s *Snapshot) Fenced() bool {
	if s.Lease.Holder == "" {
		return s.Lease.Epoch > 1 && s.Lease.Seq == s.Seq
	}
	return !s.Lease.Released && !s.over()
}

// Next returns the lease that follows the one in s.
func (s *Snapshot) Next(c Claim) LeaseInfo {
	next := LeaseInfo{Holder: c.Writer, Epoch: s.Lease.Epoch + 1, Seq: s.Seq, Until: c.Until, Cancel: s.Lease.Cancel}
	if s.CrashedIdle() {
		next.Crashes = s.Lease.Crashes + 1
	}
	if c.Until.IsZero() {
		next.Holder = ""
	}
	return next
}

// Log stores the logs of tasks. It is safe for concurrent use, by several processes where it is
// stored outside of the process.
//
// Reads are strongly consistent, but where it is said otherwise: they show every event whose append
// has returned. An error that is none of this package's means that the store could not be asked; a
// write that failed so, or that was throttled, may still have been done, and can be repeated.
// Errors may be wrapped.
type Log interface {
	// Create stores a new task and its event 1, in one step, and gives the lease. It returns
	// ErrExists if the task was created before. Repeating it with the same writer is no error, and
	// gives the same lease.
	Create(ctx context.Context, h Head, first Entry, c Claim) (Lease, error)

	// Acquire gives the lease that follows the one in s, and makes the task one of those that
	// [Index] has looked at. Nobody who held the lease before can append after it. It returns
	// ErrConflict if the lease is no longer the one in s, or the log has grown. If the lease in s
	// has not ended, it is taken nonetheless: the caller knows that its holder has not put the
	// message of its turn into the log, and should have. A request to cancel stays. Repeating it
	// with the same writer is no error, and gives the same lease. It may return ErrNotFound if
	// there is no such task any more.
	Acquire(ctx context.Context, s *Snapshot, c Claim) (Lease, error)

	// Load returns the task as of its last event. It returns ErrNotFound if there is no such task.
	Load(ctx context.Context, id a2a.TaskID) (*Snapshot, error)

	// LoadAt returns the task as it was after event number seq, or after the last if there are not
	// so many. Seq is 1 or more. It reads as much as Load, unless there is a later snapshot: then
	// also from the one before seq on. It returns ErrNotFound if there is no such task.
	LoadAt(ctx context.Context, id a2a.TaskID, seq int64) (*Past, error)

	// Lease says who holds the lease. It costs little, however long the log is. It returns
	// ErrNotFound if there is no such task.
	Lease(ctx context.Context, id a2a.TaskID) (LeaseInfo, error)

	// RequestCancel asks the holder of the lease to cancel the task, or the next one, if there is
	// none.
	RequestCancel(ctx context.Context, h Head) error

	Reader
	Poller
}

// Reader reads a log.
type Reader interface {
	// Read returns the events after event number after, in order: limit at most, and none after
	// those with which they are ReadBytes or more. More says whether there are others after them.
	// It returns ErrNotFound if there is no such task.
	Read(ctx context.Context, id a2a.TaskID, after int64, limit int) (events []Event, more bool, err error)
}

// Poller follows a log.
type Poller interface {
	// Poll returns the events after event number after, and says who holds the lease. It is the
	// cheap way to follow a log: after is 0, or the last that a Poll, a Load, or a Read to the end
	// has returned. It may return only some of the events if they are many. It returns ErrNotFound
	// if there is no such task.
	//
	// A stale poll costs less, and may be of some time ago, mostly less than a second: it may miss
	// events, show a lease that is no longer the last, and not find a task that was just created.
	// The events that it returns are those of the log.
	Poll(ctx context.Context, id a2a.TaskID, after int64, stale bool) (Polled, error)
}

// Polled is what a Poll has found.
type Polled struct {
	// Events are in order, without gaps.
	Events []Event
	// More says that there are others after them.
	More bool
	// Lease is the last that was given.
	Lease LeaseInfo
}

// Lease is the right to append to a task's log. It is safe for concurrent use, but for two appends
// at a time. Its methods return ErrConflict once somebody else has the lease.
type Lease interface {
	// Append puts events, of which there is at least one, at number first and after, all or none.
	// The index is told of the state that they bring, later: see [Index]. first is the number that
	// follows the last event. Repeating it is no error, if it was the last append. A terminal state
	// is always that of the last event: nothing is appended after it.
	Append(ctx context.Context, first int64, entries []Entry) error

	// Renew makes the lease end at until, and returns what is asked of its holder.
	Renew(ctx context.Context, until time.Time) (Asked, error)

	// Asked returns what is asked of the holder. It may miss what was asked for less than a second
	// ago, and does not always notice that somebody else has the lease.
	Asked(ctx context.Context) (Asked, error)

	// SaveSnapshot stores the task as of event seq, for Load to start from, in the lines of
	// [SnapshotLines], which it takes once. An older one than the stored one changes nothing. A
	// store that needs no snapshots takes no line.
	SaveSnapshot(ctx context.Context, seq int64, lines iter.Seq2[[]byte, error]) error

	// Release ends the lease at once, for somebody else to go on with the task. Repeating it is no
	// error. After it, Append and Renew return ErrConflict.
	Release(ctx context.Context) error

	// Close tells the index what it has not been told yet, and waits until it has been told what
	// was appended. What can't be told is tried again, for 20 s at most: until then, or until ctx
	// is done. Nothing is done with the lease after it. If it was not released, and its turn goes
	// on, it ends by itself.
	Close(ctx context.Context)
}

// Index finds tasks without their ids. It lags behind the logs: a task that begins is in it at
// once, a state in which a turn ends as soon as it can be told, and any other state at the earliest
// 5 s after the one before, if no other has followed it by then. So a list may show the state
// before for so long, and a list of those in a state may leave the task out.
//
// What a call reads does not grow with the tasks that there are.
type Index interface {
	// List returns the first tasks, limit at most, that match the filter, newest status first:
	// those after the position, or from the newest on, if that is zero. A store in which looking
	// costs something looks at no more than some thousands, and may find fewer than there are, or
	// none: then there is more after the position up to which it has looked. It may show tasks that
	// the filter no longer lets pass, and a position that has been another's for some seconds. A
	// task that changes while the list is read moves to its beginning: a caller that has read on
	// misses it there.
	List(ctx context.Context, f Filter, after Position, limit int) (Page, error)

	// Count returns how many tasks there are that List would show. If there are more than some
	// thousands to look at, it counts among the newest of them.
	Count(ctx context.Context, f Filter) (int, error)

	// InContext returns the last tasks that were created in a context, limit at most, the newest
	// first. It does not lag. It may return tasks that have expired, or were never there.
	InContext(ctx context.Context, s Scope, contextID string, limit int) ([]a2a.TaskID, error)

	// Looks are those at the tasks that have not reached a final state: when their lease ends as it
	// was given, or, if they were left to a worker, at once.
	Looks

	// Settle tells the index what it has missed of a task that is in a final state and not busy, so
	// that nobody looks at it any more. If somebody has acquired the task since, it does nothing.
	Settle(ctx context.Context, s *Snapshot) error
}

// Page is a part of a list.
type Page struct {
	// Found are the tasks, newest status first.
	Found []Position
	// Looked is the position up to which the list was looked at.
	Looked Position
	// More says whether there may be more after it.
	More bool
}

// Store is all that a store of tasks does.
type Store interface {
	Log
	Index

	// Secret returns SecretBytes random bytes, which are as old as the store and live as long:
	// every caller gets the same, in all processes that share the store. They are made when they
	// are first asked for, read once, and kept; nobody may change them.
	Secret(ctx context.Context) ([]byte, error)
}

// SecretBytes is how long the secret of a store is.
const SecretBytes = 32

// ReadBytes is how much JSON one Read or Poll returns, but for the last event, or append, of it.
const ReadBytes = 4 << 20

// Final reports whether a run ends when its task reaches this state: the state is terminal, or
// waits for the client (specification 3.2.2, "interrupted").
func Final(s a2a.TaskState) bool {
	return s.Terminal() || s == a2a.TaskStateInputRequired || s == a2a.TaskStateAuthRequired
}
