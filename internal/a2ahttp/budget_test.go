//go:build !race

package a2ahttp_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"a2alambda/internal/memlog"
)

// TestAllocations bounds the allocations for an event, from the agent to a client's connection, in
// memory, the agent's own included. Their number is the same on every machine (but not under the
// race detector, where pools forget). A budget is the measured number and a little more, for other
// versions of Go.
func TestAllocations(t *testing.T) {
	const few, many = 200, 1200
	for _, test := range []struct {
		name, call string
		budget     float64 // allocations for each event
	}{
		{"1.0", streamCall, 25},
		{"0.3", streamCall03, 58}, // which is decoded, converted and encoded again
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

// TestMarkup checks that a message of characters that HTML escapes takes at most three times the
// memory of another message of its length.
func TestMarkup(t *testing.T) {
	const size = 1 << 20
	for version, format := range map[string]string{
		"1.0": `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":%q}]}}}`,
		"0.3": `{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"messageId":"m","role":"user","parts":[{"kind":"text","text":%q}]}}}`,
	} {
		cost := func(c string) uint64 {
			body := fmt.Sprintf(format, strings.Repeat(c, size))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w := serve(handlerOf(new(memlog.Log), io.Discard, talker(1)), post(t.Context(), body))
			runtime.ReadMemStats(&after)
			if n := w.Body.Len(); n < size || n > size+4000 {
				t.Errorf("%s: a message of %d bytes is answered with %d", version, size, n)
			}
			return after.TotalAlloc - before.TotalAlloc
		}
		plain, markup := cost("x"), cost("<")
		if markup > 3*plain {
			t.Errorf("%s: %d KB for a plain message of 1 MB, %d KB for one of markup", version, plain>>10, markup>>10)
		}
		t.Logf("%s: plain %d KB, markup %d KB", version, plain>>10, markup>>10)
	}
}
