package dynamolog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"a2alambda/internal/tasklog"
)

// The seats of a task are one item. An instance sits down in one update, without a condition and
// without a read before: the number of its seat comes from a counter in the same item. That counter
// also tells an old read from a seat that is gone.

// skSeats is the sort key of the seats. It is after the lease, so that nobody reads them who loads
// or follows the task.
const skSeats = "T#"

const (
	attrSat = "st" // N: on seats: the number of the last one

	// prefixSeat begins the names of the attributes with the numbers of the seats. An instance's
	// name follows.
	prefixSeat = "i_"
)

const (
	// seatsStay is how long the seats stay after somebody sat down.
	seatsStay = 24 * time.Hour

	// clearFrom is how many seats there are when the oldest are cleared away, and clearMost how many
	// one write clears: DynamoDB takes 300 operators, and 4 KB of an expression.
	// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
	clearFrom = 2 * tasklog.MaxSeats
	clearMost = 50
)

type seat struct {
	name   string // of the attribute
	number int64
}

// seatsOf returns the seats in the item, newest first.
func seatsOf(it item) (seats []seat) {
	for name := range it {
		if strings.HasPrefix(name, prefixSeat) {
			seats = append(seats, seat{name, it.num(name)})
		}
	}
	slices.SortFunc(seats, func(a, b seat) int { return cmp.Compare(b.number, a.number) })
	return seats
}

// Sit implements [tasklog.Seats]. It costs a write unit, and another one each time that MaxSeats
// more have a seat.
func (l *Log) Sit(ctx context.Context, s tasklog.Seat) (tasklog.Seat, error) {
	name, next := prefixSeat+s.Instance, "if_not_exists(?, ?) + ?"
	now, _, err := l.update(ctx, s.ID, skSeats, write().
		setTo(attrSat, next, attrSat, num(0), num(1)).setTo(name, next, attrSat, num(0), num(1)).
		set(attrTTL, num(time.Now().Add(seatsStay).Unix())))
	if err != nil {
		return s, fmt.Errorf("dynamolog: sitting down: %w", err)
	}
	s.Number = now.num(name)
	if seats := seatsOf(now); len(seats) >= clearFrom {
		e := write()
		for _, gone := range seats[max(tasklog.MaxSeats, len(seats)-clearMost):] {
			e.remove(gone.name).when("? = ?", gone.name, num(gone.number)) // it may have come again
		}
		_, _, _ = l.update(ctx, s.ID, skSeats, e) // or else the next one clears them
	}
	return s, nil
}

// Seated implements [tasklog.Seats]. It costs half a read unit. Those who ask within some
// milliseconds share one request.
func (l *Log) Seated(ctx context.Context, s tasklog.Seat) (bool, error) {
	it, err := l.share(ctx, key{s.ID, skSeats})
	if err != nil {
		return false, fmt.Errorf("dynamolog: reading seats: %w", err)
	}
	if it.num(attrSat) < s.Number {
		return true, nil // it was read as it was before
	}
	place := slices.Index(seatsOf(it), seat{prefixSeat + s.Instance, s.Number})
	return place >= 0 && place < tasklog.MaxSeats, nil
}

// Leave implements [tasklog.Seats]. It costs a write unit.
func (l *Log) Leave(ctx context.Context, s tasklog.Seat) error {
	name := prefixSeat + s.Instance
	if _, _, err := l.update(ctx, s.ID, skSeats, write().remove(name).when("attribute_exists(?)", name)); err != nil {
		return fmt.Errorf("dynamolog: leaving a seat: %w", err)
	}
	return nil
}
