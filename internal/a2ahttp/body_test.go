package a2ahttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"a2alambda/internal/memlog"
)

// TestEncodingFaults sends what parsers read differently, everywhere in a request, in both versions
// and bindings. It is refused with the name of the field, in an answer to the request, and no task
// begins.
func TestEncodingFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		h := handlerOf(l, t.Output(), slow(0))
		dialects := map[string]struct{ path, body string }{
			"1.0":           {"/", `{"jsonrpc":"2.0","id":"a","method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":%s,"metadata":%s}]}}}`},
			"0.3":           {"/", `{"jsonrpc":"2.0","id":"a","method":"message/send","params":{"message":{"messageId":"m","role":"user","parts":[{"kind":"text","text":%s,"metadata":%s}]}}}`},
			"params first":  {"/", `{"params":{"message":{"messageId":"m","role":"user","parts":[{"kind":"text","text":%s,"metadata":%s}]}},"jsonrpc":"2.0","id":"a","method":"message/send"}`},
			"1.0 over HTTP": {"/message:send", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":%s,"metadata":%s}]}}`},
			"7.1 over HTTP": {"/v1/message:send", `{"message":{"messageId":"m","role":"user","parts":[{"kind":"text","text":%s,"metadata":%s}]}}`},
		}
		for name, d := range dialects {
			for _, fault := range []struct{ text, metadata, want string }{
				{"\"\xff\"", `{}`, "message.parts[0].text is not UTF-8"},
				{"\"\xc3\"", `{}`, "message.parts[0].text is not UTF-8"},
				{"\"\xed\xa0\xbd\xed\xb8\x80\"", `{}`, "message.parts[0].text is not UTF-8"},
				{`"\ud83d"`, `{}`, "message.parts[0].text has half of a surrogate pair"},
				{`"x"`, "{\"k\":[\"\xff\"]}", "message.parts[0].metadata.k[0] is not UTF-8"},
				{`"x"`, "{\"\xff\":1}", "message.parts[0].metadata has a name that is not UTF-8"},
				{`"x"`, `{"\udc00":1}`, "message.parts[0].metadata has a name that has half of a surrogate pair"},
				{`"x"`, `{"k":1,"k":1}`, "message.parts[0].metadata.k is given twice"},
				{`"x"`, `{"k":1,"\u006b":1}`, "message.parts[0].metadata.k is given twice"},
			} {
				r := post(t.Context(), fmt.Sprintf(d.body, fault.text, fault.metadata))
				r.URL.Path = d.path
				w := serve(h, r)
				body := w.Body.String()
				if !strings.Contains(body, `"`+fault.want+`"`) || d.path == "/" && !strings.Contains(body, `"id":"a"`) || d.path != "/" && w.Code != http.StatusBadRequest {
					t.Errorf("%s, %q, %q: %d %s", name, fault.text, fault.metadata, w.Code, body)
				}
			}
		}
		for _, id := range []string{"\"\xff\"", `"\ud83d"`, `1,"id":2`, `"\u0069","\u0069d":2`} {
			got := answer(t, h, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"GetTask","params":{"id":"x"}}`, id))
			if !strings.HasPrefix(got, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"id `) {
				t.Errorf("the id %q: %s", id, got)
			}
		}
		if got := answer(t, h, rpc("ListTasks", `{}`)); !strings.Contains(got, `"totalSize":0`) {
			t.Errorf("tasks were begun: %s", got)
		}
	})
}

// TestEcho sends long wrong values wherever an error repeats what came. Errors repeat 200 bytes at
// most, and no half of a rune.
func TestEcho(t *testing.T) {
	h := handlerOf(new(memlog.Log), t.Output(), slow(0))
	for _, rune := range []string{"x", "é", "😀", "\u2028"} {
		long := strings.Repeat(rune, 12_000/len(rune))
		nested := strings.Repeat(`{"`+strings.Repeat(rune, 30)+`":`, 50) + `{"k":1,"k":1}` + strings.Repeat("}", 50)
		message1 := `{"message":{"messageId":"m","role":"ROLE_USER","parts":[%s]}}`
		requests := map[string][3]string{ // a verb, a path, a body
			"no path":      {"GET", "/" + strings.Repeat("x", 5000), ""},
			"no verb":      {strings.Repeat("X", 5000), "/tasks", ""},
			"query":        {"GET", "/tasks?historyLength=" + strings.Repeat("x", 5000), ""},
			"query, state": {"GET", "/tasks?status=" + strings.Repeat("x", 5000), ""},
			"query, time":  {"GET", "/tasks?statusTimestampAfter=" + strings.Repeat("x", 5000), ""},
			"query, yes":   {"GET", "/tasks?includeArtifacts=" + strings.Repeat("x", 5000), ""},
			"query, page":  {"GET", "/tasks?pageToken=" + strings.Repeat("x", 5000), ""},
			"version":      {"GET", "/tasks?A2A-Version=" + strings.Repeat("x", 5000), ""},
			"method":       {"POST", "/", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{}}`, long)},
			"id":           {"POST", "/", fmt.Sprintf(`{"jsonrpc":"2.0","id":%q,"method":"GetTask","params":{}}`, long)},
			"jsonrpc":      {"POST", "/", fmt.Sprintf(`{"jsonrpc":%q,"id":1,"method":"GetTask","params":{}}`, long)},
			"no JSON":      {"POST", "/", long},
			"name":         {"POST", "/", fmt.Sprintf(`{"%[1]s":1,"%[1]s":1}`, long)},
			"names":        {"POST", "/", rpc("SendMessage", `{"metadata":%s}`, nested)},
			"names, HTTP":  {"POST", "/message:send", fmt.Sprintf(`{"metadata":%s}`, nested)},
			"task":         {"POST", "/", rpc("GetTask", `{"id":%q}`, long)},
			"state":        {"POST", "/", rpc("ListTasks", `{"status":%q}`, long)},
			"time":         {"POST", "/", rpc("ListTasks", `{"statusTimestampAfter":%q}`, long)},
			"length":       {"POST", "/", rpc("ListTasks", `{"historyLength":%q}`, long)},
			"digits":       {"POST", "/", rpc("ListTasks", `{"historyLength":%s}`, strings.Repeat("7", 12_000))},
			"tenant":       {"POST", "/", rpc("ListTasks", `{"tenant":%q}`, long)},
			"context":      {"POST", "/", rpc("ListTasks", `{"contextId":%q}`, long)},
			"token":        {"POST", "/", rpc("ListTasks", `{"pageToken":%q}`, long)},
			"role":         {"POST", "/", rpc("SendMessage", `{"message":{"role":%q}}`, long)},
			"media type":   {"POST", "/", rpc("SendMessage", message1, fmt.Sprintf(`{"text":"x","mediaType":%q}`, long))},
			"base64":       {"POST", "/", rpc("SendMessage", message1, fmt.Sprintf(`{"raw":%q}`, long+"!"))},
			"by HTTP":      {"POST", "/message:send", fmt.Sprintf(message1, fmt.Sprintf(`{"text":"x","mediaType":%q}`, long))},
			"output":       {"POST", "/", rpc("SendMessage", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]},"configuration":{"acceptedOutputModes":[%q]}}`, long)},
			"webhook":      {"POST", "/", rpc("SendMessage", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]},"configuration":{"taskPushNotificationConfig":{"id":%q,"url":%[1]q,"token":%[1]q}}}`, long)},
			"webhook, url": {"POST", "/", rpc("SendMessage", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]},"configuration":{"taskPushNotificationConfig":{"url":"http://%s"}}}`, strings.Repeat(rune, 900/len(rune)))},
			"kind":         {"POST", "/", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"messageId":"m","role":"user","parts":[{"kind":%q}]}}}`, long)},
			"role in 0.3":  {"POST", "/", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"messageId":"m","role":%q}}}`, long)},
			"by HTTP, 0.3": {"POST", "/v1/message:send", fmt.Sprintf(`{"message":{"messageId":"m","role":%q}}`, long)},
		}
		for name, request := range requests {
			r := httptest.NewRequest("GET", "/", strings.NewReader(strings.ReplaceAll(request[2], `\u2028`, "\u2028")))
			path, query, _ := strings.Cut(request[1], "?")
			r.Method, r.URL.Path, r.URL.RawQuery = request[0], path, query
			w := serve(h, r)
			body := w.Body.String()
			echoed := strings.Count(body, rune)*len(rune) + strings.Count(body, `\u2028`)*3
			if request[0] == "GET" || request[0] != "POST" || strings.Contains(body, "777") {
				echoed = max(strings.Count(body, "x"), strings.Count(body, "X"), strings.Count(body, "7"))
			}
			const own = 24 // x in the words of an error
			if !strings.Contains(body, `"error"`) || echoed > 200+own || !utf8.ValidString(body) || strings.Contains(body, "\ufffd") {
				t.Errorf("%s: %d bytes of %d, status %d: %.1500s", name, echoed, len(rune), w.Code, body)
			}
		}
	}
}

// TestManyExtensions names as many extensions as a request may have, and more.
func TestManyExtensions(t *testing.T) {
	h := handlerOf(new(memlog.Log), t.Output(), slow(0))
	for n, want := range map[int]string{100: `"result"`, 101: "A2A-Extensions names more than 100 extensions", 500_000: "A2A-Extensions names more than 100 extensions"} {
		r := post(t.Context(), rpc("ListTasks", `{}`))
		r.Header.Set("A2A-Extensions", strings.TrimSuffix(strings.Repeat("a,", n), ","))
		if w := serve(h, r); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d: %s", n, w.Body)
		}
	}
}

// TestPathsAtEveryDoor asks for paths that clients append to the agent's URL. None is redirected.
func TestPathsAtEveryDoor(t *testing.T) {
	h := handlerOf(new(memlog.Log), t.Output(), slow(0))
	const message, call = `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]}}`, `{"jsonrpc":"2.0","id":1,"method":"ListTasks","params":{}}`
	for name, door := range doors {
		for _, request := range []struct{ verb, target, body, want string }{
			{"POST", "/message:send", message, `"TASK_STATE_COMPLETED"`},
			{"POST", "//message:send", message, `"TASK_STATE_COMPLETED"`},
			{"POST", "//acme//message:send", message, `"TASK_STATE_COMPLETED"`},
			{"POST", "/x/..//./message:send", message, `"TASK_STATE_COMPLETED"`},
			{"POST", "//v1/message:send", strings.Replace(message, "parts", "content", 1), `"TASK_STATE_COMPLETED"`},
			{"GET", "//tasks?contextId=none", "", `"tasks":[]`},
			{"GET", "//.well-known/agent-card.json", "", `"supportedInterfaces"`},
			{"POST", "//", call, `"totalSize"`},
			{"GET", "//tasks/", "", `there is no such path as \"/tasks/\"`}, // not the list
		} {
			w := door(t, h, request.verb, request.target, request.body, [][2]string{{"Content-Type", "application/json"}})
			if got := w.Body.String(); !strings.Contains(got, request.want) {
				t.Errorf("%s, %s %s: %d %.300s", name, request.verb, request.target, w.Code, got)
			}
		}
	}
}
