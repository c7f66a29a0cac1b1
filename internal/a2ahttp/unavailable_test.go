package a2ahttp_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/memlog"
)

// TestIssuerUnreachable checks that a caller gets status 503, in each binding, while it is not
// possible to authenticate it, and that the log and the metrics, on which an alarm depends, do not
// count this as an internal error.
func TestIssuerUnreachable(t *testing.T) {
	for path, body := range map[string]string{"/": sendCall, "/message:send": "{}", "/v1/message:send": "{}"} {
		var logs bytes.Buffer
		c := configOf(new(memlog.Log), &logs, slow(0))
		c.Auth = byToken{}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer unknown")
		w := serve(a2ahttp.New(c), r)
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "the issuer of the token can't be reached") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if line := logs.String(); !strings.Contains(line, "error=UnavailableError code=-32000") || strings.Contains(line+w.Body.String(), "Internal") {
			t.Errorf("%s: logged %s, answered %s", path, line, w.Body)
		}
	}
}

// TestNosniff checks that every answer forbids guessing its type.
func TestNosniff(t *testing.T) {
	c := configOf(new(memlog.Log), t.Output(), slow(0))
	c.Page = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<!doctype html>")) })
	h := a2ahttp.New(c)
	for _, line := range []string{
		"GET /", "POST /", "PUT /", "OPTIONS /", "GET /.well-known/agent-card.json", "POST /.well-known/agent-card.json", "GET /.well-known/jwks.json",
		"GET /nothing", "GET /tasks", "GET /tasks/x", "DELETE /tasks/x", "POST /message:send", "GET //", "GET /a/../b", "GET /extendedAgentCard",
	} {
		verb, path, _ := strings.Cut(line, " ")
		for _, accept := range []string{"", "text/html"} {
			r := httptest.NewRequestWithContext(t.Context(), verb, "http://localhost"+path, nil)
			r.Header.Set("Accept", accept)
			if w := serve(h, r); w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %d %v", line, w.Code, w.Header())
			}
		}
	}
}
