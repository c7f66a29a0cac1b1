// Package durable makes what an agent does as durable as what it says. A durable agent is a
// function, written as straight-line code. It survives the death of its instance and the end of its
// invocation, waits for days without an instance, and does each thing once.
//
// # Replay
//
// The host runs the function from its beginning in every run of the task: in each turn, after a
// hand-over, when the task wakes up, and after a crash. It gives it the same [Task] each time. What
// the function did before is in the task's journal. A durable call ([Do], [Sleep], and the others)
// looks there first: it returns what is recorded, and does its work only if nothing is. So the code
// between durable calls must do the same in every run: it must not look at the clock, at random
// numbers, or at anything outside. Put that into a step.
//
// # Names
//
// Each durable call has a name, which finds its entries in the journal. A name has 1 to 128 bytes
// of UTF-8 without control characters and without "/". It is used once in its scope: the task, a
// branch of a [Group], or a [Scope]. The full name of a call is the path to it, such as
// "hotel/book", and has at most 256 bytes.
//
// # Branches
//
// The function is the root branch. [Group.Go] starts others, which run at the same time. The order
// between branches is not replayed. Within a branch one durable call is made at a time. Waits are
// made in branches, not inside of steps. The task is suspended when all branches wait.
//
// # Events
//
// [Yield] emits an event. Those of a step belong to its attempt: they are emitted at least once.
// Those outside of steps are emitted exactly once. They are counted for each branch, and compared
// by kind, state, artifact and append with what is in the log.
//
// # Changed code
//
// If the function no longer does what the journal says, the task is parked: it is suspended, an
// alarm is raised, and it is tried again later, by other code perhaps. See [Version].
//
// # Leaving
//
// When the task is suspended, handed over or parked, the context ends with the cause
// [ErrSuspended], and every durable call returns that and does nothing. What the function returns
// then is ignored.
//
// # Files
//
// entry.go has the format of the journal. engine.go has a run of the function, journal.go what the
// run replays, record.go how entries are written, events.go how events are. begin.go and park.go
// are what durable calls are made of: begin, record, park. do.go, attempts.go, sleep.go, group.go
// and version.go have the calls, host.go what the host does for a run, and alone.go is the host
// where there is no other.
package durable

import (
	"context"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// Func is a durable agent. Nil completes the task, an error fails it. The text of the error is only
// logged.
type Func func(ctx context.Context, t *Task) error

// Task is what began the task. It is the same in every run. It is an [a2a.TaskInfoProvider].
type Task struct {
	ID        a2a.TaskID
	ContextID string
	// Message is the message that began the task.
	Message *a2a.Message
	// User has the caller's name and, as an attribute, its issuer.
	User   *a2asrv.User
	Tenant string
	// Metadata is the metadata of the request that began the task.
	Metadata map[string]any
}

// TaskInfo implements [a2a.TaskInfoProvider].
func (t *Task) TaskInfo() a2a.TaskInfo {
	return a2a.TaskInfo{TaskID: t.ID, ContextID: t.ContextID}
}

// New returns the executor of a durable agent. The host knows it by its type. Another host, such as
// the SDK's own server, runs the function once, in memory, without a journal.
func New(f Func) a2asrv.AgentExecutor {
	if f == nil {
		panic("durable: a durable agent needs a function")
	}
	return &Agent{f}
}

// Agent is the executor of a durable agent.
type Agent struct{ f Func }
