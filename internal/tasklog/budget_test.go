//go:build !race

package tasklog_test

import "testing"

// TestAllocations holds the work for each event to a number of allocations. The number is the same
// on every machine, but not under the race detector, which makes pools forget. A budget is what was
// measured and a little more, for other versions of Go.
func TestAllocations(t *testing.T) {
	const n = 1000
	h, events := statuses(n)
	types := typical(h)
	for _, test := range []struct {
		name   string
		do     func()
		events float64 // that do handles
		budget float64 // allocations for each
	}{
		{"encoding a status", func() { encode(t, types["status"]) }, 1, 13}, // JSON by reflection, and a timestamp
		{"encoding a part of an artifact", func() { encode(t, types["artifact"]) }, 1, 11},
		{"folding", func() { fold(t, events) }, n, 20},
		{"appending", func() { appendAll(t, h, events) }, n, 0.2}, // arrays grow; an event is not copied
	} {
		if got := testing.AllocsPerRun(10, test.do) / test.events; got > test.budget {
			t.Errorf("%s: %.2f allocations an event, want %v at most", test.name, got, test.budget)
		}
	}
}
