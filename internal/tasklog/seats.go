package tasklog

import (
	"context"
	"errors"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// MaxSeats is how many instances follow a task. Those that run it do not count.
const MaxSeats = 8

// ErrMadeRoom means that following has ended because MaxSeats instances have begun later to follow
// the same task. The task goes on.
var ErrMadeRoom = errors.New("too many follow the task, and this one has made room for a newer one")

// Seat is the place of an instance among those that follow a task.
type Seat struct {
	ID a2a.TaskID
	// Instance names the process that follows the task, in letters and digits.
	Instance string
	// Number orders the seats of a task: a later one has a greater number. It is 0 before
	// [Seats.Sit].
	Number int64
}

// Seats bound how many instances follow a task. An instance may serve one stream at a time, and
// need not learn that its client has gone: so a client that connects again and again would hold
// more and more of them. An instance has one seat, however many follow the task there.
//
// No clock is read: if an instance dies without leaving, newer seats push out its seat like any
// other.
type Seats interface {
	// Sit gives the instance of s the newest seat, and returns s with its number. A seat that the
	// instance had before is gone, and so is a seat that has MaxSeats newer ones. Sit may return
	// ErrNotFound if the task is gone. After an error, the instance may have a seat.
	Sit(ctx context.Context, s Seat) (Seat, error)

	// Seated reports whether the seat that Sit has returned is one of the MaxSeats newest. It may
	// lag by a second, and costs little. A seat that is not may be one again when others have left.
	Seated(ctx context.Context, s Seat) (bool, error)

	// Leave gives up the seat of the instance, whatever its number. Without a seat it does nothing.
	Leave(ctx context.Context, s Seat) error
}
