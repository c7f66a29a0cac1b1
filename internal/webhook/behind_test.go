package webhook_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestBehind has a webhook of 0.3 that is behind by many events. It gets the newest task, and the
// tasks that ended a turn on the way. So the bytes grow with the events, not with their square.
func TestBehind(t *testing.T) {
	behind := func(events int) (posts int, bytes int64) {
		synctest.Test(t, func(t *testing.T) {
			var bodies []string
			w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
				body, err := io.ReadAll(r.Body)
				must(t, err)
				bodies, bytes = append(bodies, string(body)), bytes+int64(len(body))
				return status(http.StatusOK), nil
			})
			h := w.task(t, 1, url)
			c := pushtest.NewConfig(h, "c", url)
			c.Version, c.After = "0.3", 0
			must(t, w.pushes.Put(t.Context(), h, c))
			w.agree(t, h, "c")
			w.add(t, h, 2, events/2)
			asks := int64(events/2 + 2)
			entry := tasklogtest.Status(h, a2a.TaskStateInputRequired, "which one?")
			must(t, w.leases[h.ID].Append(t.Context(), asks, []tasklog.Entry{entry}))
			w.add(t, h, asks+1, events/2)
			last := asks + int64(events/2)
			must(t, w.Wake(t.Context(), h.ID))
			must(t, w.work(t.Context())...)
			got := w.hook.requests(url)
			if posts = len(got); posts < 2 || got[posts-1].seq != last {
				t.Fatalf("got %s", numbers(got))
			}
			asked := false
			for i, r := range got {
				if i > 0 && r.seq <= got[i-1].seq {
					t.Errorf("event %d after %d", r.seq, got[i-1].seq)
				}
				asked = asked || r.seq == asks && strings.Contains(bodies[i], `"state":"input-required"`)
			}
			if !asked || !strings.Contains(bodies[posts-1], `"state":"working"`) {
				t.Errorf("of %s none is what asks the user, or the last one is not the newest", numbers(got))
			}
			w.add(t, h, last+1, 1)
			must(t, w.Wake(t.Context(), h.ID))
			if got := w.hook.requests(url); got[len(got)-1].seq != last+1 || len(got) != posts+1 {
				t.Errorf("after the next event: %s", numbers(got))
			}
			w.add(t, h, last+2, 4) // a few that come together
			must(t, w.Wake(t.Context(), h.ID))
			if got := w.hook.requests(url); len(got) != posts+5 {
				t.Errorf("after four more events: %s", numbers(got))
			}
		})
		return posts, bytes
	}
	posts, bytes := behind(1000)
	more, tenfold := behind(10_000)
	if posts != 2 || more != 2 || tenfold > 11*bytes {
		t.Errorf("1000 events are %d requests of %d bytes, 10000 are %d of %d", posts, bytes, more, tenfold)
	}
}
