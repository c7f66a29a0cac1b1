package memlog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"a2alambda/internal/tasklog"
)

// All looks are in the first shard.

type places [tasklog.Shards]tasklog.Place

const (
	ofTasks = iota
	ofPushes
)

// lookAt returns the time of the look at a task whose lease the claim gets.
func lookAt(c tasklog.Claim) time.Time {
	if c.Until.IsZero() {
		return time.Now().Truncate(time.Second)
	}
	return c.Until.Truncate(time.Second)
}

// page returns a page of the looks, in order.
func page(looks []tasklog.Look, after tasklog.Place, limit int) ([]tasklog.Look, bool, error) {
	for i, l := range looks {
		looks[i].Place = tasklog.Place(fmt.Sprintf("%013d %s %s", max(0, l.Due.Unix()), l.ID, l.Config))
	}
	looks = slices.DeleteFunc(looks, func(l tasklog.Look) bool { return l.Place <= after })
	slices.SortFunc(looks, func(a, b tasklog.Look) int { return cmp.Compare(a.Place, b.Place) })
	if len(looks) > limit {
		return looks[:limit], true, nil
	}
	return looks, false, nil
}

// Due implements [tasklog.Looks]. It goes through every task.
func (l *Log) Due(
	_ context.Context, shard int, by time.Time, after tasklog.Place, limit int,
) ([]tasklog.Look, bool, error) {
	if shard > 0 {
		return nil, false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var looks []tasklog.Look
	for id, t := range l.tasks {
		if !t.final && l.get(id) != nil && !t.look.After(by) {
			looks = append(looks, tasklog.Look{ID: id, Due: t.look, Held: !t.lease.Expired(), Suspended: t.lease.Suspended})
		}
	}
	return page(looks, after, limit)
}

// Postpone implements [tasklog.Looks].
func (l *Log) Postpone(_ context.Context, look tasklog.Look, next time.Time) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(look.ID)
	if t == nil || t.final || !t.look.Equal(look.Due) {
		return false, nil
	}
	t.look = next.Truncate(time.Second)
	t.lease.Asked++
	return true, nil
}

// Places implements [tasklog.Looks].
func (l *Log) Places(context.Context) ([tasklog.Shards]tasklog.Place, error) {
	return l.placesOf(ofTasks)
}

// SavePlace implements [tasklog.Looks].
func (l *Log) SavePlace(_ context.Context, shard int, before, now tasklog.Place) error {
	return l.savePlace(ofTasks, shard, before, now)
}

// Due implements [tasklog.Looks].
func (s *Pushes) Due(
	_ context.Context, shard int, by time.Time, after tasklog.Place, limit int,
) ([]tasklog.Look, bool, error) {
	if shard > 0 {
		return nil, false, nil
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	var looks []tasklog.Look
	for k, d := range s.log.pushes {
		if at := d.look(); !at.IsZero() && !at.After(by) {
			looks = append(looks, tasklog.Look{ID: k.task, Config: k.id, Due: at})
		}
	}
	return page(looks, after, limit)
}

// look returns the time of the look at the delivery, or zero.
func (d *delivery) look() time.Time {
	if !d.postponed.IsZero() {
		return d.postponed
	}
	return d.due
}

// Postpone implements [tasklog.Looks].
func (s *Pushes) Postpone(_ context.Context, look tasklog.Look, next time.Time) (bool, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	d := s.log.pushes[pushKey{look.ID, look.Config}]
	if d == nil || !d.look().Equal(look.Due) {
		return false, nil
	}
	d.postponed = next.Truncate(time.Second)
	return true, nil
}

// Places implements [tasklog.Looks].
func (s *Pushes) Places(context.Context) ([tasklog.Shards]tasklog.Place, error) {
	return s.log.placesOf(ofPushes)
}

// SavePlace implements [tasklog.Looks].
func (s *Pushes) SavePlace(_ context.Context, shard int, before, now tasklog.Place) error {
	return s.log.savePlace(ofPushes, shard, before, now)
}

func (l *Log) placesOf(what int) (places, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places[what], nil
}

func (l *Log) savePlace(what, shard int, before, now tasklog.Place) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if place := &l.places[what][shard]; *place == before {
		*place = now
	}
	return nil
}
