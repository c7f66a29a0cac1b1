// Package memlog keeps task logs in the memory of one process. It is what a local run uses, and the reference for
// what package tasklog asks of a log.
package memlog

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// Log is a [tasklog.Log] in memory. Its zero value is empty and ready to use.
type Log struct {
	mu     sync.Mutex
	tasks  map[a2a.TaskID]*task
	pushes map[pushKey]*delivery
	swept  time.Time // when expired tasks were last looked for
	secret []byte    // nil before somebody has asked for it
}

type task struct {
	head   tasklog.Head
	events []tasklog.Event
	size   tasklog.Size
	ended  bool // the last event is terminal
	final  bool // the last state is final, and nobody has acquired the task since

	// writers[n] is who appended the batch that begins with event n, or has reserved that place.
	writers map[int64]string
	fence   int64 // the epoch of the reservation, if there is one, of the next event
	lease   tasklog.Lease

	mu   sync.Mutex    // held while folding, not while appending
	fold *tasklog.Fold // over some of the first events
}

// Create implements [tasklog.Log].
func (l *Log) Create(_ context.Context, h tasklog.Head, writer string, until time.Time, event []byte) error {
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
		size:    h.Size,
		writers: map[int64]string{1: writer},
		fold:    tasklog.NewFold(nil, 0),
		lease:   tasklog.Lease{Holder: writer, Epoch: 1, Seq: 1, Until: until},
	}
	if until.IsZero() {
		l.tasks[h.ID].lease.Holder = ""
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
	case b.First != next || t.ended || t.fence > 0 && t.writers[next] != b.Writer:
		return tasklog.ErrConflict
	}
	t.fence = 0
	for i, e := range b.Events {
		t.events = append(t.events, tasklog.Event{Seq: next + int64(i), JSON: e})
	}
	t.writers[b.First] = b.Writer
	t.size = b.Size
	t.ended = b.State.Terminal()
	if b.State != "" {
		t.final = tasklog.Final(b.State)
	}
	return nil
}

// Acquire implements [tasklog.Log].
func (l *Log) Acquire(_ context.Context, s *tasklog.Snapshot, writer string, until time.Time) (tasklog.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(s.Head.ID)
	if t == nil {
		return tasklog.Lease{}, tasklog.ErrNotFound
	}
	if t.lease.Epoch != s.Lease.Epoch || t.lease.Holder != s.Lease.Holder || !t.lease.Until.Equal(s.Lease.Until) {
		if t.lease.Holder == writer {
			return t.lease, nil
		}
		return tasklog.Lease{}, tasklog.ErrConflict
	}
	t.lease = s.Next(writer, until)
	t.final = false
	t.head.Request = s.Head.Request
	return t.lease, nil
}

// Fence implements [tasklog.Log].
func (l *Log) Fence(_ context.Context, h tasklog.Head, writer string, epoch, next int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(h.ID)
	switch {
	case t == nil:
		return tasklog.ErrNotFound
	case t.writers[next] == writer && t.fence == epoch:
		return nil
	case t.ended || next != int64(len(t.events))+1 || t.fence >= epoch:
		return tasklog.ErrConflict
	}
	t.fence, t.writers[next] = epoch, writer
	return nil
}

// Renew implements [tasklog.Log].
func (l *Log) Renew(_ context.Context, h tasklog.Head, writer string, until time.Time) (tasklog.Asked, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(h.ID)
	switch {
	case t == nil:
		return tasklog.Asked{}, tasklog.ErrNotFound
	case t.lease.Holder != writer:
		return tasklog.Asked{}, tasklog.ErrConflict
	}
	if !until.IsZero() {
		t.lease.Until = until
	}
	return tasklog.Asked{Cancel: t.lease.Cancel, Push: t.head.Push && !h.Push}, nil
}

// RequestCancel implements [tasklog.Log].
func (l *Log) RequestCancel(_ context.Context, h tasklog.Head) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.get(h.ID); t != nil {
		t.lease.Cancel = true
	}
	return nil
}

// Running implements [tasklog.Log].
func (l *Log) Running(_ context.Context, yield func(a2a.TaskID) bool) error {
	l.mu.Lock()
	var ids []a2a.TaskID
	for id, t := range l.tasks {
		if !t.final && l.get(id) != nil {
			ids = append(ids, id)
		}
	}
	l.mu.Unlock()
	for _, id := range ids {
		if !yield(id) {
			break
		}
	}
	return nil
}

// Poll implements [tasklog.Log].
func (l *Log) Poll(ctx context.Context, id a2a.TaskID, after int64) ([]tasklog.Event, tasklog.Lease, error) {
	events, err := l.Read(ctx, id, after, pollEvents)
	if err != nil {
		return nil, tasklog.Lease{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	if t == nil {
		return nil, tasklog.Lease{}, tasklog.ErrNotFound
	}
	return events, t.lease, nil
}

// pollEvents is how many events a Poll returns at most.
const pollEvents = 1000

// SetStatus implements [tasklog.Log]. The log itself is as quick to ask.
func (l *Log) SetStatus(context.Context, a2a.TaskID, tasklog.Status) error { return nil }

// Settle implements [tasklog.Log].
func (l *Log) Settle(_ context.Context, s *tasklog.Snapshot) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.get(s.Head.ID); t != nil && t.lease.Epoch == s.Lease.Epoch && int64(len(t.events)) == s.Seq {
		t.final = true
	}
	return nil
}

// Read implements [tasklog.Log].
func (l *Log) Read(_ context.Context, id a2a.TaskID, after int64, limit int) ([]tasklog.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	if t == nil {
		return nil, tasklog.ErrNotFound
	}
	var events []tasklog.Event
	for size := 0; len(events) < limit && int64(len(t.events)) > after && size < tasklog.ReadBytes; after++ {
		events = append(events, t.events[after])
		size += len(t.events[after].JSON)
	}
	return events, nil
}

// Lease implements [tasklog.Log].
func (l *Log) Lease(_ context.Context, id a2a.TaskID) (tasklog.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	if t == nil {
		return tasklog.Lease{}, tasklog.ErrNotFound
	}
	return t.lease, nil
}

// List implements [tasklog.Log]. It looks at every task.
func (l *Log) List(ctx context.Context, f tasklog.Filter, after tasklog.Position, yield func(tasklog.Position) bool) error {
	found, err := l.find(ctx, f)
	if err != nil {
		return err
	}
	for _, p := range found {
		if (after == tasklog.Position{} || compare(after, p) < 0) && !yield(p) {
			break
		}
	}
	return nil
}

// Count implements [tasklog.Log].
func (l *Log) Count(ctx context.Context, f tasklog.Filter) (int, error) {
	found, err := l.find(ctx, f)
	return len(found), err
}

// find returns the tasks that match the filter, in the order of a list.
func (l *Log) find(ctx context.Context, f tasklog.Filter) ([]tasklog.Position, error) {
	l.mu.Lock()
	var ids []a2a.TaskID
	for id, t := range l.tasks {
		if t.head.Scope == f.Scope && (f.ContextID == "" || t.head.ContextID == f.ContextID) {
			ids = append(ids, id)
		}
	}
	l.mu.Unlock()
	var found []tasklog.Position
	for _, id := range ids {
		s, err := l.Load(ctx, id)
		if errors.Is(err, tasklog.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p := tasklog.Position{ID: id}
		if t := s.Task.Status.Timestamp; t != nil {
			p.Time = t.Truncate(time.Millisecond)
		}
		if (f.State == "" || s.Task.Status.State == f.State) && !p.Time.Before(f.Since) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, compare)
	return found, nil
}

// compare orders positions as a list does.
func compare(a, b tasklog.Position) int {
	return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID))
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
	head, lease, size := t.head, t.lease, t.size
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
	return &tasklog.Snapshot{Head: head, Task: folded, Seq: t.fold.Seq(), Size: size, Lease: lease}, nil
}

// Secret implements [tasklog.Log]. It is the process's, as the tasks are: in the next one, the same message has another id.
func (l *Log) Secret(context.Context) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.secret == nil {
		l.secret = make([]byte, tasklog.SecretBytes)
		_, _ = rand.Read(l.secret) // never fails: crypto/rand
	}
	return l.secret, nil
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
	for k, d := range l.pushes {
		if !now.Before(d.Expires) {
			delete(l.pushes, k)
		}
	}
}
