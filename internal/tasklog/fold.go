package tasklog

import (
	"fmt"
	"maps"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// maxFoldBytes is how much JSON a fold gathers before it decodes it. So a long log is never in
// memory both as JSON and decoded.
const maxFoldBytes = 512 << 10

// Fold computes a task from its events. It decodes each event once: when somebody asks for the
// task, or when many events have gathered. So adding an event costs next to nothing. A Fold is not
// safe for concurrent use.
type Fold struct {
	task      *a2a.Task              // nil before the first event
	seq       int64                  // the last event in task or pending
	pending   [][]byte               // added and not yet in task
	bytes     int                    // in pending
	waiting   Size                   // of pending, estimated
	artifacts map[a2a.ArtifactID]int // index into task.Artifacts
	err       error                  // of an event that is not in task
	size      Size                   // of the events in task, since the fold was made
	origins   *Origins               // of what is in task
}

// NewFold returns the fold over the events 1 … seq, whose result is task. NewFold(nil, 0) is the
// fold over no events.
func NewFold(task *a2a.Task, seq int64) *Fold {
	return newFold(task, seq, nil)
}

func newFold(task *a2a.Task, seq int64, o *Origins) *Fold {
	f := &Fold{seq: seq, origins: o.clone()}
	if task != nil {
		f.reset(clone(task))
	}
	return f
}

func (f *Fold) reset(t *a2a.Task) {
	f.task = t
	f.artifacts = make(map[a2a.ArtifactID]int, len(t.Artifacts))
	for i, a := range t.Artifacts {
		f.artifacts[a.ID] = i
	}
}

// clone copies the parts of t that later events change. Slices only grow at their end, so it is
// enough to clip them.
func clone(t *a2a.Task) *a2a.Task {
	c := *t
	c.History = slices.Clip(c.History)
	c.Metadata = maps.Clone(c.Metadata)
	c.Artifacts = slices.Clone(c.Artifacts)
	for i := range c.Artifacts {
		a := *c.Artifacts[i]
		a.Parts = slices.Clip(a.Parts)
		c.Artifacts[i] = &a
	}
	return &c
}

// Add adds the next event. It panics if e has another number.
func (f *Fold) Add(e Event) {
	if e.Seq != f.seq+1 {
		panic(fmt.Sprintf("tasklog: event %d after event %d", e.Seq, f.seq))
	}
	f.pending = append(f.pending, e.JSON)
	f.seq, f.waiting = e.Seq, f.waiting.Plus(EstimateSize(e.JSON))
	f.origins.read += int64(len(e.JSON))
	if f.bytes += len(e.JSON); f.bytes > maxFoldBytes {
		f.decode()
	}
}

// Seq returns the number of the last event added.
func (f *Fold) Seq() int64 { return f.seq }

// Size returns the size of the events that were added. It estimates those that are not decoded yet.
// If all events of the log were added, it is the size of the log.
func (f *Fold) Size() Size { return f.size.Plus(f.waiting) }

// Task returns the task as of the last event added. Later events don't change it.
func (f *Fold) Task() (*a2a.Task, error) {
	f.decode()
	if f.err != nil {
		return nil, f.err
	}
	if f.task == nil {
		return nil, ErrNotFound
	}
	return clone(f.task), nil
}

// decode puts what is pending into the task, up to the first event that it can't decode or apply.
func (f *Fold) decode() {
	for i, data := range f.pending {
		if f.err != nil {
			break
		}
		event, err := Decode(data)
		seq := f.seq - int64(len(f.pending)-i) + 1
		if err == nil {
			f.size = f.size.Plus(Size{int64(len(data)), SizeOf(event).Values})
			err = f.apply(event, seq, len(data) >= LargeEvent)
		}
		if err != nil {
			f.err = fmt.Errorf("event %d: %w", seq, err)
		}
		f.pending[i] = nil
	}
	f.pending, f.bytes, f.waiting = nil, 0, Size{}
}

// apply changes the task as the SDK's own server does, so that a client that folds the stream gets
// the same task. It notes where the contents of a large event are.
func (f *Fold) apply(event a2a.Event, seq int64, large bool) error {
	if t, ok := event.(*a2a.Task); ok {
		read := f.origins.read
		f.origins = newOrigins()
		if f.origins.read = read; large {
			f.origins.task(t, seq)
		}
		f.reset(t)
		return nil
	}
	if f.task == nil {
		return fmt.Errorf("a log begins with a task, not with %T", event)
	}
	switch e := event.(type) {
	case *a2a.TaskStatusUpdateEvent:
		if m := f.task.Status.Message; m != nil {
			f.task.History = append(f.task.History, m)
		}
		f.task.Status = e.Status
		shareIDs(e.Status.Message, f.task)
		if large {
			f.origins.message(e.Status.Message, origin{seq, statusIndex})
		}
		if m := e.Status.Message; m != nil && m.Role == a2a.MessageRoleUser {
			// It is what the user says in the turn, and not the message of a status.
			f.task.History = append(f.task.History, m)
			f.task.Status.Message = nil
		}
		if len(e.Metadata) > 0 {
			f.task.Metadata = merged(f.task.Metadata, e.Metadata)
			f.origins.values("", e.Metadata, seq, large)
		}
	case *a2a.TaskArtifactUpdateEvent:
		f.applyArtifact(e)
		if f.origins.values(e.Artifact.ID, e.Artifact.Metadata, seq, large); large {
			f.origins.parts(e.Artifact.Parts, origin{seq, 0})
		}
	default:
		return fmt.Errorf("a log does not hold %T", event)
	}
	return nil
}

// shareIDs has a message that was just decoded share the strings of its task. A task may have a hundred
// thousand messages.
func shareIDs(m *a2a.Message, t *a2a.Task) {
	if m == nil {
		return
	}
	if m.TaskID == t.ID {
		m.TaskID = t.ID
	}
	if m.ContextID == t.ContextID {
		m.ContextID = t.ContextID
	}
	switch m.Role {
	case a2a.MessageRoleAgent:
		m.Role = a2a.MessageRoleAgent
	case a2a.MessageRoleUser:
		m.Role = a2a.MessageRoleUser
	}
}

func (f *Fold) applyArtifact(e *a2a.TaskArtifactUpdateEvent) {
	i, ok := f.artifacts[e.Artifact.ID]
	switch {
	case !ok:
		f.artifacts[e.Artifact.ID] = len(f.task.Artifacts)
		f.task.Artifacts = append(f.task.Artifacts, e.Artifact)
	case !e.Append:
		f.origins.forget(f.task.Artifacts[i])
		f.task.Artifacts[i] = e.Artifact
	default:
		a := f.task.Artifacts[i]
		a.Parts = append(a.Parts, e.Artifact.Parts...)
		if len(e.Artifact.Metadata) > 0 {
			a.Metadata = merged(a.Metadata, e.Artifact.Metadata)
		}
	}
}

// Origins says where the large contents of the task are in the log.
func (f *Fold) Origins() *Origins {
	f.decode()
	return f.origins.clone()
}

// AddArtifacts adds what an event brings to the artifacts, and nothing else of it. It is for those
// who read only some events.
func (f *Fold) AddArtifacts(event a2a.Event) {
	switch e := event.(type) {
	case *a2a.Task:
		for _, a := range e.Artifacts {
			f.applyArtifact(&a2a.TaskArtifactUpdateEvent{Artifact: a})
		}
	case *a2a.TaskArtifactUpdateEvent:
		f.applyArtifact(e)
	}
}

func merged(a, b map[string]any) map[string]any {
	m := make(map[string]any, len(a)+len(b))
	maps.Copy(m, a)
	maps.Copy(m, b)
	return m
}
