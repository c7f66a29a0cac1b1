package tasklog

import (
	"fmt"
	"iter"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// minSnapshotBytes is the least length of log between two snapshots. For a larger task, the
// distance is the size of the last snapshot. So the snapshots of a log have at most twice its own
// bytes, however long it gets, and loading reads at most twice the bytes of the task.
const minSnapshotBytes = 256 << 10

// keeper keeps the fold of an appender, and saves snapshots of it while appends go on.
type keeper struct {
	fold *Fold // it is the snapshot's while one is being saved
	// saved gets the size of the snapshot that is being saved, or 0 if that failed. It is nil if
	// none is being saved.
	saved chan int
	later []Event // what came meanwhile, and is not in fold

	last, since int // bytes: of the last snapshot, and of the log since it was begun
}

// add adds events that are in the log.
func (k *keeper) add(events []Event) {
	k.settle(false)
	for _, e := range events {
		k.since += len(e.JSON)
	}
	if k.saved != nil {
		k.later = append(k.later, events...)
		return
	}
	for _, e := range events {
		k.fold.Add(e)
	}
}

// due reports whether it is time for a snapshot.
func (k *keeper) due() bool { return k.saved == nil && k.since >= max(k.last, minSnapshotBytes) }

// save begins to save a snapshot. If that fails, Load finds the same task without it.
func (k *keeper) save(put func(seq int64, lines iter.Seq2[[]byte, error]) error) {
	k.saved = make(chan int, 1)
	k.since = 0
	go func(fold *Fold, saved chan<- int) {
		size := 0
		defer func() { saved <- size }()
		written := 0
		counted := func(yield func([]byte, error) bool) {
			task, err := fold.Task() // not for a store that takes no line
			if err != nil {
				yield(nil, err)
				return
			}
			for line, err := range SnapshotLines(task) {
				written += len(line)
				if !yield(line, err) {
					return
				}
			}
		}
		if put(fold.Seq(), counted) == nil {
			size = written
		}
	}(k.fold, k.saved)
}

// settle takes the fold back if the snapshot is saved. With wait, it waits until it is.
func (k *keeper) settle(wait bool) {
	if k.saved == nil {
		return
	}
	var size int
	if wait {
		size = <-k.saved
	} else {
		select {
		case size = <-k.saved:
		default:
			return
		}
	}
	k.saved = nil
	if size > 0 {
		k.last = size
	}
	for _, e := range k.later {
		k.fold.Add(e)
	}
	k.later = nil
}

// Bare returns the task with only its ids and its state.
func Bare(t *a2a.Task) *a2a.Task {
	status := a2a.TaskStatus{State: t.Status.State, Timestamp: t.Status.Timestamp}
	return &a2a.Task{ID: t.ID, ContextID: t.ContextID, Status: status}
}

// maxLineParts is how many parts of an artifact are in one line of a snapshot.
const maxLineParts = 1000

// SnapshotLines returns the task in lines of JSON, none much longer than an event: first the task
// without history and artifacts, then each message, then the artifacts, long ones in pieces. Each
// line is a StreamResponse object. A [TaskReader] makes the task from them again.
func SnapshotLines(t *a2a.Task) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		bare := *t
		bare.History, bare.Artifacts = nil, nil
		if !yield(Encode(&bare)) {
			return
		}
		for _, m := range t.History {
			if !yield(Encode(m)) {
				return
			}
		}
		for _, a := range t.Artifacts {
			piece, size, from := *a, int64(0), 0
			for i := range a.Parts {
				size += SizeOf(&a2a.Message{Parts: a.Parts[i : i+1]}).Bytes
				if n := i + 1 - from; i+1 < len(a.Parts) && n < maxLineParts && size < maxBatchBytes {
					continue
				}
				piece.Parts = a.Parts[from : i+1]
				if !yield(Encode(&a2a.TaskArtifactUpdateEvent{Artifact: &piece, Append: from > 0})) {
					return
				}
				piece, size, from = a2a.Artifact{ID: a.ID}, 0, i+1
			}
			if len(a.Parts) == 0 && !yield(Encode(&a2a.TaskArtifactUpdateEvent{Artifact: &piece})) {
				return
			}
		}
	}
}

// TaskReader makes a task from the lines of a snapshot. Its zero value has read none.
type TaskReader struct {
	// Task is what has been read, nil before the first line.
	Task *a2a.Task
}

// Add reads the next line.
func (r *TaskReader) Add(line []byte) error {
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
