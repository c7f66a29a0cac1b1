package tasklog

import (
	"context"
	"errors"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Step is one entry of a task's journal. The journal is a chain beside the log: its entries have
// the places 1, 2, 3 … without gaps, and never change. Package durable says what is in them.
type Step struct {
	Place int64
	// JSON is shared: nobody may change it.
	JSON []byte
}

// Journal is what anybody may do with the journals of tasks, and with the tasks that their holders
// have suspended. See [Lease.Record] and [Lease.Suspend].
type Journal interface {
	// Steps returns the entries after a place, in order, and no more once they are ReadBytes or
	// longer; the Record that exceeds it is returned whole. More says whether there are others after them. It returns no error if there is no
	// such task. A stale read costs half, but may miss entries of the last seconds.
	Steps(ctx context.Context, id a2a.TaskID, after int64, stale bool) (steps []Step, more bool, err error)

	// Wake makes a suspended task due now, and counts in [LeaseInfo.Woken], also if the task is not
	// suspended. So a holder that is about to suspend it does not. A call that is repeated because
	// its answer was lost counts again. Wake returns ErrNotFound if the
	// task does not exist. Whoever wakes a task answers its own caller after that, and asks for a
	// worker then: that call may be lost, the due time is not. A look at the task that a sweep has
	// postponed is due now, too.
	Wake(ctx context.Context, id a2a.TaskID) error
}

// WaitState says how a wait stands.
type WaitState string

const (
	// WaitOpen is the state of a wait that nothing has come for.
	WaitOpen WaitState = "open"
	// WaitDelivered is the state of a wait that has got what it waits for.
	WaitDelivered WaitState = "delivered"
	// WaitClosed is the state of a wait that was closed before anything came.
	WaitClosed WaitState = "closed"
)

// Wait is something that a task waits for, from outside.
type Wait struct {
	// Name is unique in its task: 1 to [MaxWaitName] bytes.
	Name  string
	State WaitState
	// Delivery is what came. It is nil unless State is WaitDelivered.
	Delivery *Delivery
	// Memo is what its opener keeps with the wait, for whoever delivers: at most 1 KB.
	Memo string
}

// MaxWaitName is the most bytes that the name of a wait may have.
const MaxWaitName = 256

// Delivery is what comes for a wait.
type Delivery struct {
	// Body has at most [MaxDelivery] bytes. It is shared: nobody may change it.
	Body        []byte
	ContentType string
	// Time is when it came, to the millisecond.
	Time time.Time
}

// MaxDelivery is the most bytes that the body of a delivery may have.
const MaxDelivery = 256 << 10

var (
	// ErrDelivered means that something else has come for the wait before.
	ErrDelivered = errors.New("something else was delivered before")

	// ErrWaitClosed means that the wait was closed before anything came.
	ErrWaitClosed = errors.New("the wait is closed")
)

// Waits stores what tasks wait for. A wait is open, then delivered or closed: the first wins, and
// no clock decides. All methods are strongly consistent. They return ErrNotFound if there is no
// such wait.
type Waits interface {
	// OpenWait opens a wait. Opening it again changes nothing, whatever its state.
	OpenWait(ctx context.Context, h Head, name, memo string) error

	// Wait returns a wait.
	Wait(ctx context.Context, id a2a.TaskID, name string) (Wait, error)

	// OpenWaits returns the waits of a task that are open.
	OpenWaits(ctx context.Context, id a2a.TaskID) ([]Wait, error)

	// Deliver stores what has come for a wait, if the wait is open. If the same body with the same
	// content type was delivered before, Deliver does nothing. Otherwise it returns ErrDelivered or
	// ErrWaitClosed if the wait is over. It wakes nobody: see [Journal.Wake].
	Deliver(ctx context.Context, id a2a.TaskID, name string, d Delivery) error

	// CloseWait closes the wait if it is open, and returns it as it is then.
	CloseWait(ctx context.Context, id a2a.TaskID, name string) (Wait, error)
}
