package tasklog

import (
	"maps"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Origins says which events of the log the large contents of a task come from, so that a snapshot
// need not hold them again. Nil knows none.
type Origins struct {
	messages map[*a2a.Message]origin
	pieces   map[*a2a.Part]piece // by their first part
	metadata map[metadataKey]int64
	read     int64 // bytes of JSON that loading the task reads
}

// origin is an event, and the index of a message or an artifact in its task, if it has one.
type origin struct {
	seq   int64
	index int
}

// piece is all that an event brought to an artifact.
type piece struct {
	origin
	parts int
}

// metadataKey is a key in the metadata of an artifact or, without one, of the task.
type metadataKey struct {
	artifact a2a.ArtifactID
	key      string
}

// largeContent is from how many bytes on a message, piece or value of a large event is large itself.
const largeContent = LargeEvent / 2

func newOrigins() *Origins {
	return &Origins{map[*a2a.Message]origin{}, map[*a2a.Part]piece{}, map[metadataKey]int64{}, 0}
}

// clone copies o, which may be nil.
func (o *Origins) clone() *Origins {
	if o == nil {
		return newOrigins()
	}
	return &Origins{maps.Clone(o.messages), maps.Clone(o.pieces), maps.Clone(o.metadata), o.read}
}

// message notes where a message comes from.
func (o *Origins) message(m *a2a.Message, at origin) {
	if m != nil && SizeOf(m).Bytes >= largeContent {
		o.messages[m] = at
	}
}

// parts notes where the parts come from, all that one event brought to an artifact.
func (o *Origins) parts(parts a2a.ContentParts, at origin) {
	if len(parts) > 0 && SizeOf(&a2a.Message{Parts: parts}).Bytes >= largeContent {
		o.pieces[parts[0]] = piece{at, len(parts)}
	}
}

// values notes where metadata come from. Those of an event that is not large come from nowhere.
func (o *Origins) values(of a2a.ArtifactID, metadata map[string]any, seq int64, large bool) {
	for key, v := range metadata {
		var m meter
		if large {
			m.any(v)
		}
		if k := (metadataKey{of, key}); m.Bytes >= largeContent {
			o.metadata[k] = seq
		} else {
			delete(o.metadata, k)
		}
	}
}

// forget forgets an artifact.
func (o *Origins) forget(a *a2a.Artifact) {
	if len(o.pieces) > 0 {
		for _, p := range a.Parts {
			delete(o.pieces, p)
		}
	}
	for key := range a.Metadata {
		delete(o.metadata, metadataKey{a.ID, key})
	}
}

// task notes where the contents of a task come from that an event has brought.
func (o *Origins) task(t *a2a.Task, seq int64) {
	for i, m := range t.History {
		o.message(m, origin{seq, i})
	}
	for i, a := range t.Artifacts {
		o.parts(a.Parts, origin{seq, i})
		o.values(a.ID, a.Metadata, seq, true)
	}
	o.message(t.Status.Message, origin{seq, statusIndex})
	o.values("", t.Metadata, seq, true)
}

// statusIndex stands for the message of a status.
const statusIndex = -1

// messageAt returns the message that an origin means, or nil.
func (o origin) messageAt(e a2a.Event) *a2a.Message {
	switch e := e.(type) {
	case *a2a.TaskStatusUpdateEvent:
		return e.Status.Message
	case *a2a.Task:
		if o.index == statusIndex {
			return e.Status.Message
		}
		if o.index < len(e.History) {
			return e.History[o.index]
		}
	}
	return nil
}

// partsAt returns the parts that an origin means, or nil.
func (o origin) partsAt(e a2a.Event) a2a.ContentParts {
	switch e := e.(type) {
	case *a2a.TaskArtifactUpdateEvent:
		return e.Artifact.Parts
	case *a2a.Task:
		if o.index < len(e.Artifacts) {
			return e.Artifacts[o.index].Parts
		}
	}
	return nil
}

// valueAt returns the value that an event has under the key.
func (k metadataKey) valueAt(e a2a.Event) (v any, ok bool) {
	metadata := e.Meta()
	if k.artifact != "" {
		metadata = nil
		switch e := e.(type) {
		case *a2a.TaskArtifactUpdateEvent:
			metadata = e.Artifact.Metadata
		case *a2a.Task:
			for _, a := range e.Artifacts {
				if a.ID == k.artifact {
					metadata = a.Metadata
				}
			}
		}
	}
	v, ok = metadata[k.key]
	return v, ok
}
