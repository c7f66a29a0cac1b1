package dynamolog_test

import (
	"fmt"
	"testing"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest/dynamodblocal"
)

// TestSeatsCost holds seats to their price, after thousands have followed a task and died.
func TestSeatsCost(t *testing.T) {
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	h, _, _ := create(t, l)
	const n = 1000
	for i := range 3 {
		cost.Reset()
		var last tasklog.Seat
		for j := range n {
			var err error
			last, err = l.Sit(t.Context(), tasklog.Seat{ID: h.ID, Instance: fmt.Sprintf("instance%04d", i*n+j)})
			must(t, err)
		}
		u := cost.Units()
		t.Logf("%d seats: %d requests, %v write units", n, u.Requests, u.Write)
		if most := n + n/tasklog.MaxSeats + 1; u.Requests > most || u.Write > float64(most) || u.Read > 0 {
			t.Errorf("%d seats: %+v, want %d write units at most", n, u, most)
		}
		cost.Reset()
		for range 10 {
			_, err := l.Seated(t.Context(), last)
			must(t, err)
		}
		if u := cost.Units(); u.Requests != 10 || u.Read != 5 {
			t.Errorf("ten looks: %+v, want half a read unit each", u)
		}
		cost.Reset()
		must(t, l.Leave(t.Context(), last))
		if u := cost.Units(); u.Requests != 1 || u.Write != 1 {
			t.Errorf("leaving: %+v, want a write unit", u)
		}
	}
	cost.Reset()
	load(t, l, h.ID)
	_, err := l.Poll(t.Context(), h.ID, 1, false)
	must(t, err)
	if u := cost.Units(); u.Read > 2 {
		t.Errorf("loading and polling a task whose seats were taken: %+v", u)
	}
}
