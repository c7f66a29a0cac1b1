package dynamolog_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest/dynamodblocal"
)

// TestSeatsCost holds seats to their price, after thousands have followed a task and died.
func TestSeatsCost(t *testing.T) {
	t.Parallel()
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

// TestSeatsTogether has a process look at its seats at many tasks at the same time. It sends few
// requests, and each look costs what it costs alone.
func TestSeatsTogether(t *testing.T) {
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	const n = 250
	var seats []tasklog.Seat
	for i := range n {
		s := tasklog.Seat{ID: a2a.TaskID(fmt.Sprint("task", i)), Instance: "here"}
		if i%2 == 0 { // the others have lost theirs
			var err error
			s, err = l.Sit(t.Context(), s)
			must(t, err)
		}
		seats = append(seats, s)
	}
	cost.Reset()
	var looks sync.WaitGroup
	for i, s := range seats {
		looks.Go(func() {
			if has, err := l.Seated(t.Context(), s); err != nil || has != (i%2 == 0) {
				t.Errorf("seat %d: %t, %v", i, has, err)
			}
		})
	}
	looks.Wait()
	if u := cost.Units(); u.Requests > 25 || u.Read != n/2 {
		t.Errorf("%d looks: %+v, want half a read unit each, and few requests", n, u)
	}
}

// TestAcquiredTogether has the followers of many tasks, which their process has handed over, look at the same
// time whether somebody has them.
func TestAcquiredTogether(t *testing.T) {
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	const n = 100
	var ids []a2a.TaskID
	for i := range n {
		h, _, lease := create(t, l)
		must(t, lease.Release(t.Context()))
		if i%2 == 0 {
			_, err := l.Acquire(t.Context(), load(t, l, h.ID), by("next"))
			must(t, err)
		}
		ids = append(ids, h.ID)
	}
	cost.Reset()
	var looks sync.WaitGroup
	for i, id := range ids {
		looks.Go(func() {
			if got, err := l.Acquired(t.Context(), id, 1); err != nil || got != (i%2 == 0) {
				t.Errorf("task %d: %t, %v", i, got, err)
			}
		})
	}
	looks.Wait()
	if u := cost.Units(); u.Requests > 10 || u.Read != n/2 {
		t.Errorf("%d looks: %+v, want half a read unit each, and few requests", n, u)
	}
}
