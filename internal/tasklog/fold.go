package tasklog

import (
	"fmt"
	"maps"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Fold computes a task from its events. Adding an event costs next to nothing: events are decoded when the task is asked
// for, each of them once. A Fold is not safe for concurrent use.
type Fold struct {
	task      *a2a.Task              // nil before the first event
	seq       int64                  // the last event in task or pending
	pending   [][]byte               // added and not yet in task
	artifacts map[a2a.ArtifactID]int // index into task.Artifacts
}

// NewFold returns the fold over the events 1 … seq, whose result is task; with (nil, 0) that over no events.
func NewFold(task *a2a.Task, seq int64) *Fold {
	f := &Fold{seq: seq}
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

// clone copies as much of t as later events change. Slices only grow at their end, so clipping them is enough.
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

// Add adds the next event. It panics if e is not the next.
func (f *Fold) Add(e Event) {
	if e.Seq != f.seq+1 {
		panic(fmt.Sprintf("tasklog: event %d after event %d", e.Seq, f.seq))
	}
	f.pending = append(f.pending, e.JSON)
	f.seq = e.Seq
}

// Seq returns the number of the last event added.
func (f *Fold) Seq() int64 { return f.seq }

// Task returns the task as of the last event added. Later events don't change it.
func (f *Fold) Task() (*a2a.Task, error) {
	for i, data := range f.pending {
		event, err := Decode(data)
		if err == nil {
			err = f.apply(event)
		}
		if err != nil {
			f.pending = f.pending[i:]
			return nil, fmt.Errorf("event %d: %w", f.seq-int64(len(f.pending))+1, err)
		}
	}
	f.pending = nil
	if f.task == nil {
		return nil, ErrNotFound
	}
	return clone(f.task), nil
}

// apply changes the task as the SDK's own server does, so that a client that folds the stream comes to the same in the end.
func (f *Fold) apply(event a2a.Event) error {
	if t, ok := event.(*a2a.Task); ok {
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
		if m := e.Status.Message; m != nil && m.Role == a2a.MessageRoleUser {
			// The turn of the user, who is not speaking of a status.
			f.task.History = append(f.task.History, m)
			f.task.Status.Message = nil
		}
		if len(e.Metadata) > 0 {
			f.task.Metadata = merged(f.task.Metadata, e.Metadata)
		}
	case *a2a.TaskArtifactUpdateEvent:
		f.applyArtifact(e)
	default:
		return fmt.Errorf("a log does not hold %T", event)
	}
	return nil
}

func (f *Fold) applyArtifact(e *a2a.TaskArtifactUpdateEvent) {
	i, ok := f.artifacts[e.Artifact.ID]
	switch {
	case !ok:
		f.artifacts[e.Artifact.ID] = len(f.task.Artifacts)
		f.task.Artifacts = append(f.task.Artifacts, e.Artifact)
	case !e.Append:
		f.task.Artifacts[i] = e.Artifact
	default:
		a := f.task.Artifacts[i]
		a.Parts = append(a.Parts, e.Artifact.Parts...)
		if len(e.Artifact.Metadata) > 0 {
			a.Metadata = merged(a.Metadata, e.Artifact.Metadata)
		}
	}
}

func merged(a, b map[string]any) map[string]any {
	m := make(map[string]any, len(a)+len(b))
	maps.Copy(m, a)
	maps.Copy(m, b)
	return m
}
