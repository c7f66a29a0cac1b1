package memlog

import (
	"context"
	"maps"

	"a2alambda/internal/tasklog"
)

// Sit implements [tasklog.Seats].
func (l *Log) Sit(_ context.Context, s tasklog.Seat) (tasklog.Seat, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(s.ID)
	if t == nil {
		return s, tasklog.ErrNotFound
	}
	if t.seats == nil {
		t.seats = make(map[string]int64)
	}
	t.sat++
	t.seats[s.Instance], s.Number = t.sat, t.sat
	if len(t.seats) >= 2*tasklog.MaxSeats { // otherwise those that died would stay
		seats := maps.Clone(t.seats)
		maps.DeleteFunc(t.seats, func(_ string, number int64) bool { return newer(seats, number) >= tasklog.MaxSeats })
	}
	return s, nil
}

// newer returns how many of the seats are newer than the one with the number.
func newer(seats map[string]int64, number int64) (n int) {
	for _, other := range seats {
		if other > number {
			n++
		}
	}
	return n
}

// Seated implements [tasklog.Seats].
func (l *Log) Seated(_ context.Context, s tasklog.Seat) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(s.ID)
	if t == nil {
		return false, tasklog.ErrNotFound
	}
	return t.seats[s.Instance] == s.Number && newer(t.seats, s.Number) < tasklog.MaxSeats, nil
}

// Leave implements [tasklog.Seats].
func (l *Log) Leave(_ context.Context, s tasklog.Seat) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.get(s.ID); t != nil {
		delete(t.seats, s.Instance)
	}
	return nil
}
