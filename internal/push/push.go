// Package push defines how a task's push notification configurations are kept, and where notifications may go.
//
// A configuration is delivered like a stream that somebody else holds open: the events of the task's log, in order, one request
// each, from where delivery has got to. So what is stored of a delivery is one number, and nothing has to be queued. Package webhook
// delivers.
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
	// ErrConflict means that the claim is not the caller's any more, or that the configuration was replaced or deleted.
	ErrConflict = errors.New("delivery was taken over or ended")

	// ErrGivenUp means that delivery was given up: the webhook has failed for too long, or is gone.
	ErrGivenUp = errors.New("delivery was given up")
)

// Config is a push notification configuration of a task.
type Config struct {
	TaskID a2a.TaskID
	// ID is the configuration's, unique within the task: 1 to [MaxID] bytes.
	ID string
	// Push is the configuration as the client sees it.
	Push a2a.PushConfig
	// Version is that of the protocol which the client speaks, and of what the webhook gets: "1.0" or "0.3".
	Version string
	// After is the number of the last event that needs no delivery (any more): what was before the configuration, or has been
	// delivered.
	After int64
	// Trace is that of the request which asked for notifications. They belong to it.
	Trace trace.Trace
	// Expires is that of the task, to the second.
	Expires time.Time
}

// MaxID is the most bytes that the ID of a configuration may have.
const MaxID = 256

// Delivery is a claimed configuration: who holds the claim delivers, and nobody else. Config.After is how far it has come.
type Delivery struct {
	Config
	// Writer is who holds the claim. It is unique to one claim.
	Writer string
	// Failures counts how often delivery was put off since the last success, and Since is when that began, to the second; zero
	// if there is none.
	Failures int
	Since    time.Time
}

// Store stores configurations, and how far their delivery has come. It is safe for concurrent use, by several processes where
// it is stored outside of the process. Reads are strongly consistent, but for those of DuePushes. An error that is none of this
// package's means that the store could not be asked; a write that failed so may still have been done, and can be repeated.
//
// A claim is also an appointment: whoever holds it may die, and then the configuration is due when the claim ends, like one that
// was released with a time to try again. So nothing is lost between the wake-up that a delivery begins with and its end.
type Store interface {
	// PutPush stores the configuration of a task, whose head is h, and sees to it that it is delivered. The same one again
	// changes nothing, whatever its After: delivery is not begun anew, unless it was given up. Another one of the same ID
	// replaces it. The task may be created after it, with h.Push set.
	PutPush(ctx context.Context, h tasklog.Head, c Config) error

	// Pushes returns the configurations of a task, by ID. It is no error if there are none, or no such task.
	Pushes(ctx context.Context, id a2a.TaskID) ([]Config, error)

	// DeletePush deletes a configuration. It is no error if there is none. Whoever is delivering notices within seconds.
	DeletePush(ctx context.Context, id a2a.TaskID, config string) error

	// ClaimPush gives the delivery to the writer until then, to the second. It returns nil if there is nothing to do for the
	// writer: because there is no such configuration; because it is not yet due after a failure; or because another holds the
	// claim, who then can't release it before having looked at the log again. It returns ErrGivenUp if it was given up.
	ClaimPush(ctx context.Context, id a2a.TaskID, config, writer string, until time.Time) (*Delivery, error)

	// SavePush stores how far the delivery has come, and makes the claim end at until. It returns ErrConflict if the claim is
	// not d.Writer's. After it, the log must be read to its end before the claim is released.
	SavePush(ctx context.Context, d *Delivery, until time.Time) error

	// ReleasePush stores how far the delivery has come and ends the claim. With a due time, to the second, it makes the
	// configuration due then, and not claimable before. With none, delivery has come to the end of the log; if somebody has
	// been refused the claim since the last SavePush, the claim is kept, and it returns false: the log has to be read again.
	// It returns ErrConflict if the claim is not d.Writer's: it may be because of this release, if the first try of it was done and
	// could not say so, and another has had the claim since.
	ReleasePush(ctx context.Context, d *Delivery, due time.Time) (released bool, err error)

	// GiveUpPush ends the claim and the delivery: the configuration stays, and is never due. It returns ErrConflict if the claim
	// is not d.Writer's.
	GiveUpPush(ctx context.Context, d *Delivery) error

	// DuePushes calls yield with the configurations that are due, until it returns false. It may tell late, or once more.
	DuePushes(ctx context.Context, yield func(id a2a.TaskID, config string) bool) error
}
