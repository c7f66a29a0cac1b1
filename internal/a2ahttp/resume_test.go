package a2ahttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/memlog"
)

var (
	frameID   = regexp.MustCompile(`(?m)^id: (\d+)$`)
	errorCode = regexp.MustCompile(`"code":(-?\d+)`)
)

// outcome is an answer in short: its status, and its events' numbers or its error's code.
func outcome(w *httptest.ResponseRecorder) string {
	got := fmt.Sprint(w.Code)
	for _, id := range frameID.FindAllStringSubmatch(w.Body.String(), -1) {
		got += " " + id[1]
	}
	if code := errorCode.FindStringSubmatch(w.Body.String()); code != nil {
		got += " error " + code[1]
	}
	return got
}

// TestLastEventID tries what a client may say it has seen of a task that ended with event 6, in
// each way to say it.
func TestLastEventID(t *testing.T) {
	const whole = "200 1 2 3 4 5 6"
	for _, test := range []struct {
		seen string // "" for nothing said
		// Outcomes of subscribing, in both versions, by GET, POST and JSON-RPC, and of sending the
		// message again.
		get, post, rpc, message string
	}{
		{"", "400 error 400", "400 error 400", "200 error -32004", whole},
		{"0", whole, whole, whole, whole},
		{"00", whole, whole, whole, whole},
		{"1", whole, whole, whole, whole},
		{"4", "200 4 5 6", "200 4 5 6", "200 4 5 6", "200 4 5 6"},
		{"2, 4", "200 4 5 6", "200 4 5 6", "200 4 5 6", "200 4 5 6"},
		{"4,", "200 4 5 6", "200 4 5 6", "200 4 5 6", "200 4 5 6"},
		{"6", "204", "400 error 400", "200 error -32004", "200"},
		{"4, 6", "204", "400 error 400", "200 error -32004", "200"},
		{"7", "400 error 400", "400 error 400", "200 error -32602", whole}, // of another task
		{"x", "400 error 400", "400 error 400", "200 error -32602", "200 error -32602"},
		{"-1", "400 error 400", "400 error 400", "200 error -32602", "200 error -32602"},
		{"+1", "400 error 400", "400 error 400", "200 error -32602", "200 error -32602"},
		{"4, x", "400 error 400", "400 error 400", "200 error -32602", "200 error -32602"},
		{"99999999999999999999", "400 error 400", "400 error 400", "200 error -32602", "200 error -32602"},
	} {
		t.Run("seen "+test.seen, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := handlerOf(new(memlog.Log), t.Output(), slow(time.Millisecond))
				id := idIn(answer(t, h, sendCall))
				send := func(name, verb, target, version, body, want string) {
					t.Helper()
					r := httptest.NewRequest(verb, target, strings.NewReader(body))
					if version != "" {
						r.Header.Set("A2A-Version", version)
					}
					if test.seen != "" {
						r.Header.Set("Last-Event-ID", test.seen)
					}
					w := serve(h, r)
					got := outcome(w)
					if version == "0.3" { // whose errors begin with the code of JSON-RPC
						got = regexp.MustCompile(`^(\d+) error .*`).ReplaceAllString(got, "$1 error $1")
					}
					if got != want {
						t.Errorf("%s: %s, want %s: %s", name, got, want, w.Body)
					}
					if strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
						if problem := oneLined(w.Body.String()); problem != "" {
							t.Errorf("%s: %s", name, problem)
						}
					}
					if w.Code == http.StatusNoContent && w.Body.Len() > 0 {
						t.Errorf("%s: a body, %s", name, w.Body)
					}
				}
				send("GET 1.0", "GET", "/tasks/"+id+":subscribe", "", "", test.get)
				send("GET 0.3", "GET", "/v1/tasks/"+id+":subscribe", "0.3", "", test.get)
				send("POST 1.0", "POST", "/tasks/"+id+":subscribe", "", "", test.post)
				send("POST 0.3", "POST", "/v1/tasks/"+id+":subscribe", "0.3", "", test.post)
				send("JSON-RPC 1.0", "POST", "/", "", rpc("SubscribeToTask", `{"id":%q}`, id), test.rpc)
				send("JSON-RPC 0.3", "POST", "/", "", rpc("tasks/resubscribe", `{"id":%q}`, id), test.rpc)
				send("message 1.0", "POST", "/", "", streamCall, test.message)
				send("message 0.3", "POST", "/", "",
					rpc("message/stream", `{"message":{"messageId":"m","role":"user","parts":[{"kind":"text","text":"hello"}]}}`), test.message)
				message := strings.Replace(test.message, "200 error -32602", "400 error 400", 1)
				send("message HTTP 1.0", "POST", "/message:stream", "",
					`{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"hello"}]}}`, message)
				send("message HTTP 0.3", "POST", "/v1/message:stream", "0.3",
					`{"request":{"messageId":"m","role":"ROLE_USER","content":[{"text":"hello"}]}}`, message)
			})
		})
	}
}

// TestLastEventIDInQuery checks that a GET may have the position in its query, in both versions,
// and that the header wins.
func TestLastEventIDInQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handlerOf(new(memlog.Log), t.Output(), slow(time.Millisecond))
		id := idIn(answer(t, h, sendCall))
		for _, test := range []struct{ verb, query, header, want string }{
			{"GET", "lastEventId=4", "", "200 4 5 6"},
			{"GET", "lastEventId=0", "", "200 1 2 3 4 5 6"},
			{"GET", "lastEventId=6", "", "204"},
			{"GET", "lastEventId=2&lastEventId=4", "", "200 4 5 6"}, // one more at each connection
			{"GET", "lastEventId=2%2C4", "", "200 4 5 6"},
			{"GET", "lastEventId=4", "5", "200 5 6"},
			{"GET", "lastEventId=", "5", "200 5 6"},
			{"GET", "lastEventId=", "", "400 error"},
			{"GET", "lastEventId=x", "", "400 error"},
			{"POST", "lastEventId=4", "", "400 error"}, // the task has ended
		} {
			for _, path := range []string{"/tasks/", "/v1/tasks/"} {
				r := httptest.NewRequest(test.verb, path+id+":subscribe?"+test.query, nil)
				if test.header != "" {
					r.Header.Set("Last-Event-ID", test.header)
				}
				w := serve(h, r)
				if got := outcome(w); got != test.want && !(strings.HasSuffix(test.want, "error") && strings.HasPrefix(got, test.want)) {
					t.Errorf("%s %s?%s, header %q: %s, want %s", test.verb, path, test.query, test.header, got, test.want)
				}
			}
		}
	})
}

// TestFollowUpAgain sends the message of a second turn again, with Last-Event-ID from the first
// turn. The stream does not begin with the first turn's final state, which would look like an end.
func TestFollowUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handlerOf(new(memlog.Log), t.Output(), slow(time.Second))
		id := idIn(answer(t, h, rpc("SendMessage", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":1}]}}`)))
		call := rpc("SendStreamingMessage", `{"message":{"messageId":"f","taskId":%q,"role":"ROLE_USER","parts":[{"text":"this"}]}}`, id)
		first := do(t.Context(), h, call, 2)
		want := []string{
			"id: 3", "data SUBMITTED", "id: 4", "data WORKING", "id: 5", "data WORKING", "id: 6", "data WORKING",
			"id: 7", "data", "id: 8", "data COMPLETED",
		}
		for name, w := range map[string]*timeline{"first": first, "again": do(t.Context(), h, call, 2)} {
			if got := w.frames(); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		if got := do(t.Context(), h, call, 8).frames(); len(got) != 1 || !strings.HasPrefix(got[0], ": ") {
			t.Errorf("with all of it seen: %q", got)
		}
	})
}

// TestLargeMessage sends messages too long for some clients to read back on one line. The first
// frame leaves them out, unless the client asks for history, and GetTask has them.
func TestLargeMessage(t *testing.T) {
	for _, size := range []int{1000, 40_000, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			h := handlerOf(new(memlog.Log), t.Output(), talker(1))
			params := func(more string) string {
				return fmt.Sprintf(`{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":%q}]}%s}`, strings.Repeat("<", size), more)
			}
			longest := func(body string) (n int) {
				for line := range strings.Lines(body) {
					n = max(n, len(line))
				}
				return n
			}
			echoed := size < 32<<10
			for range 2 { // begun, and joined
				body := answer(t, h, rpc("SendStreamingMessage", "%s", params("")))
				if n := longest(body); echoed != (n > size) || n > 34<<10 {
					t.Errorf("a text of %d bytes: a line of %d", size, n)
				}
			}
			body := answer(t, h, rpc("SendStreamingMessage", "%s", params(`,"configuration":{"historyLength":1}`)))
			if n := longest(body); n < size || n > size+2000 {
				t.Errorf("a text of %d bytes that is asked for: a line of %d", size, n)
			}
			id := idIn(answer(t, h, rpc("SendMessage", "%s", params(""))))
			if got := answer(t, h, rpc("GetTask", `{"id":%q}`, id)); len(got) < size {
				t.Errorf("a text of %d bytes is not in the task: %d", size, len(got))
			}
		})
	}
}
