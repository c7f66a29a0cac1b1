package a2ahttp_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

var errOutage = errors.New("the table of the house can't be reached")

// lockedBuffer can be read while others write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestLeaseLostInOutage has the store fail for longer than a lease lasts. Afterwards the run is
// resumed, and the stream of the server that began it goes on to the last event. So does a blocking
// send.
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
				var logs lockedBuffer // a run may still write when the answer is there
				w := do(t.Context(), handlerOf(l, &logs, slow(time.Second)), call, 0)
				if name == "send" {
					if body := w.Body.String(); !strings.Contains(body, "TASK_STATE_COMPLETED") {
						t.Errorf("got %s", body)
					}
				} else {
					got := slices.DeleteFunc(w.frames(), func(s string) bool { return s == ": ping" })
					if !slices.Equal(got, wholeStream) {
						t.Errorf("got %q, want %q", got, wholeStream)
					}
				}
				synctest.Wait() // a worker logs its run after the end
				if !strings.Contains(logs.String(), errOutage.Error()) {
					t.Errorf("the log does not tell why: %s", logs.String())
				}
			})
		})
	}
}
