package a2ahttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/memlog"
	"a2alambda/internal/memory"
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

// TestNoMemoryLeft has others take all memory but some: a request that lasts needs more than that, in
// each version and binding, and so does a body whose length nobody tells. When the memory is there
// again, each is served.
func TestNoMemoryLeft(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(64 << 20)) // 16 MB for requests
	h := handlerOf(new(memlog.Log), t.Output(), slow(0))
	other, others := memory.Open(t.Context())
	defer others.Close()
	if err := memory.Charge(other, "body", 16<<20-memory.Stream); err != nil {
		t.Fatal(err)
	}
	ids := 0
	message := func(text string) string {
		ids++
		return fmt.Sprintf(`{"messageId":"m%d","role":"ROLE_USER","parts":[{"text":%q}]}`, ids, text)
	}
	message03 := func(parts string) string {
		ids++
		return fmt.Sprintf(`{"messageId":"m%d","role":"user",%s}`, ids, parts)
	}
	rpc := func(method, message string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{"message":` + message + `}}`
	}
	kind03 := `"kind":"message","parts":[{"kind":"text","text":"hello"}]`
	for _, full := range []bool{true, false} {
		if !full {
			others.Close()
		}
		for _, test := range []struct {
			name, path, version, body string
			unknown                   bool // the length of the body
		}{
			{"SendMessage", "/", "1.0", rpc("SendMessage", message("hello")), false},
			{"SendStreamingMessage", "/", "1.0", rpc("SendStreamingMessage", message("hello")), false},
			{"message/send", "/", "0.3", rpc("message/send", message03(kind03)), false},
			{"message/stream", "/", "0.3", rpc("message/stream", message03(kind03)), false},
			{"1.0 over HTTP", "/message:send", "1.0", `{"message":` + message("hello") + `}`, false},
			{"1.0 over HTTP, a stream", "/message:stream", "1.0", `{"message":` + message("hello") + `}`, false},
			{"0.3 over HTTP", "/v1/message:send", "0.3", `{"message":` + message03(`"content":[{"text":"hello"}]`) + `}`, false},
			{"0.3 over HTTP, a stream", "/v1/message:stream", "0.3", `{"message":` + message03(`"content":[{"text":"hello"}]`) + `}`, false},
			{"a body of unknown length", "/", "1.0", rpc("SendMessage", message(strings.Repeat("x", 100_000))), true},
		} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, test.path, strings.NewReader(test.body))
			r.Header.Set("A2A-Version", test.version)
			if test.unknown {
				r.ContentLength = -1
			}
			w := serve(h, r)
			refused := w.Code == http.StatusServiceUnavailable && strings.Contains(w.Body.String(), "not enough memory left") && w.Header().Get("Retry-After") == "1"
			if test.path == "/" {
				refused = refused && strings.Contains(w.Body.String(), `"code":-32000`)
			}
			if refused != full || !full && w.Code != http.StatusOK {
				t.Errorf("%s, without memory: %v; %d %.300s", test.name, full, w.Code, w.Body)
			}
		}
	}
}
