package webhook_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestEnd has a deliverer end in the middle of a delivery, or in a pause before another try. It
// begins no further request, and leaves the rest at once to another one.
func TestEnd(t *testing.T) {
	for name, test := range map[string]struct {
		fails bool
		want  string
		took  time.Duration
	}{
		"between events": {false, "1 2 3", 3 * time.Second},
		"between tries":  {true, "1 2 (3)", 3*time.Second + 300*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ended atomic.Bool
				w := newWorld(t, func(_ *http.Request, seq int64) (*http.Response, error) {
					time.Sleep(time.Second)
					if test.fails && seq == 3 && !ended.Load() {
						return status(http.StatusInternalServerError), nil
					}
					return status(http.StatusOK), nil
				})
				h := w.task(t, 10, url)
				end := test.took
				if !test.fails {
					end -= 500 * time.Millisecond // during the request
				}
				time.AfterFunc(end, func() { ended.Store(true); w.End() })
				begun := time.Now()
				must(t, w.Wake(t.Context(), h.ID))
				if took := time.Since(begun); took != test.took {
					t.Errorf("it took %v, want %v", took, test.took)
				}
				w.hook.want(url, test.want)
				if len(w.jobs) != 1 {
					t.Fatalf("asked for %v", w.jobs)
				}
				client := &http.Client{Transport: w.hook}
				w.use(client)
				must(t, w.work(t.Context())...)
				rest := " 4 5 6 7 8 9 10"
				if test.fails {
					rest = " 3" + rest
				}
				w.hook.want(url, test.want+rest)
			})
		})
	}
}
