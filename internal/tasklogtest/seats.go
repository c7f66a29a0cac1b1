package tasklogtest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"a2alambda/internal/tasklog"
)

// testSeats checks who has a seat among those that follow a task, as instances come, come again,
// leave, and die without leaving.
func testSeats(t *testing.T, s tasklog.Store) {
	h, first, _ := mustCreate(t, s)
	other, _, _ := mustCreate(t, s)
	seats := map[string]tasklog.Seat{}
	sit := func(instances ...int) {
		t.Helper()
		for _, i := range instances {
			name := fmt.Sprint("i", i)
			seat, err := s.Sit(t.Context(), tasklog.Seat{ID: h.ID, Instance: name})
			must(t, err)
			for _, before := range seats {
				if seat.Number <= before.Number || seat.ID != h.ID || seat.Instance != name {
					t.Fatalf("after seat %+v, got seat %+v", before, seat)
				}
			}
			seats[name] = seat
		}
	}
	check := func(what string, want ...int) {
		t.Helper()
		var names, got []string
		for _, i := range want {
			names = append(names, fmt.Sprint("i", i))
		}
		for name, seat := range seats {
			if seated(t, s, seat, slices.Contains(names, name)) {
				got = append(got, name)
			}
		}
		slices.Sort(names)
		if slices.Sort(got); !slices.Equal(got, names) {
			t.Errorf("%s, the seats are %v, want %v", what, got, names)
		}
	}
	sit(1, 2, 3, 4, 5, 6, 7, 8)
	check("once there are as many as there may be", 1, 2, 3, 4, 5, 6, 7, 8)
	sit(9)
	check("after one more", 2, 3, 4, 5, 6, 7, 8, 9)
	sit(2)
	check("after the oldest came again", 3, 4, 5, 6, 7, 8, 9, 2)
	sit(1)
	check("after one without a seat came again", 4, 5, 6, 7, 8, 9, 2, 1)
	must(t, s.Leave(t.Context(), seats["i6"]), s.Leave(t.Context(), seats["i6"]))
	must(t, s.Leave(t.Context(), tasklog.Seat{ID: h.ID, Instance: "never"}))
	check("after one has left", 3, 4, 5, 7, 8, 9, 2, 1) // who had just lost its seat has it again
	sit(10)
	check("after a seat was free", 4, 5, 7, 8, 9, 2, 1, 10)
	before := seats["i1"]
	sit(1)
	if seated(t, s, before, false) {
		t.Error("an instance that came again has two seats")
	}
	must(t, s.Leave(t.Context(), tasklog.Seat{ID: h.ID, Instance: "i1"})) // whose Sit had no answer
	check("after one has left that does not know its number", 3, 4, 5, 7, 8, 9, 2, 10)

	for i := range 100 { // which all die
		sit(100 + i)
	}
	check("after a hundred have died", 192, 193, 194, 195, 196, 197, 198, 199)
	sit(1, 2, 3, 4, 5, 6, 7, 8)
	check("after others have come", 1, 2, 3, 4, 5, 6, 7, 8)

	alone, err := s.Sit(t.Context(), tasklog.Seat{ID: other.ID, Instance: "i1"})
	must(t, err)
	if !seated(t, s, alone, true) {
		t.Error("followers of one task take seats of another")
	}
	checkRead(t, s, h, 0, 10, []tasklog.Entry{first}) // nobody sees the seats in the log
	checkLoad(t, s, h, []tasklog.Entry{first})
}

// seated reports whether the seat is one of those of its task. Since that may lag, it asks until
// the answer is as wanted, for some seconds.
func seated(t *testing.T, s tasklog.Store, seat tasklog.Seat, want bool) bool {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		has, err := s.Seated(t.Context(), seat)
		must(t, err)
		if has == want || time.Now().After(end) {
			return has
		}
	}
}

// testConcurrentSeats has many instances sit down at once, again and again.
func testConcurrentSeats(t *testing.T, s tasklog.Store) {
	h, _, _ := mustCreate(t, s)
	const n = 50
	for range 3 {
		seats := make([]tasklog.Seat, n)
		var group sync.WaitGroup
		for i := range n {
			group.Go(func() {
				var err error
				if seats[i], err = s.Sit(t.Context(), tasklog.Seat{ID: h.ID, Instance: fmt.Sprint("i", i)}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		slices.SortFunc(seats, func(a, b tasklog.Seat) int { return int(b.Number - a.Number) })
		for i, seat := range seats {
			if i > 0 && seat.Number == seats[i-1].Number {
				t.Errorf("two have seat %d", seat.Number)
			}
			if want := i < tasklog.MaxSeats; seated(t, s, seat, want) != want {
				t.Errorf("the instance that came %d before the last has a seat: %t", i, !want)
			}
		}
	}
}
