// Package push says how a task's push notification configurations are stored.
//
// Delivering a configuration is like a stream that somebody else holds open: it sends the events of
// the task's log, in order, in one request each, and goes on from the last event that was
// delivered. So the store keeps little more than a number for a delivery, and nothing has to be
// queued. Package webhook delivers.
package push

import (
	"context"
	"errors"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/trace"
)

var (
	// ErrConflict means that another has the claim, or the configuration was replaced or deleted.
	ErrConflict = errors.New("delivery was taken over or ended")

	// ErrFull means that the task has [MaxConfigs] configurations.
	ErrFull = errors.New("the task has as many push notification configurations as it may have")

	// ErrGivenUp means that delivery was given up: the webhook has failed for too long, or is gone.
	ErrGivenUp = errors.New("delivery was given up")
)

// Config is a push notification configuration of a task, and how far its delivery has come.
type Config struct {
	TaskID a2a.TaskID
	// ID is unique within the task: 1 to [MaxID] bytes.
	ID string
	// Push is the configuration as the client sees it.
	Push a2a.PushConfig
	// Version is the protocol version that the client speaks and the webhook gets: "1.0" or "0.3".
	Version string
	// Trace is the trace of the request that set the configuration. The notifications belong to it.
	Trace trace.Trace
	// Expires is when the task expires, to the second.
	Expires time.Time
	// State is the task's state when the configuration was put, "" if there was no task yet.
	State a2a.TaskState
	Progress
	// Lost is how many holders of the claim were lost since the delivery last got on: their claims
	// ended without a release. It gets on with an event or an agreement that is stored, and when it
	// reaches the end of the log.
	Lost int
}

// EventHeader is the header of a notification that has the number of its event in the task.
const EventHeader = "X-A2A-Event-Id"

// MaxConfigs is how many configurations a task may have.
const MaxConfigs = 5

// MaxID is the most bytes that the ID of a configuration may have.
const MaxID = 256

// Progress is how far a delivery has come.
type Progress struct {
	// After is the number of the last event that needs no delivery: it is older than the
	// configuration, or it was delivered.
	After int64
	// Agreed says that the webhook has agreed to get the task's events: it has answered a first
	// request with a 2xx in time. A configuration that was put has not agreed, and neither has one
	// that another version of this program has put: it is asked with the next event.
	Agreed bool
	// Failures counts how often delivery was put off since the last success. Since is the time of
	// the first of these failures, to the second; it is zero if there is none.
	Failures int
	Since    time.Time

	// Sent is how many bytes the caller has sent for the task in its messages up to event After, or
	// fewer.
	Sent int64
	// Room is how many bytes of the task's account are set aside for this configuration. If it is
	// negative, the account had no more when it might have had -Room. See [Store.Spend].
	Room int64

	// Hour is when the hour began in which Bytes were sent to the webhook, to the second; it is
	// zero if nothing was sent. In that hour, Waited is how long its late answers took, to the
	// millisecond, and Aside is how many bytes of the task's hour are set aside for this
	// configuration, with those that were sent: see [Store.SpendHour].
	Hour   time.Time
	Bytes  int64
	Waited time.Duration
	Aside  int64
}

// Store stores configurations and the progress of their delivery. It is safe for concurrent use,
// also by several processes if they share the storage. Reads are strongly consistent, except those
// of [tasklog.Looks]. An error that is not from this package means that the store did not answer. A
// write that returned such an error may still have been done, and can be repeated. Errors may be
// wrapped.
type Store interface {
	// Put stores a configuration of the task with the given head, for the events after c.After. Of
	// its progress it stores After and Sent. If the same configuration is there, Put changes
	// nothing, whatever its progress, unless delivery was given up. A different configuration with
	// the same ID is replaced, with its progress, except what it had in its hour. It returns ErrFull, and stores nothing, if the
	// task would have more than MaxConfigs then, however many put at the same time. With h.Push
	// set, the task may also be created after the configuration.
	Put(ctx context.Context, h tasklog.Head, c Config) error

	// List returns the configurations of a task, sorted by ID, or none if there is no such task.
	List(ctx context.Context, id a2a.TaskID) ([]Config, error)

	// Delete deletes a configuration. Deleting one that does not exist is no error. A holder of its
	// claim gets ErrConflict.
	Delete(ctx context.Context, id a2a.TaskID, config string) error

	// Claim claims the delivery until the given time, to the second. It returns nil if there is
	// nothing to do: the configuration does not exist, or is not yet due after a failure, or
	// somebody else holds the claim. That holder can then release it only after reading the log
	// again. Claim returns ErrGivenUp if delivery was given up. The writer is a unique name of the
	// caller, by which the store recognizes a repeated claim.
	Claim(ctx context.Context, id a2a.TaskID, config, writer string, until time.Time) (Claim, error)

	// Spend adds bytes to the account of a task, unless the account would have more than it may. It
	// returns what the account has and may have, and whether the bytes were added. The account stays
	// when configurations are replaced or deleted. After an error the bytes may have been added. If
	// several spend at the same time and answers are lost, it may have more than was spent, but not
	// less.
	Spend(ctx context.Context, id a2a.TaskID, s Spending) (a Account, ok bool, err error)

	// SpendHour is Spend for what all configurations of the task get in an hour, which has a number
	// that only grows. A greater number than before begins a new count.
	SpendHour(ctx context.Context, id a2a.TaskID, expires time.Time, hour, bytes, most int64) (ok bool, err error)

	// Looks are the looks at configurations. A configuration is due when its claim has ended
	// without a release, or when the time of its release has come. A configuration whose look was
	// postponed can still be claimed at once.
	tasklog.Looks
}

// Spending is what is to be added to the account of a task.
type Spending struct {
	Expires time.Time // when the task expires
	Bytes   int64
	// Sent is how many bytes the caller has sent, as far as this delivery has read. Another one may
	// have read on, and have spent more because of that: the account has the greatest number with
	// which bytes were added. Most returns how much the account may have then.
	Sent int64
	Most func(sent int64) int64
}

// Account is the account of a task.
type Account struct {
	Spent, Most int64 // in bytes
}

// Claim is the right to deliver a configuration, which one holder has until a time. It is also an
// appointment: if the holder crashes, the configuration is due when the claim ends. So a crash at
// any moment of a delivery loses nothing.
//
// Each method stores the progress of the delivery, and returns ErrConflict if somebody else has got
// the claim.
type Claim interface {
	// Config returns the configuration as it was claimed.
	Config() Config

	// Save makes the claim end at the given time. After a Save, the holder must read the log to its
	// end before it releases the claim.
	Save(ctx context.Context, p Progress, until time.Time) error

	// Release ends the claim. With a due time, to the second, the configuration is due at that
	// time, and can't be claimed before. A zero due time means that delivery has reached the end of
	// the log. Then, if the store has refused the claim to somebody since the last Save, the holder
	// keeps it and Release returns false: the log must be read again. If a first try of Release was
	// done but its answer was lost, a repetition may return ErrConflict.
	Release(ctx context.Context, p Progress, due time.Time) (released bool, err error)

	// GiveUp ends the claim and the delivery. The configuration stays, and is never due.
	GiveUp(ctx context.Context, p Progress) error
}
