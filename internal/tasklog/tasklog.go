// Package tasklog defines how a task is kept: as an append-only log of events numbered 1, 2, 3 … without gaps.
//
// The log is the truth. The Task object is a fold over it ([Fold]), a stream is a walk along it, and the SSE id of an
// event is its number. An event is in the log before anybody sees it.
//
// A [Log] stores logs: package memlog in memory, package dynamolog in DynamoDB. Package tasklogtest holds the tests
// that both pass. An [Appender] is what a running task writes through: it gathers events into few writes.
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

	// ErrConflict means that another writer has already put an event at this place of the log. Whoever gets it is
	// not the writer of this task (any longer) and must stop.
	ErrConflict = errors.New("another writer has appended")
)

// Event is one entry of a task's log.
type Event struct {
	// Seq is the number of the event in its task, from 1.
	Seq int64
	// JSON is the event as an A2A 1.0 StreamResponse object (specification 3.2.3), on one line. See [Encode].
	// It is shared: nobody may change it.
	JSON []byte
}

// Scope is who a task belongs to. Nobody else gets to see it.
type Scope struct {
	// Owner is the caller, "" where callers are not told apart: see [Owner].
	Owner string
	// Tenant is what the caller has named as such (specification 4.4.6), "" for none.
	Tenant string
}

// Head says what is known of a task without reading its events.
type Head struct {
	ID        a2a.TaskID
	ContextID string
	Scope     Scope
	// Created and Expires bound the life of the task and of all its events. From Expires on, the task is not found.
	// Both are kept to the second.
	Created, Expires time.Time
	// Push says that the task has push notification configurations, or has had some: whoever appends says so with each batch.
	Push bool
	// Size is that of the log with event 1, when the task is created.
	Size Size
	// Request is of the request which began the task, or its last turn.
	Request
}

// Request is what is kept of a request, besides its message, for an executor wherever it runs.
type Request struct {
	// Trace is where the request came from.
	Trace trace.Trace
	// Extensions are the URIs of the extensions that are active.
	Extensions []string
	// Metadata is that of the request, apart from its message's: a JSON object, or nil. It is shared: nobody may change it.
	Metadata json.RawMessage
}

// Lease says who runs a task: who appends to its log.
type Lease struct {
	// Holder is the writer that runs the task, "" if it has been given to nobody yet.
	Holder string
	// Epoch counts the holders. It is 1 for the first, also before there is one.
	Epoch int64
	// Seq is the number of the last event when the lease was given.
	Seq int64
	// Until is when the lease ends, to the millisecond. A task that has not reached a final state by then has lost its
	// holder.
	Until time.Time
	// Cancel says that somebody has asked the holder to cancel the task.
	Cancel bool
	// Lost is how many holders before this one, in a row, were lost without having appended anything.
	Lost int
}

// HandedOver is when a lease ends that its holder has given up to another: long ago, which tells it from one that ended because its
// holder was lost.
var HandedOver = time.UnixMilli(1)

// Next returns the lease that follows the one in s, for the writer.
func (s *Snapshot) Next(writer string, until time.Time) Lease {
	next := Lease{Holder: writer, Epoch: s.Lease.Epoch + 1, Seq: s.Seq, Until: until}
	if s.Fruitless() {
		next.Lost = s.Lease.Lost + 1
	}
	return next
}

// Fruitless reports whether the last holder has appended nothing, and has not given up the lease either. If the task is not busy, it
// was lost.
func (s *Snapshot) Fruitless() bool {
	return s.Lease.Holder != "" && s.Lease.Seq == s.Seq && !s.Lease.Until.Equal(HandedOver)
}

// Asked is what somebody wants the holder of a lease to know.
type Asked struct {
	// Cancel says that the task is to be canceled.
	Cancel bool
	// Push says that the task has got its first push notification configuration since the holder has seen its head.
	Push bool
}

// Expired reports whether the lease has ended.
func (l Lease) Expired() bool { return !time.Now().Before(l.Until) }

// Status is the part of a head that follows the log.
type Status struct {
	State a2a.TaskState
	// Time is when the task got its status, to the millisecond.
	Time time.Time
	// Seq is the number of the event that brought this status.
	Seq int64
}

// Filter says which tasks are listed. The zero value of a field lets all pass, but for the scope.
type Filter struct {
	Scope     Scope
	ContextID string
	State     a2a.TaskState
	// Since is the earliest time of the status.
	Since time.Time
}

// Position is a task's place in a list: newest status first, and by id where the time is the same. A greater position is
// earlier in the list.
type Position struct {
	Time time.Time // of the status, to the millisecond
	ID   a2a.TaskID
}

// Batch is a run of consecutive events that are appended together, all or none.
type Batch struct {
	ID a2a.TaskID
	// Writer names who appends. It is unique to one turn of one task, and makes a repeated append recognizable.
	Writer string
	// First is the number of Events[0].
	First int64
	// Events are the JSON of the events. There is at least one.
	Events [][]byte
	// State is the state of the task after the last event, if these events set it. A terminal state is always that of the
	// last event: nothing is appended after it.
	State a2a.TaskState
	// Expires is that of the head.
	Expires time.Time
	// Push says that there are webhooks to be told of these events.
	Push bool
	// Size is that of the log with these events.
	Size Size
}

// Last returns the number of the last event of b.
func (b Batch) Last() int64 { return b.First + int64(len(b.Events)) - 1 }

// Snapshot is a task as of event Seq.
type Snapshot struct {
	Head Head
	// Task is the fold over the events 1 … Seq. It belongs to the caller, but what it points to is shared.
	Task *a2a.Task
	Seq  int64
	// Size is that of the log, by the last append.
	Size Size
	// Lease is the last that was given.
	Lease Lease
}

// Busy reports whether somebody runs the task. That may also be so in a final state: the holder of the next turn is about to
// append.
func (s *Snapshot) Busy() bool {
	if Final(s.Task.Status.State) && s.Lease.Seq < s.Seq {
		return false
	}
	return !s.Lease.Expired()
}

// Log stores the logs of tasks. It is safe for concurrent use, by several processes where it is stored outside of the
// process.
//
// Reads are strongly consistent: they show every event whose append has returned. An error that is none of this package's
// means that the store could not be asked; a write that failed so may still have been done, and can be repeated.
type Log interface {
	// Create stores a new task and its event 1, in one step, and gives the lease to the writer, or to nobody if until is zero.
	// It returns ErrExists if the task was created before. Repeating it with the same writer is no error. The size of the log is
	// h.Size.
	Create(ctx context.Context, h Head, writer string, until time.Time, event []byte) error

	// Append puts the events of b at b.First and after, if nobody has put one at b.First. Otherwise it returns
	// ErrConflict, unless the one who has is b.Writer: then the append had been done before, and is acknowledged again.
	// The caller makes sure that b.First is at most one more than the number of the last event.
	Append(ctx context.Context, b Batch) error

	// Acquire gives the lease to the writer, as [Snapshot.Next] has it, and makes the task one of those that [Log.Running] tells.
	// It returns ErrConflict if the lease is no longer the one in s, which the caller has seen not to be busy. A request to
	// cancel is forgotten. What the head says of the request is from then on as in s.
	Acquire(ctx context.Context, s *Snapshot, writer string, until time.Time) (Lease, error)

	// Fence reserves the place of event next for the writer, who holds the lease in that epoch: from then on nobody of an
	// earlier epoch can append. It returns ErrConflict if there is such an event already, or a later epoch has been there.
	Fence(ctx context.Context, h Head, writer string, epoch, next int64) error

	// Renew makes the holder's lease end at until, and tells what it was asked. It returns ErrConflict if the writer is not the
	// holder. With a zero until it only tells. A holder that was told of Push sets h.Push from then on.
	Renew(ctx context.Context, h Head, writer string, until time.Time) (Asked, error)

	// RequestCancel asks the holder to cancel the task.
	RequestCancel(ctx context.Context, h Head) error

	// SetStatus tells the head of the status that the log has reached. The head is a hint, for lists and searches: it may lag
	// behind the log, but never goes back (a smaller s.Seq than the stored one changes nothing).
	SetStatus(ctx context.Context, id a2a.TaskID, s Status) error

	// Settle tells the head what it has missed of a task that is in a final state and not busy, so that [Log.Running] no longer
	// tells the task. If somebody has acquired it since, it does nothing.
	Settle(ctx context.Context, s *Snapshot) error

	// Read returns the events after event number after, in order: limit at most, and none after the first with which they are
	// ReadBytes or more. So they are all there are by now if [Whole] says so. It returns ErrNotFound if there is no such task.
	Read(ctx context.Context, id a2a.TaskID, after int64, limit int) ([]Event, error)

	// Poll returns the events after event number after, or if there are none, the lease. It is the cheap way to follow a
	// log: after is 0, or the last that a Poll, a Load, or a Read to the end has returned. It may return only some of the
	// events if they are many, and returns no more appends after those with which they are ReadBytes or more.
	Poll(ctx context.Context, id a2a.TaskID, after int64) ([]Event, Lease, error)

	// Lease returns the lease. It costs little, however long the log is. It returns ErrNotFound if there is no such task.
	Lease(ctx context.Context, id a2a.TaskID) (Lease, error)

	// Running calls yield with the tasks that have not reached a final state by their heads, in any order, until it returns false.
	Running(ctx context.Context, yield func(a2a.TaskID) bool) error

	// List calls yield with the tasks that match the filter by their heads, newest status first, from the place after the
	// position on, or from the newest if that is zero, until yield returns false. Heads may lag behind the logs, and a task
	// that changes while the list is read moves to its beginning: there it is missed by who has read on.
	List(ctx context.Context, f Filter, after Position, yield func(Position) bool) error

	// Count returns how many tasks List would show from the newest on.
	Count(ctx context.Context, f Filter) (int, error)

	// Load returns the task as of its last event. It returns ErrNotFound if there is no such task.
	Load(ctx context.Context, id a2a.TaskID) (*Snapshot, error)

	// Secret returns SecretBytes random bytes, which are as old as the store and live as long: all who ask get the same, in all
	// processes that share it. Whoever asks first makes them. They are read once and kept; nobody may change what is returned.
	Secret(ctx context.Context) ([]byte, error)
}

// SecretBytes is how long the secret of a store is.
const SecretBytes = 32

// ReadBytes is how much JSON one Read returns, but for the last event of it.
const ReadBytes = 4 << 20

// Whole reports whether what a Read with that limit has returned is all that there was.
func Whole(events []Event, limit int) bool {
	size := 0
	for _, e := range events {
		size += len(e.JSON)
	}
	return len(events) < limit && size < ReadBytes
}

// Snapshotter is a Log that loads a long task faster if it is given the fold over it now and then.
type Snapshotter interface {
	Log

	// SaveSnapshot stores the task as of event seq, for Load to start from: the lines of [SnapshotLines], which it asks for once. An
	// older one than the stored one changes nothing.
	SaveSnapshot(ctx context.Context, h Head, writer string, seq int64, lines iter.Seq2[[]byte, error]) error
}

// Final reports whether a run ends when its task reaches this state: the state is terminal, or waits for the client
// (specification 3.2.2, "interrupted").
func Final(s a2a.TaskState) bool {
	return s.Terminal() || s == a2a.TaskStateInputRequired || s == a2a.TaskStateAuthRequired
}
