package tasklog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
)

// maxLineParts is how many parts of an artifact are in one line of a snapshot.
const maxLineParts = 1000

// reference is a line of a snapshot that stands for something large in an event of the log.
type reference struct {
	Event int64 `json:"event"`
	// Is says what it is: the message of the "status", one of the "history", some "parts" of the last
	// artifact, or a "value" of metadata.
	Is    string `json:"is"`
	Index int    `json:"index,omitempty"` // see origin
	Parts int    `json:"parts,omitempty"` // how many
	// Artifact and Key are of a value: see metadataKey.
	Artifact a2a.ArtifactID `json:"artifact,omitempty"`
	Key      string         `json:"key,omitempty"`
}

var referencePrefix = []byte(`{"reference":`)

// IsReference reports whether a line of a snapshot refers to an event of the log.
func IsReference(line []byte) bool { return bytes.HasPrefix(line, referencePrefix) }

func (r reference) encode() ([]byte, error) {
	return jsonline.Marshal(struct {
		Reference reference `json:"reference"`
	}{r})
}

// SnapshotLines returns the task in lines of JSON, none much longer than an event: first the task
// without history and artifacts, then each message, then the artifacts, long ones in pieces. Each
// line is a StreamResponse object. A [TaskReader] makes the task from them again.
//
// Those of a [Fold] may have references among them: these stand for what is large, and say which
// event of the log has it.
func SnapshotLines(t *a2a.Task) iter.Seq2[[]byte, error] { return linesOf(t, newOrigins()) }

// SnapshotLines returns the lines of the task with references. Nobody may use the fold before they
// are read.
func (f *Fold) SnapshotLines() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		task, err := f.Task() // not for a store that takes no line
		if err != nil {
			yield(nil, err)
			return
		}
		linesOf(task, f.origins)(yield)
	}
}

func linesOf(t *a2a.Task, o *Origins) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		w := lineWriter{o, yield, true}
		bare := *t
		bare.History, bare.Artifacts = nil, nil
		large := w.split("", &bare.Metadata)
		at, refers := o.messages[t.Status.Message]
		if refers {
			bare.Status.Message = nil
		}
		w.event(&bare)
		if refers {
			w.refer(reference{Event: at.seq, Is: "status", Index: at.index})
		}
		w.values("", large)
		for _, m := range t.History {
			if at, refers := o.messages[m]; refers {
				w.refer(reference{Event: at.seq, Is: "history", Index: at.index})
			} else {
				w.event(m)
			}
		}
		for _, a := range t.Artifacts {
			w.artifact(a)
		}
	}
}

type lineWriter struct {
	origins *Origins
	yield   func([]byte, error) bool
	goesOn  bool
}

func (w *lineWriter) line(line []byte, err error) {
	w.goesOn = w.goesOn && w.yield(line, err)
}

func (w *lineWriter) event(e a2a.Event) {
	if w.goesOn {
		w.line(Encode(e))
	}
}

func (w *lineWriter) refer(r reference) {
	if w.goesOn {
		w.line(r.encode())
	}
}

// split leaves out of metadata what is large, and returns its keys.
func (w *lineWriter) split(of a2a.ArtifactID, metadata *map[string]any) (keys []string) {
	for key := range *metadata {
		if _, large := w.origins.metadata[metadataKey{of, key}]; large {
			keys = append(keys, key)
		}
	}
	if len(keys) > 0 {
		slices.Sort(keys)
		*metadata = maps.Clone(*metadata)
		for _, key := range keys {
			delete(*metadata, key)
		}
	}
	return keys
}

func (w *lineWriter) values(of a2a.ArtifactID, keys []string) {
	for _, key := range keys {
		w.refer(reference{Event: w.origins.metadata[metadataKey{of, key}], Is: "value", Artifact: of, Key: key})
	}
}

func (w *lineWriter) artifact(a *a2a.Artifact) {
	piece, from, size, begun := *a, 0, int64(0), false
	large := w.split(a.ID, &piece.Metadata)
	flush := func(to int) {
		if begun && from == to {
			return
		}
		piece.Parts = a.Parts[from:to]
		w.event(&a2a.TaskArtifactUpdateEvent{Artifact: &piece, Append: begun})
		piece, from, size, begun = a2a.Artifact{ID: a.ID}, to, 0, true
	}
	for i := 0; i < len(a.Parts); i++ {
		if at, refers := w.origins.pieces[a.Parts[i]]; refers && i+at.parts <= len(a.Parts) {
			flush(i)
			w.refer(reference{Event: at.seq, Is: "parts", Index: at.index, Parts: at.parts})
			i += at.parts - 1
			from = i + 1
			continue
		}
		size += SizeOf(&a2a.Message{Parts: a.Parts[i : i+1]}).Bytes
		if i+1-from >= maxLineParts || size >= maxBatchBytes {
			flush(i + 1)
		}
	}
	flush(len(a.Parts))
	w.values(a.ID, large)
}

// TaskReader makes a task from the lines of a snapshot. Its zero value has read none.
type TaskReader struct {
	// Task is what has been read, nil before the first line. What lines refer to is missing in it
	// until [TaskReader.Fill] brings it.
	Task *a2a.Task

	origins *Origins
	missing map[int64][]func(a2a.Event) bool
}

// Add reads the next line.
func (r *TaskReader) Add(line []byte) error {
	if r.origins == nil {
		r.origins, r.missing = newOrigins(), map[int64][]func(a2a.Event) bool{}
	}
	if IsReference(line) {
		return r.refer(line)
	}
	r.origins.read += int64(len(line))
	event, err := Decode(line)
	if err != nil {
		return err
	}
	t, isTask := event.(*a2a.Task)
	if isTask != (r.Task == nil) {
		return fmt.Errorf("a snapshot has one task, at its beginning, and not %T", event)
	}
	switch e := event.(type) {
	case *a2a.Task:
		r.Task = t
	case *a2a.Message:
		shareIDs(e, r.Task)
		r.Task.History = append(r.Task.History, e)
	case *a2a.TaskArtifactUpdateEvent:
		if !e.Append || len(r.Task.Artifacts) == 0 {
			r.Task.Artifacts = append(r.Task.Artifacts, e.Artifact)
			break
		}
		last := r.Task.Artifacts[len(r.Task.Artifacts)-1]
		last.Parts = append(last.Parts, e.Artifact.Parts...)
	}
	return nil
}

var errReference = errors.New("a snapshot refers to what is not there")

// refer reads a reference.
func (r *TaskReader) refer(line []byte) error {
	var of struct{ Reference reference }
	if err := json.Unmarshal(line, &of); err != nil {
		return err
	}
	ref, t := of.Reference, r.Task
	at := origin{ref.Event, ref.Index}
	var last *a2a.Artifact
	if t != nil && len(t.Artifacts) > 0 {
		last = t.Artifacts[len(t.Artifacts)-1]
	}
	var fill func(a2a.Event) bool
	switch {
	case t == nil:
	case ref.Is == "status":
		fill = func(e a2a.Event) bool { t.Status.Message = r.message(e, at); return t.Status.Message != nil }
	case ref.Is == "history":
		i := len(t.History)
		t.History = append(t.History, nil)
		fill = func(e a2a.Event) bool { t.History[i] = r.message(e, at); return t.History[i] != nil }
	case ref.Is == "parts" && last != nil:
		i := len(last.Parts)
		last.Parts = append(last.Parts, make(a2a.ContentParts, ref.Parts)...)
		fill = func(e a2a.Event) bool {
			parts := at.partsAt(e)
			if len(parts) != ref.Parts {
				return false
			}
			r.origins.read += SizeOf(&a2a.Message{Parts: parts}).Bytes
			r.origins.parts(parts, at)
			copy(last.Parts[i:], parts)
			return true
		}
	case ref.Is == "value" && (ref.Artifact == "" || last != nil):
		metadata := &t.Metadata
		if ref.Artifact != "" {
			metadata = &last.Metadata
		}
		fill = func(e a2a.Event) bool {
			k := metadataKey{ref.Artifact, ref.Key}
			v, ok := k.valueAt(e)
			if *metadata == nil {
				*metadata = map[string]any{}
			}
			(*metadata)[ref.Key] = v
			var m meter
			m.any(v)
			r.origins.read += m.Bytes
			r.origins.metadata[k] = ref.Event
			return ok
		}
	}
	if fill == nil {
		return errReference
	}
	r.missing[ref.Event] = append(r.missing[ref.Event], fill)
	return nil
}

func (r *TaskReader) message(e a2a.Event, at origin) *a2a.Message {
	m := at.messageAt(e)
	if m != nil {
		r.origins.read += SizeOf(m).Bytes
		r.origins.message(m, at)
	}
	return m
}

// Missing returns the numbers of the events that lines refer to, in order.
func (r *TaskReader) Missing() []int64 { return slices.Sorted(maps.Keys(r.missing)) }

// Fill puts into the task what lines refer to in the event.
func (r *TaskReader) Fill(seq int64, e a2a.Event) error {
	for _, fill := range r.missing[seq] {
		if !fill(e) {
			return fmt.Errorf("event %d: %w", seq, errReference)
		}
	}
	delete(r.missing, seq)
	return nil
}

// Fold returns the fold over the events 1 … seq, of which the snapshot is.
func (r *TaskReader) Fold(seq int64) *Fold { return newFold(r.Task, seq, r.origins) }
