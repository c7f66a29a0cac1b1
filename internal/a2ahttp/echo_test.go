package a2ahttp_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"a2alambda/internal/memlog"
)

// everything has a request for each operation, version and binding, with every string and list that
// it may have.
var everything = func() map[string][4]string { // verb, path, body, version
	msg := `{"messageId":"m","contextId":"c","taskId":"t","role":"ROLE_USER","parts":[{"text":"x","mediaType":"text/plain","filename":"f","metadata":{"k":"v"}},{"raw":"AAAA","mediaType":"text/plain","filename":"f"},{"url":"https://e.example/x","mediaType":"text/plain","filename":"f"},{"data":{"k":"v"}}],"metadata":{"k":"v"},"extensions":["urn:a"],"referenceTaskIds":["r"]}`
	msg03 := `{"kind":"message","messageId":"m","contextId":"c","taskId":"t","role":"user","parts":[{"kind":"text","text":"x","metadata":{"k":"v"}},{"kind":"file","file":{"bytes":"AAAA","mimeType":"text/plain","name":"f"}},{"kind":"file","file":{"uri":"https://e.example/x","mimeType":"text/plain","name":"f"}},{"kind":"data","data":{"k":"v"}}],"metadata":{"k":"v"},"extensions":["urn:a"],"referenceTaskIds":["r"]}`
	msg03h := `{"messageId":"m","contextId":"c","taskId":"t","role":"ROLE_USER","content":[{"text":"x","metadata":{"k":"v"}},{"file":{"fileWithBytes":"AAAA","mimeType":"text/plain","name":"f"}},{"file":{"fileWithUri":"https://e.example/x","mimeType":"text/plain","name":"f"}},{"data":{"data":{"k":"v"}}}],"metadata":{"k":"v"},"extensions":["urn:a"]}`
	push := `{"tenant":"","taskId":"t","id":"i","url":"https://e.example/","token":"t","authentication":{"scheme":"Bearer","credentials":"c"}}`
	push03 := `{"id":"i","url":"https://e.example/","token":"t","authentication":{"schemes":["Bearer"],"credentials":"c"}}`
	push03h := `{"name":"tasks/t/pushNotificationConfigs/i","pushNotificationConfig":` + push03 + `}`
	send := `{"tenant":"","message":` + msg + `,"configuration":{"acceptedOutputModes":["text/plain"],"taskPushNotificationConfig":` + push + `,"historyLength":1,"returnImmediately":true},"metadata":{"k":"v"}}`
	send03 := `{"message":` + msg03 + `,"configuration":{"acceptedOutputModes":["text/plain"],"pushNotificationConfig":` + push03 + `,"historyLength":1,"blocking":false},"metadata":{"k":"v"}}`
	send03h := `{"message":` + msg03h + `,"configuration":{"acceptedOutputModes":["text/plain"],"pushNotification":` + push03 + `,"historyLength":1,"blocking":false},"metadata":{"k":"v"}}`
	all := map[string][4]string{}
	for method, params := range map[string]string{
		"SendMessage": send, "SendStreamingMessage": send, "GetTask": `{"tenant":"","id":"t","historyLength":1}`,
		"ListTasks":  `{"tenant":"","contextId":"c","status":"TASK_STATE_WORKING","pageSize":1,"pageToken":"t","historyLength":1,"statusTimestampAfter":"2026-01-01T00:00:00Z","includeArtifacts":true}`,
		"CancelTask": `{"tenant":"","id":"t","metadata":{"k":"v"}}`, "SubscribeToTask": `{"tenant":"","id":"t"}`,
		"CreateTaskPushNotificationConfig": push, "GetTaskPushNotificationConfig": `{"tenant":"","taskId":"t","id":"i"}`,
		"ListTaskPushNotificationConfigs": `{"tenant":"","taskId":"t","pageSize":1,"pageToken":"t"}`, "DeleteTaskPushNotificationConfig": `{"tenant":"","taskId":"t","id":"i"}`,
		"GetExtendedAgentCard": `{"tenant":"t"}`,
		"message/send":         send03, "message/stream": send03, "tasks/get": `{"id":"t","historyLength":1,"metadata":{"k":"v"}}`,
		"tasks/cancel": `{"id":"t","metadata":{"k":"v"}}`, "tasks/resubscribe": `{"id":"t","metadata":{"k":"v"}}`,
		"tasks/pushNotificationConfig/set": `{"taskId":"t","pushNotificationConfig":` + push03 + `}`, "tasks/pushNotificationConfig/get": `{"id":"t","pushNotificationConfigId":"i"}`,
		"tasks/pushNotificationConfig/list": `{"id":"t"}`, "tasks/pushNotificationConfig/delete": `{"id":"t","pushNotificationConfigId":"i"}`,
	} {
		all[method] = [4]string{"POST", "/", rpc(method, "%s", params), ""}
	}
	for path, body := range map[string]string{"/message:send": send, "/message:stream": send, "/tasks/t:cancel": `{"tenant":"","metadata":{"k":"v"}}`, "/tasks/t/pushNotificationConfigs": push} {
		all["1.0 "+path] = [4]string{"POST", path, body, "1.0"}
		all["1.0 /x"+path] = [4]string{"POST", "/x" + path, body, "1.0"}
	}
	for path, body := range map[string]string{"/message:send": send03h, "/message:stream": send03h, "/tasks/t:cancel": `{"name":"tasks/t"}`, "/tasks/t/pushNotificationConfigs": `{"parent":"tasks/t","configId":"i","config":` + push03h + `}`} {
		all["0.3 "+path] = [4]string{"POST", "/v1" + path, body, "0.3"}
	}
	all["0.3 send as in JSON-RPC"] = [4]string{"POST", "/v1/message:send", send03, "0.3"}
	return all
}()

// eachValue returns a function that replaces, one after the other, each value in the JSON by
// others, and adds names to each object. It calls emit after each change.
func eachValue(v any, with []any, emit func()) func(set func(any)) {
	var walk func(v any, set func(any))
	walk = func(v any, set func(any)) {
		for _, w := range with {
			set(w)
			emit()
		}
		set(v)
		switch v := v.(type) {
		case map[string]any:
			for k, one := range v {
				walk(one, func(w any) { v[k] = w })
			}
			for _, w := range with {
				if name, ok := w.(string); ok {
					v[name] = "x"
					emit()
					delete(v, name)
				}
			}
		case []any:
			for i, one := range v {
				walk(one, func(w any) { v[i] = w })
			}
		}
	}
	return func(set func(any)) { walk(v, set) }
}

// TestEchoOfEverything sends each request with each of its values replaced by a long one, to a task
// that exists. An error repeats at most 200 bytes of it, and so does a log line; neither has
// credentials.
func TestEchoOfEverything(t *testing.T) {
	const secret = "hunter2"
	long := strings.Repeat("Ω", 3000)
	with := []any{
		long, "x" + long, " " + long, "https://" + long, "http://" + long + ".example/", long[:250], long[:120],
		json.Number(strings.Repeat("7", 5000)), json.Number("7." + strings.Repeat("7", 5000)), map[string]any{long: long}, []any{long},
	}
	logs := new(bytes.Buffer)
	h := handlerOf(new(memlog.Log), logs, slow(0))
	send := func(verb, path, version, body string) string {
		r := httptest.NewRequest(verb, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if version != "" {
			r.Header.Set("A2A-Version", version)
		}
		return serve(h, r).Body.String()
	}
	_, task, _ := strings.Cut(send("POST", "/", "", rpc("SendMessage", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]}}`)), `"task":{"id":"`)
	task, _, found := strings.Cut(task, `"`)
	if !found {
		t.Fatal("no task")
	}
	repeated := func(text string) int { // not the digits of limits
		return max(strings.Count(text, "Ω")*len("Ω"), strings.Count(text, "7777")*4)
	}
	n := 0
	for name, request := range everything {
		of := strings.NewReplacer(`"t"`, `"`+task+`"`, "/t:", "/"+task+":", "/t/", "/"+task+"/", `"credentials":"c"`, `"credentials":"`+secret+`"`)
		var body any
		d := json.NewDecoder(strings.NewReader(of.Replace(request[2])))
		d.UseNumber()
		if err := d.Decode(&body); err != nil {
			t.Fatal(name, err)
		}
		emit := func() {
			n++
			data, _ := json.Marshal(body)
			logs.Reset()
			got := send(request[0], of.Replace(request[1]), request[3], string(data))
			if line := logs.String(); repeated(line) > 200 || strings.Contains(line, secret) {
				t.Errorf("%s: logged %.700s", name, line)
			}
			if strings.Contains(got, secret) {
				t.Errorf("%s: credentials: %.700s", name, got)
			}
			if id := `"id":"` + long[:250] + `"`; strings.Contains(got, `"error"`) && repeated(strings.Replace(got, id, "", 1)) > 200 {
				t.Errorf("%s: %d bytes: %.700s", name, repeated(got), got)
			}
		}
		eachValue(body, with, emit)(func(v any) { body = v })
	}
	if n < 5000 {
		t.Errorf("only %d requests", n)
	}
}
