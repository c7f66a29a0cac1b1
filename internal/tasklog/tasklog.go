// Package tasklog defines how a task is kept: as an append-only log of events. The events have the
// numbers 1, 2, 3 … without gaps.
//
// The log is the truth. The Task object is a fold over it ([Fold]), a stream is a walk along it,
// and the SSE id of an event is its number. An event is in the log before anybody sees it.
//
// Anybody may use a [Log]: it creates tasks, reads them, and gives leases. A [Lease] is the right
// to append to one task; one holder has it. An [Index] finds tasks without their ids, and may lag
// behind the logs. [Seats] bound how many instances follow a task. A [Store] is all of these.
// Package memlog keeps one in memory, package dynamolog in DynamoDB; both pass the tests in package
// tasklogtest. A run appends through an [Appender], which gathers events into few writes.
//
// These words mean the same everywhere:
//
//   - A turn is what one accepted message makes the agent do, until a final state ([Final]).
//   - A run is one execution for a turn, in one invocation. It holds the lease.
//   - A task is unfinished until its turn has reached a final state. It is busy while a holder has
//     its lease: until the holder releases it, suspends the task, or is deposed. No clock decides:
//     those of two machines may differ.
//   - To doubt a holder is to ask it, by its lease, for a renewal. One that does not answer is
//     deposed, or its lease is acquired: then it has crashed, as far as anybody knows.
//   - A takeover acquires the lease of a holder that crashed. A hand-over is the release of a
//     lease, for another invocation to go on.
//   - A fence is an empty entry at the next place of a log. It keeps earlier holders out.
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
	// ErrNotFound means that the task does not exist, or has expired.
	ErrNotFound = errors.New("task not found")

	// ErrExists means that somebody else has created a task with this id before.
	ErrExists = errors.New("task exists")

	// ErrConflict means that the task is not as the caller saw it, or that the caller no longer
	// holds its lease. The caller must load the task again, or stop.
	ErrConflict = errors.New("somebody else writes to the task")

	// ErrThrottled means that the store gets too many calls. It has refused this call, and every
	// retry of it. The same call succeeds later.
	ErrThrottled = errors.New("the store is busy")
)

type givesUpSoon struct{}

// GiveUpSoon returns a context for calls that give up soon: a store that is throttled retries them
// for about a second, not for several. Use it where nothing relies on the call yet, and where the
// caller can ask its client to come again. What is left of a busy store then goes to the running
// tasks; their calls must not use this context.
func GiveUpSoon(ctx context.Context) context.Context {
	return context.WithValue(ctx, givesUpSoon{}, true)
}

// GivesUpSoon reports whether ctx comes from [GiveUpSoon].
func GivesUpSoon(ctx context.Context) bool { return ctx.Value(givesUpSoon{}) != nil }

// Event is one entry of a task's log.
type Event struct {
	// Seq is the number of the event in its task, from 1.
	Seq int64
	// JSON is the event as a StreamResponse object of A2A 1.0 (specification 3.2.3), on one line.
	// See [Encode]. It is shared: nobody may change it.
	JSON []byte
	// Owner is that of the [Entry]. Only Read and Poll return it.
	Owner string
}

// Scope says to whom a task belongs. Nobody else can see it.
type Scope struct {
	// Owner is the caller, or "" if the server does not tell callers apart. See [Owner].
	Owner string
	// Tenant is the tenant that the caller named (specification 4.4.6), "" for none.
	Tenant string
}

// Head is what is known of a task without its events. It never changes, except for Push.
type Head struct {
	ID        a2a.TaskID
	ContextID string
	Scope     Scope
	// Expires is when the task and all its events expire, to the second. From then on the task is
	// not found.
	Expires time.Time
	// Begins says that the context began with this task: before, nobody could name its id. See
	// [Index.InContext].
	Begins bool
	// Push says that the task has push notification configurations, or has had some. [Log.Load]
	// sets it.
	Push bool
}

// Request is what the store keeps of a request, besides its message, for an executor wherever it
// runs.
type Request struct {
	// Trace says where the request came from.
	Trace trace.Trace
	// Extensions are the URIs of the active extensions.
	Extensions []string
	// Metadata is the metadata of the request, not of its message: a JSON object, or nil. It is
	// shared: nobody may change it.
	Metadata json.RawMessage
}

// Entry is an event on its way into the log.
type Entry struct {
	// JSON is as in [Event]. Once it is in an Entry, nobody may change it.
	JSON []byte
	// State is the state that the event brings, "" if it brings none. Time is when the task got
	// that state.
	State a2a.TaskState
	Time  time.Time
	// Values counts as in [Size].
	Values int64
	// Owner says which branch or step of a durable agent the event belongs to: at most 512 bytes.
	// It is "" for the events of other executors. Clients never see it.
	Owner string
	// Brings says what the event changes.
	Brings Brings
}

// NewEntry returns the entry of an event whose JSON is data. See [Encode].
func NewEntry(event a2a.Event, data []byte) Entry {
	e := Entry{JSON: data, Values: SizeOf(event).Values, Brings: broughtBy(event)}
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

// Size returns the size of the entry.
func (e Entry) Size() Size { return Size{Bytes: int64(len(e.JSON)), Values: e.Values} }

// Claim asks for a lease.
type Claim struct {
	// Writer names the one who asks. It is unique to one turn of one task, so that the store
	// recognizes a repeated write.
	Writer string
	// Until is when the lease ends, to the millisecond. Zero leaves the task to a worker: nobody
	// holds the lease then. The [Lease] that is returned can append once, unless somebody else was
	// faster. It must not be renewed.
	Until time.Time
	// Request is the request that begins the turn, or began it.
	Request Request
	// Push says that the request brings a push notification configuration.
	Push bool
	// Records says that the holder will write to the journal. Place is the place of the journal's
	// last entry, as the caller has read it. Acquire fences the journal as well then.
	Records bool
	Place   int64
}

// LeaseInfo describes the lease of a task.
type LeaseInfo struct {
	// Holder is the writer that holds the lease, "" if nobody has got it yet.
	Holder string
	// Epoch is the number of the lease: 1 for the first, also before somebody gets it. Each next
	// lease has a greater one.
	Epoch int64
	// Seq is the number of the last event when the lease was given.
	Seq int64
	// Until is when the lease ends by its holder's clock, to the millisecond: from then on, the
	// holder does nothing more. It is in the past once nobody holds the lease.
	Until time.Time
	// Released says that the holder gave up the lease, so that somebody else can go on.
	Released bool
	// Doubted says that somebody asks the holder to renew the lease. See [Log.Doubt].
	Doubted bool
	// Deaf says that the holder is a process of a former version, which does not learn that it is
	// doubted.
	Deaf bool
	// Deposed says that the holder no longer has the lease, because it did not answer. See
	// [Log.Depose].
	Deposed bool
	// Cancel says that the task is to be canceled. It stays set until a holder that knows of it has
	// ended its turn in another way.
	Cancel bool
	// Crashes is how many holders in a row, just before this one, crashed before they made any
	// progress: before they appended anything or, if they had a journal, before they recorded
	// anything.
	Crashes int
	// Records and Place are those of the claim.
	Records bool
	Place   int64
	// Suspended says that the holder has suspended the task: nobody runs it before Due, to the
	// second, and it has not crashed. Released is set, too.
	Suspended bool
	Due       time.Time
	// Woken is how often the task was woken. See [Journal.Wake].
	Woken int64
	// Asked is how often somebody has postponed the look at the task since the lease was given. See
	// [Looks].
	Asked int
}

// Sleeps reports whether the task is suspended, and not yet due.
func (l LeaseInfo) Sleeps() bool { return l.Suspended && time.Now().Before(l.Due) }

// Held reports whether somebody holds the lease. Its holder may have crashed.
func (l LeaseInfo) Held() bool { return l.Holder != "" && !l.Released && !l.Deposed }

// Expired reports whether the lease has ended by the clock of this machine. That alone is no reason
// to acquire it: the holder's clock may be another one.
func (l LeaseInfo) Expired() bool { return !time.Now().Before(l.Until) }

// Same reports whether o is the same lease, and was not renewed or given up between the two.
func (l LeaseInfo) Same(o LeaseInfo) bool {
	return l.Epoch == o.Epoch && l.Holder == o.Holder && l.Until.Equal(o.Until) && l.Held() == o.Held()
}

// AnyPlace says that it does not matter how far a journal has come. See [Log.Depose].
const AnyPlace int64 = -1

// Asked is what somebody asks of the holder of a lease.
type Asked struct {
	// Cancel says that the task is to be canceled.
	Cancel bool
	// Woken is as in [LeaseInfo]. If it has grown, something has come that the task may wait for.
	Woken int64
}

// Filter says which tasks to list. Scope always applies, any other field only if it is not zero.
type Filter struct {
	Scope     Scope
	ContextID string
	State     a2a.TaskState
	// Since is the earliest time of a status.
	Since time.Time
}

// Position is the place of a task in a list. The newest status comes first; of equal times, the
// greatest id. So a greater position is earlier in the list.
type Position struct {
	Time time.Time // of the status, to the millisecond
	ID   a2a.TaskID
}

// Snapshot is a task as of event Seq.
type Snapshot struct {
	Head Head
	// Task is the fold over the events 1 … Seq. It belongs to the caller, but what it points to is
	// shared: nobody may change that.
	Task *a2a.Task
	Seq  int64
	// Size is the size of the log.
	Size Size
	// First is the request that began the task, Last the one that began its last turn.
	First, Last Request
	// Sent is how many bytes the caller has sent in the messages of the task's history, see
	// [SentBytes].
	Sent int64
	// Lease is the last that was given.
	Lease LeaseInfo
	// Origins says where the large contents of the task are in the log.
	Origins *Origins
	// Kept is what the store wants to know when the lease is acquired.
	Kept any
}

// Fold returns the fold over the log up to the snapshot, which must be whole.
func (s *Snapshot) Fold() *Fold { return newFold(s.Task, s.Seq, s.Origins) }

// Past is a task as it was after an earlier event.
type Past struct {
	Task *a2a.Task
	// Later are the events that follow, in order, as far as LoadAt has read them anyway. They end
	// with the append in which they reach ReadBytes.
	Later []Event
	// Now is what Load returns. If there are later events, its task has only ids and a state, so that
	// no task is in memory twice. Otherwise its task is Task.
	Now *Snapshot
}

// Busy reports whether somebody holds the lease and may append. It has perhaps crashed: see
// [Log.Doubt]. A task in a final state can be busy, too, when the holder of the next turn is about
// to append.
func (s *Snapshot) Busy() bool { return !s.over() && s.Lease.Held() }

// over reports whether the turn of the last lease has ended.
func (s *Snapshot) over() bool { return Final(s.Task.Status.State) && s.Lease.Seq < s.Seq }

// CrashedIdle reports whether the last holder, if it no longer runs, crashed before it made any
// progress. Place is the place of the last entry of the journal; it counts only if the holder had a
// journal. See [LeaseInfo.Crashes].
func (s *Snapshot) CrashedIdle(place int64) bool {
	idle := s.Lease.Seq == s.Seq
	if s.Lease.Records {
		idle = s.Lease.Place == place
	}
	return s.Lease.Holder != "" && idle && !s.Lease.Released
}

// Unbegun reports whether the turn was left to a worker, and has no message yet: whoever left it is about
// to append that, or has crashed.
func (s *Snapshot) Unbegun() bool { return s.Lease.Holder == "" && s.Fenced() }

// Fenced reports whether the next lease begins with a fence, because somebody may still append with
// the lease in s. Its holder may, unless it has released the lease or ended its turn. If the lease
// was left to a worker, the writer that left it may, until it has appended.
func (s *Snapshot) Fenced() bool {
	if s.Lease.Holder == "" {
		return s.Lease.Epoch > 1 && s.Lease.Seq == s.Seq
	}
	return !s.Lease.Released && !s.over()
}

// Next returns the lease that the claim gets after the one in s.
func (s *Snapshot) Next(c Claim) LeaseInfo {
	next := LeaseInfo{
		Holder: c.Writer, Epoch: s.Lease.Epoch + 1, Seq: s.Seq, Until: c.Until, Cancel: s.Lease.Cancel,
		Records: c.Records, Place: c.Place, Woken: s.Lease.Woken,
	}
	if s.CrashedIdle(c.Place) {
		next.Crashes = s.Lease.Crashes + 1
	}
	if c.Until.IsZero() {
		next.Holder = ""
	}
	return next
}

// Log stores the logs of tasks. It is safe for concurrent use, by several processes if the store is
// outside of the process.
//
// Reads are strongly consistent, unless a method says otherwise: they show every event whose append
// has returned. They return ErrNotFound if the task does not exist, or has expired.
//
// An error that is not one of this package means that the store failed. After such an error, or
// after ErrThrottled, a write may have been done or not; it is safe to repeat it. Errors may be
// wrapped.
type Log interface {
	// Create stores a new task and its event 1 in one step, and gives the first lease. It returns
	// ErrExists if another writer has created the task. Repeating it with the same writer is no
	// error, and returns the same lease.
	Create(ctx context.Context, h Head, first Entry, c Claim) (Lease, error)

	// Acquire gives the lease that follows the one in s. From then on no earlier holder can append,
	// and the [Index] shows the task as unfinished. A request to cancel stays.
	//
	// If the claim records, no earlier holder can record, either.
	//
	// Acquire returns ErrConflict if the lease is no longer the one in s, if the log has grown, or,
	// if the claim records, if the journal has more entries than the claim's Place.
	// It may return ErrNotFound if the task is gone. Repeating it with the same writer is no error,
	// and returns the same lease.
	//
	// Acquire takes the lease in s even if somebody holds it. A caller does that only if it knows
	// that the holder should have appended the message of its turn by now, and has not, or if it
	// has doubted the holder and got no answer.
	Acquire(ctx context.Context, s *Snapshot, c Claim) (Lease, error)

	// Load returns the task as of its last event.
	Load(ctx context.Context, id a2a.TaskID) (*Snapshot, error)

	// Peek is Load for a caller who does not need all of the task: what is not wanted is missing. It
	// is cheap: it reads neither messages nor artifacts that are not wanted, however large, many or old. If those that are wanted are many, or of a
	// former version, it may cost as much as Load. With a lease, the snapshot may be used to acquire
	// the next one, but not to append with that.
	Peek(ctx context.Context, id a2a.TaskID, w Want) (*Snapshot, error)

	// LoadIf is Load for a caller who may not want the task: it asks wanted first, once, with what
	// Peek returns for a Want with a Lease. If wanted reports false, LoadIf reads no more and returns
	// that. It takes no longer than Load, and costs little if the task is not wanted.
	LoadIf(ctx context.Context, id a2a.TaskID, wanted func(*Snapshot) bool) (*Snapshot, error)

	// LoadAt returns the task as it was after event number seq, which is 1 or more, or after the
	// last event if the log is shorter. It reads as much as Load. If the newest snapshot is of a
	// later event, it also reads from the snapshot before seq on. It asks wanted first, as LoadIf
	// does, unless that is nil; of a task that is not wanted, it returns [Past.Now] only.
	LoadAt(ctx context.Context, id a2a.TaskID, seq int64, wanted func(*Snapshot) bool) (*Past, error)

	// Lease describes the lease of the task. It costs little, however long the log is.
	Lease(ctx context.Context, id a2a.TaskID) (LeaseInfo, error)

	// AskedOf returns the tasks of which something is asked of a holder in the process, by
	// RequestCancel, Doubt or Wake, or by the store itself. It returns each question once, and may miss
	// one that was asked less than a second ago. The caller then renews the leases: that shows what is
	// asked. With an error, it may return tasks, too. See [ProcessOf].
	AskedOf(ctx context.Context, process string) ([]a2a.TaskID, error)

	// RequestCancel asks the holder of the lease to cancel the task, or the next holder if there is
	// none now. A suspended task is due now.
	RequestCancel(ctx context.Context, h Head) error

	// Doubt asks the holder of the lease to renew it. A renewal, and the next lease, take the question
	// back. It is one question for all who doubt: if it stands
	// already, Doubt does nothing and reports false; so does a call that is repeated because its
	// answer was lost. Doubt returns ErrConflict if nobody holds the
	// lease, or if it is no longer as in seen.
	Doubt(ctx context.Context, id a2a.TaskID, seen LeaseInfo) (asked bool, err error)

	// Depose takes the lease from its holder, if it is still as in seen, and held. From then on the
	// holder is refused when it renews the lease, releases it or suspends the task; it may still
	// append until somebody acquires the lease. Depose reports whether the lease was taken from its
	// holder, now or before.
	//
	// If the holder records, last is the place of the last entry in its journal that the caller has
	// read: if there are more, Depose does nothing, and from then on the holder records no more. With
	// AnyPlace it may still record until somebody acquires the lease. If Depose fails, or reports
	// false, the holder may be refused when it records.
	Depose(ctx context.Context, id a2a.TaskID, seen LeaseInfo, last int64) (bool, error)

	Reader
	Poller
	Journal
	Waits
}

// Reader reads a log.
type Reader interface {
	// Read returns events in order, from number after+1 on: limit at most, and no more once they
	// are ReadBytes or longer. More says whether the log has others after them. Read returns
	// ErrNotFound if the task does not exist.
	Read(ctx context.Context, id a2a.TaskID, after int64, limit int) (events []Event, more bool, err error)
}

// Poller follows a log.
type Poller interface {
	// Poll returns the events after number after, and the lease. It is the cheap way to follow a
	// log. After is 0, or the number of the last event that a Poll, a Load, or a Read to the end
	// has returned. If there are many events, it may return only the first of them. Poll returns
	// ErrNotFound if the task does not exist.
	//
	// A stale poll costs less, but what it returns may be old, mostly by less than a second: it may
	// miss events, return a lease that is no longer the last, and not find a new task. The events
	// that it returns are in the log.
	Poll(ctx context.Context, id a2a.TaskID, after int64, stale bool) (Polled, error)

	// Acquired reports whether somebody has got a later lease of the task than that of the epoch. It
	// may miss one that was given less than a second ago. It costs no more than a stale poll, and calls
	// for many tasks at the same time share what they take.
	Acquired(ctx context.Context, id a2a.TaskID, epoch int64) (bool, error)
}

// Polled is what a Poll returns.
type Polled struct {
	// Events are in order, without gaps.
	Events []Event
	// More says that the log has others after them.
	More bool
	// Lease is the last that was given.
	Lease LeaseInfo
}

// Lease is the right to append to the log of a task. One holder has it. It is safe for concurrent
// use, except that only one append may run at a time. Its methods return ErrConflict once somebody
// else has the lease.
type Lease interface {
	// Append stores one or more entries as the events from number first on, all or none. First is
	// the number after the last event. Repeating the last append is no error. Only the last entry
	// may bring a terminal state, and nothing can follow it. The index learns of a new state later:
	// see [Index].
	Append(ctx context.Context, first int64, entries []Entry) error

	// Record stores one or more entries of the journal at the places from first on, all or none.
	// First is the place after the last entry. Repeating the last call is no error. It returns
	// ErrConflict as well if the claim of the lease did not say that the holder records, and after
	// an append that ended the turn.
	Record(ctx context.Context, first int64, entries [][]byte) error

	// Suspend ends the lease, and makes the task due at a time, to the second: nobody needs to run
	// it before. It does nothing and reports false if the task was woken more often than woken
	// says, or is to be canceled: the holder must look again. Repeating it with the same due time is
	// no error. After it, as after Release, the other methods return ErrConflict. After an error,
	// the task may be suspended: the holder must not append or record before a Suspend has said that
	// it is not.
	Suspend(ctx context.Context, due time.Time, woken int64) (suspended bool, err error)

	// Renew moves the end of the lease to until, and returns what is asked of the holder. It answers
	// a doubt.
	Renew(ctx context.Context, until time.Time) (Asked, error)

	// SaveSnapshot stores the task as of event seq, for Load to start from. The lines are those of
	// [SnapshotLines] or [Fold.SnapshotLines], and are read once. A snapshot older than the stored one changes nothing. A
	// store that needs no snapshots reads no line.
	SaveSnapshot(ctx context.Context, seq int64, lines iter.Seq2[[]byte, error]) error

	// Release ends the lease at once, for a hand-over: somebody else can go on with the task.
	// Repeating it is no error. After it, Append and Renew return ErrConflict.
	Release(ctx context.Context) error

	// Close writes to the index the states that are missing there, and waits until it has them. It
	// retries for 20 s at most, or until ctx is done. After it, no method may be called. A lease
	// that was not released, and whose turn goes on, ends by itself.
	Close(ctx context.Context)
}

// Index finds tasks without their ids. It lags behind the logs: it shows a new task at once, and a
// final state as soon as the store takes it. Any other state comes 5 s after the one before at the
// earliest, and only if no other state has followed by then. For that long, a list may show the
// state before, and a list by state may leave the task out.
//
// What a call reads does not grow with the number of tasks.
type Index interface {
	// List returns limit tasks at most that match the filter, newest status first. It begins after
	// the position, or with the newest status if the position is zero.
	//
	// A store where reading costs something examines some thousands of tasks at most. It may find
	// fewer than there are, or none; then Page.More is set, and the next page begins after
	// Page.Looked. A list may show tasks that no longer match the filter, and positions that are
	// some seconds old. A task that changes while a caller reads page by page moves to the front,
	// and that caller misses it.
	List(ctx context.Context, f Filter, after Position, limit int) (Page, error)

	// Count returns how many tasks List would show. If there are more than some thousands to
	// examine, it counts among the newest of them.
	Count(ctx context.Context, f Filter) (int, error)

	// InContext returns the tasks that were created last in a context, limit at most, newest first.
	// It does not lag. It may return tasks that have expired, or were never created.
	InContext(ctx context.Context, s Scope, contextID string, limit int) ([]a2a.TaskID, error)

	// Looks are the looks at unfinished tasks. A look is due when the lease, as it was given, ends;
	// renewals don't move it, and a lease that is acquired after a hand-over need not. If the task was left to a worker, it is due at once. A suspended task
	// is due at the time of its suspension, or as soon as it is woken; before that it costs a sweep
	// nothing.
	Looks

	// Settle corrects the index for a task that is in a final state and not busy, so that nobody
	// looks at it any more. If somebody has acquired its lease since, Settle does nothing. If the message
	// of a turn is still to come, it is refused then.
	Settle(ctx context.Context, s *Snapshot) error
}

// Page is a part of a list.
type Page struct {
	// Found are the tasks, newest status first.
	Found []Position
	// Looked is the position up to which the list was examined.
	Looked Position
	// More says whether there may be tasks after Looked.
	More bool
}

// Store is all that a store of tasks does.
type Store interface {
	Log
	Index
	Rounds
	Seats

	// Secret returns SecretBytes random bytes. They are made when somebody first asks for them, and
	// live as long as the store: every caller gets the same, in all processes that share the store.
	// A process reads them once, and keeps them; nobody may change them.
	Secret(ctx context.Context) ([]byte, error)
}

// SecretBytes is the length of a store's secret.
const SecretBytes = 32

// ReadBytes is how much JSON one Read or Poll returns. The event, or append, that exceeds it is
// returned whole.
const ReadBytes = 4 << 20

// Final reports whether a turn ends in this state: it is terminal, or interrupted, that is, it
// waits for the client (specification 3.2.2).
func Final(s a2a.TaskState) bool {
	return s.Terminal() || s == a2a.TaskStateInputRequired || s == a2a.TaskStateAuthRequired
}
