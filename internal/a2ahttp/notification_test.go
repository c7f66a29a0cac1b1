package a2ahttp_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

// nobody fails the test if a caller is authenticated.
type nobody struct{ t *testing.T }

func (nobody) Declare(*a2a.AgentCard) {}

func (n nobody) Authenticate(r *http.Request) (string, error) {
	n.t.Errorf("%s %s is authenticated", r.Method, r.URL)
	return "", nil
}

// TestNotification sends requests with the header of push notifications to every front door, in any
// case of letters. None is authenticated, reads or writes the store, or is answered with a 2xx.
func TestNotification(t *testing.T) {
	l := tasklog.Hooked(new(memlog.Log), tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
		t.Errorf("the store's %s is called", op.Name)
		return nil
	}})
	c := configOf(l, t.Output(), slow(0))
	c.Auth = nobody{t}
	c.Page = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the page is asked for") })
	h := a2ahttp.New(c)
	for name, door := range doors {
		for _, request := range []struct{ verb, target, body string }{
			{"POST", "/", sendCall},
			{"POST", "/message:stream", `{"message":{}}`},
			{"POST", "/v1/message:send", `{"message":{}}`},
			{"GET", "/tasks/x:subscribe", ""},
			{"GET", "/.well-known/agent-card.json", ""},
			{"GET", "/", ""},
			{"HEAD", "/", ""},
			{"HEAD", "/.well-known/agent.json", ""},
			{"OPTIONS", "/", ""}, // otherwise any is answered with a 204
			{"OPTIONS", "/message:send", ""},
			{"PUT", "/no/such/path", ""},
			{"POST", "/tenant/message:send", `{"message":{}}`},
		} {
			for _, header := range []string{"X-A2A-Event-Id", "x-a2a-event-id", "X-A2A-EVENT-ID"} {
				for _, values := range [][]string{{"1"}, {""}, {"1", "2"}, {"", ""}, {"x"}} {
					headers := [][2]string{{"Accept", "text/html"}, {"Content-Type", "application/json"}}
					for _, v := range values {
						headers = append(headers, [2]string{header, v})
					}
					w := door(t, h, request.verb, request.target, request.body, headers)
					if w.Code != http.StatusBadRequest || request.verb != "HEAD" && !strings.Contains(w.Body.String(), "an agent is no webhook") {
						t.Errorf("%s: %s %s with %s: %q: %d %s", name, request.verb, request.target, header, values, w.Code, w.Body)
					}
				}
			}
		}
	}
}
