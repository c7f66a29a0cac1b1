package memlog

import (
	"bytes"
	"context"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// journal is what a task has for a durable agent. Log.mu guards it.
type journal struct {
	steps     []tasklog.Step
	recorders map[int64]recorder // by the place of the first entry of a Record
	shut      int64              // the last epoch whose holder may not record any more
	waits     []*tasklog.Wait    // in the order in which they were opened
}

// recorder is the holder that has recorded something.
type recorder struct {
	writer string
	epoch  int64
}

// Steps implements [tasklog.Journal].
func (l *Log) Steps(_ context.Context, id a2a.TaskID, after int64, _ bool) ([]tasklog.Step, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	if t == nil {
		return nil, false, nil
	}
	rest := t.steps[min(after, int64(len(t.steps))):]
	n, size := 0, 0
	for n < len(rest) && size < tasklog.ReadBytes {
		size += len(rest[n].JSON)
		n++
	}
	return rest[:n:n], n < len(rest), nil
}

// Record implements [tasklog.Lease].
func (h lease) Record(_ context.Context, first int64, entries [][]byte) error {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	t := h.log.get(h.id)
	if t == nil {
		return tasklog.ErrNotFound
	}
	next := int64(len(t.steps)) + 1
	switch {
	case first < next && t.recorders[first] == recorder{h.writer, h.epoch}:
		return nil
	case !h.records, first != next, t.lease.Epoch != h.epoch, h.epoch <= t.shut, t.lease.Released, t.final:
		return tasklog.ErrConflict
	}
	for i, e := range entries {
		t.steps = append(t.steps, tasklog.Step{Place: first + int64(i), JSON: e})
	}
	if t.recorders == nil {
		t.recorders = make(map[int64]recorder)
	}
	t.recorders[first] = recorder{h.writer, h.epoch}
	return nil
}

// Suspend implements [tasklog.Lease].
func (h lease) Suspend(_ context.Context, due time.Time, woken int64) (bool, error) {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	due = due.Truncate(time.Second)
	t := h.log.get(h.id)
	switch {
	case t == nil:
		return false, tasklog.ErrNotFound
	case t.lease.Epoch == h.epoch && t.lease.Suspended:
		return true, nil // again; it may have been woken since
	case t.lease.Epoch != h.epoch || t.lease.Released || t.lease.Deposed:
		return false, tasklog.ErrConflict
	case t.lease.Woken > woken || t.lease.Cancel:
		return false, nil
	}
	t.lease.Until, t.lease.Released, t.lease.Doubted, t.fence = time.Time{}, true, false, h.epoch+1
	t.lease.Suspended, t.lease.Due, t.look = true, due, due
	return true, nil
}

// Wake implements [tasklog.Journal].
func (l *Log) Wake(_ context.Context, id a2a.TaskID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	if t == nil {
		return tasklog.ErrNotFound
	}
	t.lease.Woken++
	t.dueNow()
	l.askHolder(t)
	return nil
}

// dueNow makes a suspended task, and the look at it, due. log.mu is held.
func (t *task) dueNow() {
	if now := time.Now().Truncate(time.Second); t.lease.Suspended && now.Before(t.look) {
		t.lease.Due, t.look, t.lease.Asked = now, now, 0
	}
}

// wait returns the wait of a task, or nil. log.mu is held.
func (l *Log) wait(id a2a.TaskID, name string) *tasklog.Wait {
	if t := l.get(id); t != nil {
		for _, w := range t.waits {
			if w.Name == name {
				return w
			}
		}
	}
	return nil
}

// OpenWait implements [tasklog.Waits].
func (l *Log) OpenWait(_ context.Context, h tasklog.Head, name, memo string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(h.ID)
	switch {
	case t == nil:
		return tasklog.ErrNotFound
	case l.wait(h.ID, name) == nil:
		t.waits = append(t.waits, &tasklog.Wait{Name: name, State: tasklog.WaitOpen, Memo: memo})
	}
	return nil
}

// Wait implements [tasklog.Waits].
func (l *Log) Wait(_ context.Context, id a2a.TaskID, name string) (tasklog.Wait, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.wait(id, name); w != nil {
		return *w, nil
	}
	return tasklog.Wait{}, tasklog.ErrNotFound
}

// OpenWaits implements [tasklog.Waits].
func (l *Log) OpenWaits(_ context.Context, id a2a.TaskID) (open []tasklog.Wait, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	if t == nil {
		return nil, nil
	}
	for _, w := range t.waits {
		if w.State == tasklog.WaitOpen {
			open = append(open, *w)
		}
	}
	return open, nil
}

// Deliver implements [tasklog.Waits].
func (l *Log) Deliver(_ context.Context, id a2a.TaskID, name string, d tasklog.Delivery) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.wait(id, name)
	switch {
	case w == nil:
		return tasklog.ErrNotFound
	case w.State == tasklog.WaitClosed:
		return tasklog.ErrWaitClosed
	case w.State == tasklog.WaitOpen:
		d.Time = d.Time.Truncate(time.Millisecond)
		w.State, w.Delivery = tasklog.WaitDelivered, &d
	case w.Delivery.ContentType != d.ContentType || !bytes.Equal(w.Delivery.Body, d.Body):
		return tasklog.ErrDelivered
	}
	return nil
}

// CloseWait implements [tasklog.Waits].
func (l *Log) CloseWait(_ context.Context, id a2a.TaskID, name string) (tasklog.Wait, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.wait(id, name)
	if w == nil {
		return tasklog.Wait{}, tasklog.ErrNotFound
	}
	if w.State == tasklog.WaitOpen {
		w.State = tasklog.WaitClosed
	}
	return *w, nil
}
