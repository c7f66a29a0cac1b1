package memlog

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// List implements [tasklog.Index]. It looks at every task.
func (l *Log) List(ctx context.Context, f tasklog.Filter, after tasklog.Position, limit int) (tasklog.Page, error) {
	found, err := l.find(ctx, f)
	if err != nil {
		return tasklog.Page{}, err
	}
	if after != (tasklog.Position{}) {
		found = slices.DeleteFunc(found, func(p tasklog.Position) bool { return compare(after, p) >= 0 })
	}
	page := tasklog.Page{Found: found, Looked: after}
	if page.More = len(found) > limit; page.More {
		page.Found = found[:limit]
	}
	if n := len(page.Found); n > 0 {
		page.Looked = page.Found[n-1]
	}
	return page, nil
}

// Count implements [tasklog.Index]. It looks at every task.
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

// InContext implements [tasklog.Index]. It looks at every task.
func (l *Log) InContext(_ context.Context, s tasklog.Scope, contextID string, limit int) ([]a2a.TaskID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []*task
	for id, t := range l.tasks {
		if t.head.Scope == s && t.head.ContextID == contextID && l.get(id) != nil {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b *task) int { return b.number - a.number })
	var ids []a2a.TaskID
	for _, t := range found[:min(limit, len(found))] {
		ids = append(ids, t.head.ID)
	}
	return ids, nil
}

// Settle implements [tasklog.Index].
func (l *Log) Settle(_ context.Context, s *tasklog.Snapshot) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.get(s.Head.ID); t != nil && t.lease.Epoch == s.Lease.Epoch && int64(len(t.events)) == s.Seq {
		if t.final = true; s.Fenced() {
			t.fence = s.Lease.Epoch + 1
		}
	}
	return nil
}
