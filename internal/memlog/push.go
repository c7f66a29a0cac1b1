package memlog

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

// delivery is a push notification configuration. If it is claimed, Writer is who holds the claim.
type delivery struct {
	push.Delivery
	due     time.Time // when the claim ends, or delivery is to be tried again; zero if neither
	again   bool      // the holder must look at the log again
	givenUp bool
}

type pushKey struct {
	task a2a.TaskID
	id   string
}

// PutPush implements [push.Store].
func (l *Log) PutPush(_ context.Context, h tasklog.Head, c push.Config) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.get(h.ID); t != nil {
		t.head.Push = true
	}
	d := l.pushes[pushKey{c.TaskID, c.ID}]
	if d != nil && !d.givenUp && d.Version == c.Version && reflect.DeepEqual(d.Push, c.Push) {
		return nil
	}
	if l.pushes == nil {
		l.pushes = make(map[pushKey]*delivery)
	}
	l.pushes[pushKey{c.TaskID, c.ID}] = &delivery{Delivery: push.Delivery{Config: c}}
	return nil
}

// Pushes implements [push.Store].
func (l *Log) Pushes(_ context.Context, id a2a.TaskID) ([]push.Config, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []push.Config
	for k, d := range l.pushes {
		if k.task == id && time.Now().Before(d.Expires) {
			all = append(all, d.Config)
		}
	}
	slices.SortFunc(all, func(a, b push.Config) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// DeletePush implements [push.Store].
func (l *Log) DeletePush(_ context.Context, id a2a.TaskID, config string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pushes, pushKey{id, config})
	return nil
}

// ClaimPush implements [push.Store].
func (l *Log) ClaimPush(_ context.Context, id a2a.TaskID, config, writer string, until time.Time) (*push.Delivery, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.pushes[pushKey{id, config}]
	switch {
	case d == nil:
		return nil, nil
	case d.givenUp:
		return nil, push.ErrGivenUp
	case time.Now().Before(d.due) && d.Writer != writer:
		d.again = d.Writer != ""
		return nil, nil
	}
	d.Writer, d.due, d.again = writer, until, false
	claimed := d.Delivery
	return &claimed, nil
}

// SavePush implements [push.Store].
func (l *Log) SavePush(_ context.Context, d *push.Delivery, until time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	stored, err := l.claimed(d)
	if err != nil {
		return err
	}
	*stored = delivery{Delivery: *d, due: until}
	return nil
}

// ReleasePush implements [push.Store].
func (l *Log) ReleasePush(_ context.Context, d *push.Delivery, due time.Time) (released bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	stored, err := l.claimed(d)
	if err != nil || stored.again && due.IsZero() {
		return false, err
	}
	*stored = delivery{Delivery: *d, due: due}
	stored.Writer = ""
	return true, nil
}

// GiveUpPush implements [push.Store].
func (l *Log) GiveUpPush(_ context.Context, d *push.Delivery) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	stored, err := l.claimed(d)
	if err != nil {
		return err
	}
	*stored = delivery{Delivery: *d, givenUp: true}
	stored.Writer = ""
	return nil
}

// claimed returns the configuration whose claim d holds. l.mu is held.
func (l *Log) claimed(d *push.Delivery) (*delivery, error) {
	stored := l.pushes[pushKey{d.TaskID, d.ID}]
	if stored == nil || stored.Writer != d.Writer {
		return nil, push.ErrConflict
	}
	return stored, nil
}

// DuePushes implements [push.Store].
func (l *Log) DuePushes(_ context.Context, yield func(id a2a.TaskID, config string) bool) error {
	l.mu.Lock()
	var due []pushKey
	for k, d := range l.pushes {
		if !d.due.IsZero() && !time.Now().Before(d.due) {
			due = append(due, k)
		}
	}
	l.mu.Unlock()
	for _, k := range due {
		if !yield(k.task, k.id) {
			break
		}
	}
	return nil
}
