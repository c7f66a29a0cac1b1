// Package memlog keeps task logs in the memory of one process. It is what a local run uses, and the reference for
// what package tasklog asks of a log.
package memlog

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// Log is a [tasklog.Log] in memory. Its zero value is empty and ready to use.
type Log struct {
	mu    sync.Mutex
	tasks map[a2a.TaskID]*task
	swept time.Time // when expired tasks were last looked for
}

type task struct {
	head   tasklog.Head
	events []tasklog.Event
	ended  bool // the last event is terminal

	// writers[n] is who appended the batch that begins with event n.
	writers map[int64]string

	mu   sync.Mutex    // held while folding, not while appending
	fold *tasklog.Fold // over some of the first events
}

// Create implements [tasklog.Log].
func (l *Log) Create(_ context.Context, h tasklog.Head, writer string, event []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep()
	if t := l.get(h.ID); t != nil {
		if t.writers[1] == writer {
			return nil
		}
		return tasklog.ErrExists
	}
	if l.tasks == nil {
		l.tasks = make(map[a2a.TaskID]*task)
	}
	l.tasks[h.ID] = &task{
		head:    h,
		events:  []tasklog.Event{{Seq: 1, JSON: bytes.Clone(event)}},
		writers: map[int64]string{1: writer},
		fold:    tasklog.NewFold(nil, 0),
	}
	return nil
}

// Append implements [tasklog.Log].
func (l *Log) Append(_ context.Context, b tasklog.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(b.ID)
	if t == nil {
		return tasklog.ErrNotFound
	}
	next := int64(len(t.events)) + 1
	switch {
	case b.First < next && t.writers[b.First] == b.Writer:
		return nil
	case b.First != next || t.ended:
		return tasklog.ErrConflict
	}
	for i, e := range b.Events {
		t.events = append(t.events, tasklog.Event{Seq: next + int64(i), JSON: e})
	}
	t.writers[b.First] = b.Writer
	t.ended = b.State.Terminal()
	return nil
}

// SetStatus implements [tasklog.Log]. The log itself is as quick to ask.
func (l *Log) SetStatus(context.Context, a2a.TaskID, tasklog.Status) error { return nil }

// Read implements [tasklog.Log].
func (l *Log) Read(_ context.Context, id a2a.TaskID, after int64, limit int) ([]tasklog.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	if t == nil {
		return nil, tasklog.ErrNotFound
	}
	from := min(max(0, after), int64(len(t.events)))
	to := min(from+int64(limit), int64(len(t.events)))
	return slices.Clone(t.events[from:to]), nil
}

// Load implements [tasklog.Log].
func (l *Log) Load(_ context.Context, id a2a.TaskID) (*tasklog.Snapshot, error) {
	l.mu.Lock()
	t := l.get(id)
	if t == nil {
		l.mu.Unlock()
		return nil, tasklog.ErrNotFound
	}
	events := t.events[:len(t.events):len(t.events)]
	l.mu.Unlock()

	t.mu.Lock()
	defer t.mu.Unlock()
	for int(t.fold.Seq()) < len(events) {
		t.fold.Add(events[t.fold.Seq()])
	}
	folded, err := t.fold.Task()
	if err != nil {
		return nil, err
	}
	return &tasklog.Snapshot{Head: t.head, Task: folded, Seq: t.fold.Seq()}, nil
}

// get returns the task, or nil if there is none or it has expired. l.mu is held.
func (l *Log) get(id a2a.TaskID) *task {
	t := l.tasks[id]
	if t == nil || !time.Now().Before(t.head.Expires) {
		return nil
	}
	return t
}

// sweep forgets expired tasks, once a minute. l.mu is held.
func (l *Log) sweep() {
	now := time.Now()
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	for id, t := range l.tasks {
		if !now.Before(t.head.Expires) {
			delete(l.tasks, id)
		}
	}
}
