package a2ahttp_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

var errOutage = errors.New("the table of the house can't be reached")

// TestLeaseLostInOutage has the store go away for longer than a lease lasts. When it is back, the
// run is resumed, and the stream of the server that began it goes on to the last event; so does a
// message that waits for its answer.
func TestLeaseLostInOutage(t *testing.T) {
	for name, call := range map[string]string{"stream": streamCall, "send": sendCall} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				l := tasklogtest.Faulty(new(memlog.Log), tasklogtest.Fault{Do: func(context.Context, tasklog.Op) error {
					if at := time.Since(start); at > 1500*time.Millisecond && at < 20*time.Second {
						return errOutage
					}
					return nil
				}})
				var logs bytes.Buffer
				w := do(t.Context(), handlerOf(l, &logs, slow(time.Second)), call, 0)
				if name == "send" {
					if body := w.Body.String(); !strings.Contains(body, "TASK_STATE_COMPLETED") {
						t.Errorf("got %s", body)
					}
				} else {
					got := slices.DeleteFunc(w.frames(), func(s string) bool { return s == ": ping" })
					if want := []string{
						"id: 1", "data SUBMITTED", "id: 2", "data WORKING", "id: 3", "data WORKING", "id: 4", "data WORKING",
						"id: 5", "data", "id: 6", "data COMPLETED",
					}; !slices.Equal(got, want) {
						t.Errorf("got %q, want %q", got, want)
					}
				}
				if !strings.Contains(logs.String(), errOutage.Error()) {
					t.Errorf("the log does not tell why: %s", &logs)
				}
			})
		})
	}
}
