//go:build !race

package wire_test

import (
	"io"
	"net/http"
	"testing"

	"a2alambda/internal/memlog"
)

// TestAllocations holds the way of an event, from an agent that makes it to a client's connection, in memory, to a number of
// allocations, which is the same on every machine (but not under the race detector, which has pools forget). The agent's own are
// among them. A budget is what was measured and a little more, for other versions of Go.
func TestAllocations(t *testing.T) {
	const few, many = 200, 1200
	for _, test := range []struct {
		name, call string
		budget     float64 // allocations for each event
	}{
		{"1.0", streamCall, 25},
		{"0.3", streamCall03, 88}, // which is decoded, converted and encoded again
	} {
		run := func(n int) func() {
			return func() {
				w := &counter{header: http.Header{}}
				handlerOf(new(memlog.Log), io.Discard, talker(n)).ServeHTTP(w, post(t.Context(), test.call))
				if w.frames != n+2 {
					t.Fatalf("%d events, want %d", w.frames, n+2)
				}
			}
		}
		got := (testing.AllocsPerRun(2, run(many)) - testing.AllocsPerRun(2, run(few))) / (many - few)
		if got > test.budget {
			t.Errorf("%s: %.2f allocations an event, want %v at most", test.name, got, test.budget)
		}
	}
}
