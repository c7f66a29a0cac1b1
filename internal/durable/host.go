package durable

import (
	"context"
	"log/slog"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/peer"
	"a2alambda/internal/tasklog"
)

// Host is what a run of a durable agent needs of its host. It is safe for concurrent use.
type Host interface {
	// Put puts an event into the log, after those before. It may return before the event is there.
	// Owner says whose it is: see [ownerOf].
	Put(ctx context.Context, e a2a.Event, owner string) error

	// Check returns the error with which Put refuses the event, wherever the log is.
	Check(e a2a.Event) error

	// Flush returns once everything that was put before is in the log.
	Flush(ctx context.Context) error

	// Record stores entries of the journal, the first at the place after the last. It tries again
	// where that helps. After an error the run must do nothing more.
	Record(ctx context.Context, first int64, entries [][]byte) error

	// Held reports whether the host still has the lease, by its clock.
	Held() bool

	// Suspend ends the lease until the time, unless the task was woken more often than woken says or
	// is to be canceled: then it reports false. After true the host does nothing more for the run.
	Suspend(ctx context.Context, due time.Time, woken int64) (bool, error)

	// Asked returns what is asked of the run, strongly consistent.
	Asked(ctx context.Context) (tasklog.Asked, error)

	// Waits of the task. See [tasklog.Waits].
	OpenWait(ctx context.Context, name, memo string) error
	Wait(ctx context.Context, name string) (tasklog.Wait, error)
	CloseWait(ctx context.Context, name string) (tasklog.Wait, error)

	// Secret returns the secret of the store. See [tasklog.Store].
	Secret(ctx context.Context) ([]byte, error)

	// Took is called after each durable call that a run has finished itself.
	Took(ctx context.Context, r Report)
}

// Report says how a durable call went. It has no contents.
type Report struct {
	Name     string
	Type     Type
	Outcome  Kind // Done, Failed or Canceled
	Attempts int
	Took     time.Duration // of the last attempt, or the time that the call waited in this run
	Bytes    int           // of the result
}

// Config says what to run.
type Config struct {
	Host   Host
	Logger *slog.Logger
	// Task is what began the task, in every run.
	Task *Task
	// Stored is the task as it was at the beginning of this run, with its history. Seq is the number
	// of the last event then.
	Stored *a2a.Task
	Seq    int64
	// Journal has the entries of the journal, from the first on.
	Journal []tasklog.Step
	// Events returns the events in the log after a number, up to Seq. It is called once at most, and
	// only if there are some.
	Events func(ctx context.Context, after int64) ([]tasklog.Event, error)
	// Woken is how often the task was woken before the run began.
	Woken int64
	// Crashed says that the run before this one crashed.
	Crashed bool
	// Cancel says that the task is to be canceled.
	Cancel bool
	// Deadline is when the run must end, zero if it need not.
	Deadline time.Time
	// Late is done when the process is so near its end that a run must not wait for anything any
	// more. It may be nil.
	Late context.Context
	// Expires is when the task expires, zero if it does not.
	Expires time.Time
	// MaxEntries is the most entries of a journal, DefaultEntries if it is 0.
	MaxEntries int
	// Code is the version of the code, for people.
	Code string
	// Callbacks is the base URL of callbacks, "" if there is none.
	Callbacks string
	// Peers are the agents that Call may call.
	Peers peer.Set
}

const (
	// DefaultEntries is the most entries of a journal unless the host says otherwise. MaxEntries is
	// the most that it may say.
	DefaultEntries = 1000
	MaxEntries     = 10_000

	// undoEntries is how many more a function may have to undo what it did, when its task is canceled.
	undoEntries = 100

	// MaxJournalBytes is the most bytes of a journal, as JSON: each run has it in memory. The last
	// result may go beyond it.
	MaxJournalBytes = 32 << 20
)

// End says how a run of a durable agent ended.
type End int

// The ends of a run.
const (
	// Returned: the function has returned, and the host ends the task: completed, or failed if
	// there is an error.
	Returned End = iota
	// Ended: the function has emitted a final state, or asked a question. The turn is over.
	Ended
	// Suspended: the host has suspended the task.
	Suspended
	// HandedOver: the run is about to end, and the next one can go on at once.
	HandedOver
	// Mismatched: the code does not do what the journal says. The host parks the task.
	Mismatched
	// Undone: the time to undo is over, or the function has returned after the request to cancel.
	// The host cancels the task.
	Undone
	// Lost: the lease is lost, or the store has failed. The host does nothing more for the task.
	Lost
)

// Outcome is how a run of a durable agent ended, and why.
type Outcome struct {
	End      End
	Err      error     // of the function, or why the run is Lost
	Mismatch *Mismatch // of Mismatched
	// Place is the place of the journal's last entry.
	Place int64
	// Parked are the times at which the task was parked, since something was recorded the last time.
	Parked []time.Time

	asked bool // Ended with a question
}
