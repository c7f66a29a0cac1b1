package tasklog

import (
	"math"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Want says what a caller of [Log.Peek] needs of a task. Its zero value is what is known without its
// events, and its state.
type Want struct {
	// Lease says that the lease is needed, as Load would return it. Without it, it may be
	// missing if the state is final, and be newer than the task if not: nothing can be acquired with
	// it then.
	Lease bool
	// Requests are what is kept of the requests besides their traces.
	Requests bool
	// Status is the message of the status, and the task's metadata.
	Status bool
	// Artifacts are all of them.
	Artifacts bool
	// History is how many of the last messages, see [AllHistory].
	History int
}

// AllHistory is a [Want.History] that no history exceeds.
const AllHistory = math.MaxInt

// Trim takes from a snapshot what is not wanted. It changes the snapshot's task, and nothing that
// this points to.
func (w Want) Trim(s *Snapshot) {
	t := s.Task
	s.Origins = nil
	if !w.Requests {
		s.First, s.Last = Request{Trace: s.First.Trace}, Request{Trace: s.Last.Trace}
	}
	if !w.Lease && Final(t.Status.State) {
		s.Lease = LeaseInfo{}
	}
	if !w.Status {
		t.Status.Message, t.Metadata = nil, nil
	}
	if !w.Artifacts {
		t.Artifacts = nil
	}
	if w.History < len(t.History) {
		t.History = slices.Clone(t.History[len(t.History)-w.History:]) // so that the others leave memory
	}
	if len(t.History) == 0 {
		t.History = nil
	}
}

// LargeEvent is from how many bytes of JSON on an event is large. It is in an append of its own, so
// that those who need its neighbours need not read it.
const LargeEvent = 16 << 10

// Brings says what an event changes in its task. Its zero value is nothing, but for the state.
type Brings struct {
	// Known says that the other fields are set.
	Known bool
	// Task is for an event that replaces the task.
	Task bool
	// Status says that the event has a status with a message of the agent.
	Status bool
	// Metadata says that it has metadata of the task.
	Metadata bool
	// Artifact is the id of the artifact that it has, if Artifacts is 1; Append says that its parts
	// are added to that.
	Artifact a2a.ArtifactID
	Append   bool
	// Artifacts and Messages are how many artifacts and messages of the history it brings. The
	// message of a status is in the history only when the next status comes, unless the user has
	// sent it.
	Artifacts, Messages int
	// Sent is the sum of [SentBytes] of these messages.
	Sent int64
}

func broughtBy(event a2a.Event) Brings {
	b := Brings{Known: true}
	switch e := event.(type) {
	case *a2a.Task:
		b.Task, b.Status, b.Metadata = true, e.Status.Message != nil, len(e.Metadata) > 0
		b.Artifacts, b.Messages, b.Sent = len(e.Artifacts), len(e.History), SentIn(e)
		if b.Artifacts > 0 {
			b.Artifact = e.Artifacts[0].ID
		}
	case *a2a.TaskStatusUpdateEvent:
		b.Metadata = len(e.Metadata) > 0
		if m := e.Status.Message; m != nil && m.Role == a2a.MessageRoleUser {
			b.Messages, b.Sent = 1, SentBytes(m)
		} else {
			b.Status = m != nil
		}
	case *a2a.TaskArtifactUpdateEvent:
		b.Artifacts, b.Artifact, b.Append = 1, e.Artifact.ID, e.Append
	default:
		b.Known = false
	}
	return b
}

// SentIn returns how many bytes the caller has sent in the messages of the task's history.
func SentIn(t *a2a.Task) (n int64) {
	for _, m := range t.History {
		if m.Role == a2a.MessageRoleUser {
			n += SentBytes(m)
		}
	}
	return n
}
