package peer_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/peer"
)

// TestOldAnswers has peers of 0.3 answer as agents elsewhere do: with a stream, with JSON where a
// stream was asked for, and with errors in the forms of the SDKs.
func TestOldAnswers(t *testing.T) {
	const (
		task   = `{"kind":"task","id":"t","contextId":"c","status":{"state":"working"},"unknown":1}`
		update = `{"kind":"status-update","taskId":"t","contextId":"c","status":{"state":"completed"},"final":true}`
		none   = `"error":{"code":-32001,"message":"Task not found"}`
	)
	rpc := func(result string) string { return `{"jsonrpc":"2.0","id":"1","result":` + result + `}` }
	stream := func(w http.ResponseWriter, events ...string) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for _, e := range events {
			fmt.Fprintf(w, ": alive\n\ndata: %s\n\n", e)
		}
	}
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, test := range map[string]struct {
		binding string
		answer  http.HandlerFunc
		want    string // the states of the events, or the error up to a $
	}{
		"stream":        {"JSONRPC", func(w http.ResponseWriter, _ *http.Request) { stream(w, rpc(task), rpc(update)) }, "WORKING COMPLETED"},
		"JSON":          {"JSONRPC", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, rpc(task)) }, "WORKING"},
		"error as JSON": {"JSONRPC", status(200, `{"jsonrpc":"2.0","id":"1",`+none+`}`), "not found: other: Task not found"},
		"error in the stream": {"JSONRPC", func(w http.ResponseWriter, _ *http.Request) {
			stream(w, rpc(task), `{"jsonrpc":"2.0","id":"1",`+none+`}`)
		}, "WORKING not found: other: Task not found"},
		"no result": {"JSONRPC", status(200, `{"jsonrpc":"2.0","id":"1"}`), "other: the answer is malformed: $"},
		"status":    {"JSONRPC", status(400, `{}`), "other: status 400 Bad Request"},
		"REST stream": {"HTTP+JSON", func(w http.ResponseWriter, _ *http.Request) {
			stream(w, `{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}}`,
				`{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_COMPLETED"},"final":true}}`)
		}, "WORKING COMPLETED"},
		"google.rpc.Status": {"HTTP+JSON", status(404, `{"error":{"code":404,"status":"NOT_FOUND","message":"no such task","details":[`+
			`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"TASK_NOT_FOUND","domain":"a2a-protocol.org"}]}}`), "not found: other: no such task"},
		"Python's":         {"HTTP+JSON", status(404, `{"message":"Task not found"}`), "not found: other: Task not found"},
		"another 404":      {"HTTP+JSON", status(404, `{"detail":"Not Found"}`), "other: $"},
		"no JSON":          {"HTTP+JSON", status(404, `<html>`), "other: status 404 Not Found"},
		"REST error event": {"HTTP+JSON", func(w http.ResponseWriter, _ *http.Request) { stream(w, `{"error":{"message":"sorry"}}`) }, "other: sorry"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s *httptest.Server
			s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "agent-card.json") {
					oldCard(w, s.URL, test.binding)
					return
				}
				test.answer(w, r)
			}))
			defer s.Close()
			var got []string
			for e, err := range one(t, s.URL, "", "").Stream(t.Context(), a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go"))) {
				switch e := e.(type) {
				case *a2a.Task:
					got = append(got, strings.TrimPrefix(string(e.Status.State), "TASK_STATE_"))
				case *a2a.TaskStatusUpdateEvent:
					got = append(got, strings.TrimPrefix(string(e.Status.State), "TASK_STATE_"))
				}
				if err != nil {
					if err.(*peer.Error).NotFound {
						got = append(got, "not found:")
					}
					got = append(got, err.Error())
				}
			}
			want, begins := strings.CutSuffix(test.want, "$")
			if text := strings.Join(got, " "); text != want && !begins || !strings.HasPrefix(text, want) {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}

// TestOldCards reads cards of 0.3, and of both versions.
func TestOldCards(t *testing.T) {
	for name, test := range map[string]struct{ card, want string }{
		"bare":                      {`{"url":"URL/a"}`, "/a"},
		"preferred":                 {`{"url":"URL/a","preferredTransport":"JSONRPC","additionalInterfaces":[{"url":"URL/b","transport":"HTTP+JSON"}]}`, "/a"},
		"additional":                {`{"url":"URL/a","preferredTransport":"GRPC","additionalInterfaces":[{"url":"URL/a","transport":"GRPC"},{"url":"URL/b","transport":"JSONRPC"}]}`, "/b"},
		"same URL":                  {`{"url":"URL/a","preferredTransport":"GRPC","additionalInterfaces":[{"url":"URL/a","transport":"HTTP+JSON"}]}`, "/a/v1/message:send"},
		"both":                      {`{"url":"URL/a","protocolVersion":"0.3.0","supportedInterfaces":[{"url":"URL/c","protocolBinding":"JSONRPC","protocolVersion":"1.0"}]}`, "/c"},
		"schemes that nobody knows": {`{"url":"URL/a","protocolVersion":"0.3.0","securitySchemes":{"x":{"type":"gold"}},"security":[{"x":[]}]}`, "/a"},
	} {
		asked := ""
		var s *httptest.Server
		s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "agent-card.json") {
				_, _ = io.WriteString(w, strings.ReplaceAll(test.card, "URL", s.URL))
				return
			}
			asked = r.URL.Path
			w.WriteHeader(http.StatusTeapot)
		}))
		_, err := one(t, s.URL, "", "").Send(t.Context(), a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go")))
		if asked != test.want {
			t.Errorf("%s: asked %q, want %q: %v", name, asked, test.want, err)
		}
		s.Close()
	}
}
