package a2ahttp_test

import (
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/memlog"
)

// TestAnswerInOnePiece checks that an answer beyond the limit is an error that says what to do, in
// each binding and version, and that a stream shows the events that fit.
func TestAnswerInOnePiece(t *testing.T) {
	const most = 20_000
	c := configOf(new(memlog.Log), t.Output(), slow(0))
	c.Room = func(*http.Request) func([]byte) int {
		left := most
		return func(piece []byte) int {
			left -= len(piece)
			return left
		}
	}
	h := a2ahttp.New(c)
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		if strings.HasPrefix(path, "/v1") {
			r.Header.Set("A2A-Version", "0.3")
		}
		w := serve(h, r)
		if w.Body.Len() > most {
			t.Errorf("%s %s: %d bytes", method, path, w.Body.Len())
		}
		return w
	}
	const waysOut = "the answer is longer than the 6 MB that can be sent in one piece here: ask for less, with historyLength or pageSize"
	for _, n := range []int{1000, 12_000} {
		long := strings.Repeat("x", n)
		message := `{"messageId":"m","role":"ROLE_USER","parts":[{"text":"` + long + `"}]}`
		message03 := `{"messageId":"m","kind":"message","role":"user","parts":[{"kind":"text","text":"` + long + `"}]}`
		for name, w := range map[string]*httptest.ResponseRecorder{
			"SendMessage":  ask("POST", "/", `{"jsonrpc":"2.0","id":"my id","method":"SendMessage","params":{"message":`+message+`}}`),
			"message/send": ask("POST", "/", `{"jsonrpc":"2.0","id":"my id","method":"message/send","params":{"message":`+message03+`}}`),
			"message:send": ask("POST", "/message:send", `{"message":`+message+`}`),
			"tasks":        ask("GET", "/tasks?includeArtifacts=true", ""),
			"v1/tasks":     ask("GET", "/v1/tasks?includeArtifacts=true", ""),
		} {
			body := w.Body.String()
			if refused := strings.Contains(body, waysOut); refused != (n > 1000) {
				t.Errorf("%s with %d bytes: %d %.300s", name, n, w.Code, body)
			} else if refused && !strings.Contains(body, `"my id"`) && strings.HasPrefix(name, "S") {
				t.Errorf("%s: %.300s", name, body)
			}
		}
	}
	long := strings.Repeat("y", 9_000) // comes twice: in the message and in the artifact
	body := ask("POST", "/", `{"jsonrpc":"2.0","id":1,"method":"SendStreamingMessage","params":{"message":{"messageId":"s","role":"ROLE_USER","parts":[{"text":"`+long+`"}]}}}`).Body.String()
	events := strings.Split(strings.TrimSpace(body), "\n\n")
	if last := events[len(events)-1]; len(events) < 4 || strings.Contains(last, "id:") ||
		!strings.Contains(last, "the stream is longer than the 6 MB") || strings.Contains(body, "COMPLETED") {
		t.Errorf("a stream of %d events that ends with %.300s", len(events), last)
	}
}

// TestNoMemory checks that a request that needs too much memory is refused before any work.
func TestNoMemory(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(64 << 20)) // 16 MB for requests
	h := handlerOf(new(memlog.Log), t.Output(), slow(0))
	for _, test := range []struct {
		n, status int
		want      string
	}{{100_000, http.StatusOK, "TASK_STATE_COMPLETED"}, {3 << 20, http.StatusServiceUnavailable, "not enough memory left"}} {
		w := serve(h, post(t.Context(), strings.Replace(sendCall, "hello", strings.Repeat("x", test.n), 1)))
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) || (test.status == 503) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%d bytes: %d %.300s", test.n, w.Code, w.Body)
		}
	}
}
