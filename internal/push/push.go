// Package push says how a task's push notification configurations are stored.
//
// A configuration is delivered like a stream that somebody else holds open: the events of the
// task's log, in order, one request each, from where delivery has got to. So what is stored of a
// delivery is little more than a number, and nothing has to be queued. Package webhook delivers.
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
	// Trace is that of the request which asked for notifications. They belong to it.
	Trace trace.Trace
	// Expires is when the task does, to the second.
	Expires time.Time
	Progress
}

// MaxID is the most bytes that the ID of a configuration may have.
const MaxID = 256

// Progress is how far a delivery has come.
type Progress struct {
	// After is the number of the last event that needs no delivery any more: it was there before
	// the configuration, or was delivered.
	After int64
	// Failures counts how often delivery was put off since the last success, and Since is when that
	// began, to the second; zero if there is none.
	Failures int
	Since    time.Time
}

// Store stores configurations, and how far their delivery has come. It is safe for concurrent use,
// by several processes where it is stored outside of the process. Reads are strongly consistent,
// except those of [tasklog.Looks]. An error that is none of this package's means that the store
// could not be asked; a write that failed with one may still have been done, and can be repeated.
// Errors may be wrapped.
type Store interface {
	// Put stores a configuration of the task with that head, to be delivered after c.After. The
	// same one again changes nothing, whatever its progress, unless delivery was given up. Another
	// one of the same ID replaces it. The task may be created after it, with h.Push set.
	Put(ctx context.Context, h tasklog.Head, c Config) error

	// List returns the configurations of a task, by ID. It is no error if there is no such task.
	List(ctx context.Context, id a2a.TaskID) ([]Config, error)

	// Delete deletes a configuration. It is no error if there is none. The holder of its claim gets
	// ErrConflict.
	Delete(ctx context.Context, id a2a.TaskID, config string) error

	// Claim claims the delivery until then, to the second. It returns nil if there is nothing to
	// do: there is no such configuration, or it is not yet due after a failure, or another holds
	// the claim, who then can't release it before having read the log again. It returns ErrGivenUp
	// if delivery was given up. The writer names who claims; it is unique, and makes a repeated
	// claim recognizable.
	Claim(ctx context.Context, id a2a.TaskID, config, writer string, until time.Time) (Claim, error)

	// Looks are those at configurations whose claim has ended and was not released, and at those
	// that were released with a time which has come. One that was postponed can be claimed at once
	// all the same.
	tasklog.Looks
}

// Claim is the right to deliver a configuration, which one holder has until a time. It is also an
// appointment: if the holder crashes, the configuration is due when the claim ends. So nothing is
// lost between the wake-up that a delivery begins with and its end.
//
// Each method stores how far delivery has come, and returns ErrConflict once another has the claim.
type Claim interface {
	// Config returns the configuration as it was claimed.
	Config() Config

	// Save makes the claim end at until. After it, the log must be read to its end before the claim
	// is released.
	Save(ctx context.Context, p Progress, until time.Time) error

	// Release ends the claim. With a due time, to the second, the configuration is due then, and
	// can't be claimed before. With none, delivery has come to the end of the log: if somebody was
	// refused the claim since the last Save, it is kept, and Release returns false: the log must be
	// read again. It may return ErrConflict also if a first try of it was done without an answer.
	Release(ctx context.Context, p Progress, due time.Time) (released bool, err error)

	// GiveUp ends the claim and the delivery: the configuration stays, and is never due.
	GiveUp(ctx context.Context, p Progress) error
}
