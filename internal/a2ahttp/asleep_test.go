package a2ahttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/durable"
	"a2alambda/internal/memlog"
)

// TestSubscribeToSleeper reads a task that sleeps by every kind of stream, in both versions and
// bindings. Each ends after a minute of silence, and says when to come again: when the task is due,
// but within five minutes.
func TestSubscribeToSleeper(t *testing.T) {
	t.Parallel()
	for due, retry := range map[time.Duration]string{8 * time.Hour: "retry: 300000", 90 * time.Second: "retry: "} {
		synctest.Test(t, func(t *testing.T) {
			l := new(memlog.Log)
			instance := func() http.Handler {
				return handlerOf(l, t.Output(), durable.New(func(ctx context.Context, _ *durable.Task) error {
					return durable.Sleep(ctx, "night", due)
				}))
			}
			const message = `{"message":{"messageId":"m","role":%q,"parts":[{%s"text":"good night"}]}}`
			first := do(t.Context(), instance(), rpc("SendStreamingMessage", message, "ROLE_USER", ""), 0)
			id := taskOf(t, l)
			streams := map[string]*timeline{"that began it": first}
			if due > time.Hour {
				streams["joined"] = do(t.Context(), instance(), rpc("SendStreamingMessage", message, "ROLE_USER", ""), 0)
				streams["1.0"] = do(t.Context(), instance(), rpc("SubscribeToTask", `{"id":%q}`, id), 0)
				streams["0.3"] = do(t.Context(), instance(), rpc("tasks/resubscribe", `{"id":%q}`, id), 1)
				rest := newTimeline()
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("/tasks/%s:subscribe", id), nil)
				r.Header.Set("A2A-Version", "1.0")
				instance().ServeHTTP(rest, r)
				streams["HTTP+JSON"] = rest
			}
			for name, w := range streams {
				frames := w.frames()
				if d := w.lastAt(t); d < time.Minute || d > 65*time.Second {
					t.Errorf("the stream %s ended after %v", name, d)
				}
				end := frames[len(frames)-2:]
				if !strings.HasPrefix(end[0], ": suspended until 2000-01-01T0") || !strings.HasPrefix(end[1], retry) || end[1] < "retry: 10000" {
					t.Errorf("the stream %s ended with %q", name, end)
				}
				frames = slices.DeleteFunc(frames[:len(frames)-2], func(s string) bool { return s == ": ping" })
				if len(frames) != 2 {
					t.Errorf("the stream %s shows %q", name, frames)
				}
			}
		})
	}
}

// TestNoCallbacksHere posts a callback to the agent's own URL, which takes none.
func TestNoCallbacksHere(t *testing.T) {
	t.Parallel()
	h := handlerOf(new(memlog.Log), t.Output(), slow(0))
	for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodPut} {
		r := httptest.NewRequestWithContext(t.Context(), method, "/callbacks/task/ZGVsaXZlcmVk/0123456789abcdef0123456789abcdef", strings.NewReader("here"))
		if w := serve(h, r); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
}
