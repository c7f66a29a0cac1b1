package a2ahttp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"unicode"
	"unicode/utf8"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
)

// anyEnd is all that some reader takes for the end of a line: Python's str.splitlines, Java's
// Scanner, .NET, Node's readline.
var anyEnd = regexp.MustCompile("\r\n|[\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029]")

// oneLined says how some reader of Server-Sent Events would misread the stream, or "".
func oneLined(stream string) string {
	if !utf8.ValidString(stream) {
		return "it is not UTF-8"
	}
	lines := strings.Split(stream, "\n")
	if split := anyEnd.Split(stream, -1); len(split) != len(lines) {
		return fmt.Sprintf("some readers see %d lines, others %d: %q", len(split), len(lines), stream)
	}
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Sprintf("the last line does not end: %q", last)
	}
	before := ""
	for _, line := range lines[:len(lines)-1] {
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && !strings.HasPrefix(before, "data: "):
			return fmt.Sprintf("an empty line after %q, which some readers take for the end of an event", before)
		case line != "" && strings.HasPrefix(before, "data: "):
			return fmt.Sprintf("%q is in the event of another line of data", line)
		case name == "data" && !json.Valid([]byte(value)):
			return fmt.Sprintf("%q is not JSON", line)
		case !strings.Contains(" data id event retry  ", " "+name+" "):
			return fmt.Sprintf("%q is no field", line)
		case strings.ContainsFunc(value, unicode.IsControl):
			return fmt.Sprintf("%q has a control character", line)
		}
		before = line
	}
	return ""
}

// ends has everything that may end a line, other controls, and the characters that HTML escapes.
const ends = "a\n\r\v\f\x1c\x1d\x1e\x1f\x7f\u0080\u0085\u009f\u2028\u2029<&>b"

// inJSON returns a JSON string as some clients write it: they escape only what they must.
func inJSON(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029", `\u003c`, "<", `\u003e`, ">", `\u0026`, "&", `\u007f`, "\x7f").Replace(string(data))
}

// parrot repeats the text in every field that an executor can fill.
var parrot hosttest.Executor = func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
	text := ec.Message.Parts[0].Text()
	said := map[string]any{text: []any{text}}
	m := a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart(text), a2a.NewDataPart(said))
	m.Metadata = said
	status := a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, m)
	status.Metadata = said
	artifact := a2a.NewArtifactEvent(ec, a2a.NewTextPart(text))
	artifact.Artifact.Name, artifact.Artifact.Description, artifact.Artifact.Metadata = text, text, said
	_ = yield(status, nil) && yield(artifact, nil) && yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
}

// TestLinesOfAnyReader puts what may end a line wherever a client or an agent can put a text.
// Answers have it escaped, and each reads back as the same text.
func TestLinesOfAnyReader(t *testing.T) {
	text := inJSON(ends)
	said := `{` + text + `:[` + text + `]}`
	v1 := `{"messageId":"m","role":"ROLE_USER","parts":[{"text":` + text + `},{"data":` + said + `}],"metadata":` + said + `}`
	v03 := `{"messageId":"m","role":"user","parts":[{"kind":"text","text":` + text + `},{"kind":"data","data":` + said + `}],"metadata":` + said + `}`
	v03http := `{"messageId":"m","role":"ROLE_USER","content":[{"text":` + text + `}],"metadata":` + said + `}`
	request := func(method, params string) string {
		return `{"jsonrpc":"2.0","id":` + text + `,"method":"` + method + `","params":` + params + `}`
	}
	for _, test := range []struct {
		name, target, version, body string
		texts                       int // at least
	}{
		{"send 1.0", "POST /", "", request("SendMessage", `{"message":`+v1+`,"metadata":`+said+`}`), 15},
		{"send 0.3", "POST /", "", request("message/send", `{"message":`+v03+`,"metadata":`+said+`}`), 15},
		{"send HTTP 1.0", "POST /message:send", "1.0", `{"message":` + v1 + `}`, 15},
		{"send HTTP 0.3", "POST /v1/message:send", "0.3", `{"request":` + v03http + `}`, 15},
		{"stream 1.0", "POST /", "", request("SendStreamingMessage", `{"message":`+v1+`}`), 15},
		{"stream 0.3", "POST /", "", request("message/stream", `{"message":`+v03+`}`), 15},
		{"stream HTTP 1.0", "POST /message:stream", "1.0", `{"message":` + v1 + `}`, 15},
		{"stream HTTP 0.3", "POST /v1/message:stream", "0.3", `{"request":` + v03http + `}`, 15},
		{"list", "POST /", "", request("ListTasks", `{"includeArtifacts":true}`), 1},
		{"error", "POST /", "", request("GetTask", `{"id":`+text+`}`), 1},
		{"error of a stream", "POST /", "", request("SubscribeToTask", `{"id":`+text+`}`), 1},
		{"unknown method", "POST /", "", request("Get", `{}`), 1},
		{"card", "GET /.well-known/agent-card.json", "", "", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := configOf(new(memlog.Log), t.Output(), parrot)
				card := *c.Server.Card
				card.Name, card.Description = ends, ends
				c.Server.Card = &card
				verb, target, _ := strings.Cut(test.target, " ")
				r := httptest.NewRequest(verb, target, strings.NewReader(test.body))
				if test.version != "" {
					r.Header.Set("A2A-Version", test.version)
				}
				w := serve(a2ahttp.New(c), r)
				body := w.Body.String()
				stream := strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream")
				if stream {
					if problem := oneLined(body); problem != "" {
						t.Error(problem)
					}
				} else if got := strings.Count(body, "\n"); test.target != "GET /.well-known/agent-card.json" && got != 1 {
					t.Errorf("%d lines", got)
				}
				if at := strings.IndexFunc(body, func(r rune) bool { return r != '\n' && unicode.IsControl(r) || r == 0x2028 || r == 0x2029 }); at >= 0 {
					t.Errorf("it is not escaped: %q", body[max(0, at-40):at+3])
				}
				if strings.Contains(body, `\u003`) || strings.Contains(body, `\u0026`) {
					t.Errorf("HTML's characters are escaped: %s", body)
				}
				texts := 0
				for line := range strings.Lines(body) {
					line = strings.TrimPrefix(line, "data: ")
					if stream && !strings.HasPrefix(line, "{") {
						continue
					}
					var v any
					if !stream {
						line = body
					}
					if err := json.Unmarshal([]byte(line), &v); err != nil {
						t.Fatalf("%v: %s", err, line)
					}
					texts += countTexts(v)
					if !stream {
						break
					}
				}
				if texts < test.texts {
					t.Errorf("%d times the text, want %d: %s", texts, test.texts, body)
				}
			})
		})
	}
}

func countTexts(v any) (n int) {
	switch v := v.(type) {
	case string:
		if v == ends {
			n++
		}
	case []any:
		for _, e := range v {
			n += countTexts(e)
		}
	case map[string]any:
		for k, e := range v {
			n += countTexts(k) + countTexts(e)
		}
	}
	return n
}

// TestRefusedStream has streams refused before their first event, for every reason. Over JSON-RPC
// the error is the stream's one event, unless HTTP has a status for it. Over HTTP+JSON it is an
// HTTP error.
func TestRefusedStream(t *testing.T) {
	const unknown = "2dba5dbc-1cf6-8ea2-99ea-589d5dddfc17"
	h := handlerOf(new(memlog.Log), t.Output(), slow(0))
	ended := idIn(answer(t, h, sendCall))
	message := func(task, contextID string) string {
		return fmt.Sprintf(`{"message":{"messageId":"n","taskId":%q,"contextId":%q,"role":"ROLE_USER","parts":[{"text":"x"}]}}`, task, contextID)
	}
	old := func(task string) string {
		return fmt.Sprintf(`{"message":{"messageId":"n","taskId":%q,"role":"user","parts":[{"kind":"text","text":"x"}]}}`, task)
	}
	for _, test := range []struct {
		name, body string
		header     [2]string
		code       int // of JSON-RPC
	}{
		{"unknown task", rpc("SubscribeToTask", `{"id":%q}`, unknown), [2]string{}, -32001},
		{"unknown task, 0.3", rpc("tasks/resubscribe", `{"id":%q}`, unknown), [2]string{}, -32001},
		{"ended task", rpc("SubscribeToTask", `{"id":%q}`, ended), [2]string{}, -32004},
		{"ended task, 0.3", rpc("tasks/resubscribe", `{"id":%q}`, ended), [2]string{}, -32004},
		{"message to an unknown task", rpc("SendStreamingMessage", "%s", message(unknown, "")), [2]string{}, -32001},
		{"message to an unknown task, 0.3", rpc("message/stream", "%s", old(unknown)), [2]string{}, -32001},
		{"message to an ended task", rpc("SendStreamingMessage", "%s", message(ended, "")), [2]string{}, -32004},
		{"message of another context", rpc("SendStreamingMessage", "%s", message(ended, "other")), [2]string{}, -32602},
		{"no message", rpc("SendStreamingMessage", `{}`), [2]string{}, -32602},
		{"no message, 0.3", rpc("message/stream", `{}`), [2]string{}, -32602},
		{"no params", `{"jsonrpc":"2.0","id":1,"method":"SendStreamingMessage"}`, [2]string{}, -32602},
		{"params of another type", rpc("SendStreamingMessage", `[1]`), [2]string{}, -32602},
		{"a version there is not", rpc("SendStreamingMessage", "%s", message("", "")), [2]string{"A2A-Version", "9.9"}, -32009},
		{"another version", rpc("message/stream", "%s", old("")), [2]string{"A2A-Version", "1.0"}, -32601},
		{"no JSON-RPC", strings.Replace(streamCall, `"2.0"`, `"1.0"`, 1), [2]string{}, -32600},
		{"no position", rpc("SubscribeToTask", `{"id":%q}`, ended), [2]string{"Last-Event-ID", "x"}, -32602},
	} {
		r := post(t.Context(), test.body)
		if test.header[0] != "" {
			r.Header.Set(test.header[0], test.header[1])
		}
		w := serve(h, r)
		data, ok := strings.CutPrefix(w.Body.String(), "data: ")
		data, whole := strings.CutSuffix(data, "\n\n")
		var got struct {
			ID    any
			Error struct{ Code int }
		}
		if err := json.Unmarshal([]byte(data), &got); w.Code != http.StatusOK || !ok || !whole || err != nil ||
			w.Header().Get("Content-Type") != "text/event-stream; charset=utf-8" || got.Error.Code != test.code || got.ID != 1.0 {
			t.Errorf("%s: status %d, %s, %s", test.name, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
	// What HTTP has a status for.
	c := configOf(new(memlog.Log), t.Output(), slow(0))
	c.Auth = byToken{}
	for _, test := range []struct {
		name, target, body, kind string
		header                   [2]string
		status                   int
	}{
		{"no token", "/", streamCall, "application/json", [2]string{}, 401},
		{"not allowed", "/", streamCall, "application/json", [2]string{"Authorization", "Bearer mallory"}, 403},
		{"the issuer is away", "/", streamCall, "application/json", [2]string{"Authorization", "Bearer unknown"}, 503},
		{"no JSON", "/", streamCall, "text/plain", [2]string{"Authorization", "Bearer a"}, 415},
		{"too long", "/", strings.Repeat(" ", 6<<20) + streamCall, "application/json", [2]string{"Authorization", "Bearer a"}, 413},
		{"HTTP+JSON, no message", "/message:stream", "{}", "application/json", [2]string{"Authorization", "Bearer a"}, 400},
		{"HTTP+JSON, unknown task", "/tasks/" + unknown + ":subscribe", "", "application/json", [2]string{"Authorization", "Bearer a"}, 404},
		{"HTTP+JSON of 0.3, unknown task", "/v1/tasks/" + unknown + ":subscribe", "", "application/json", [2]string{"Authorization", "Bearer a"}, 404},
	} {
		r := httptest.NewRequest(http.MethodPost, test.target, strings.NewReader(test.body))
		r.Header.Set("Content-Type", test.kind)
		if test.header[0] != "" {
			r.Header.Set(test.header[0], test.header[1])
		}
		w := serve(a2ahttp.New(c), r)
		if w.Code != test.status || !strings.HasSuffix(w.Header().Get("Content-Type"), "json") || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: status %d, %s, %s", test.name, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
}

// TestRefusedUnread sends requests whose method is unknown. A client that reads only streams gets
// the error in a stream, all others in JSON.
func TestRefusedUnread(t *testing.T) {
	h := handlerOf(new(memlog.Log), t.Output(), slow(0))
	for _, test := range []struct {
		name, body string
		code       int
	}{
		{"no such method", rpc("SendStreamingMessages", "{}"), -32601},
		{"no method", `{"jsonrpc":"2.0","id":1}`, -32600},
		{"cut off", strings.TrimSuffix(streamCall, "}"), -32700},
		{"no object", "1", -32600},
		{"batch", "[" + streamCall + "]", -32600},
	} {
		for accept, stream := range map[string]bool{
			"text/event-stream": true, "Text/Event-Stream;q=1": true,
			"": false, "*/*": false, "application/json": false, "application/json, text/event-stream": false, "text/event-stream, */*;q=0.1": false,
		} {
			r := post(t.Context(), test.body)
			r.Header.Set("Accept", accept)
			w := serve(h, r)
			data, isEvent := strings.CutPrefix(w.Body.String(), "data: ")
			var got struct{ Error struct{ Code int } }
			if err := json.Unmarshal([]byte(data), &got); err != nil || isEvent != stream || got.Error.Code != test.code || w.Code != http.StatusOK ||
				strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") != stream {
				t.Errorf("%s, accepting %q: status %d, %s, %s", test.name, accept, w.Code, w.Header().Get("Content-Type"), w.Body)
			}
		}
	}
}

// TestPanicOfStream checks that a panic before the first event is a stream's only event.
func TestPanicOfStream(t *testing.T) {
	w := serve(handlerOf(panicking(), t.Output(), slow(0)), post(t.Context(), streamCall))
	if w.Body.String() != "data: "+internalError+"\n\n" {
		t.Errorf("got %s", w.Body)
	}
}
