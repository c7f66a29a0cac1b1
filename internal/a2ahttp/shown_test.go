package a2ahttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
)

// speller answers in pieces of words, and then asks. In the next turn it says how many pieces it
// sees.
var speller hosttest.Executor = func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
	if ec.StoredTask != nil {
		text := fmt.Sprint(len(ec.StoredTask.Artifacts[0].Parts), " pieces")
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart(text))), nil)
		return
	}
	for _, piece := range []string{"The", " quick", " fo", "x"} {
		if !yield(a2a.NewArtifactUpdateEvent(ec, "answer", a2a.NewTextPart(piece)), nil) {
			return
		}
	}
	described := a2a.NewTextPart("!")
	described.Metadata = map[string]any{"tone": "loud"}
	_ = yield(a2a.NewArtifactUpdateEvent(ec, "answer", described), nil) &&
		yield(a2a.NewArtifactUpdateEvent(ec, "another", a2a.NewTextPart("PS")), nil) &&
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateInputRequired, nil), nil)
}

// TestShownTexts checks that an answer in pieces is one text wherever its task is shown, in each
// version and binding, and pieces in its stream's events and for its executor.
func TestShownTexts(t *testing.T) {
	h := handlerOf(new(memlog.Log), t.Output(), speller)
	ask := func(method, path, version, body string) string {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("A2A-Version", version)
		w := serve(h, r)
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), `"error"`) {
			t.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
		}
		return w.Body.String()
	}
	rpc := func(version, method, params string) string {
		t.Helper()
		return ask("POST", "/", version, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params))
	}
	one := func(what, got string) {
		t.Helper()
		texts := []string{`"The quick fox"`, `"!"`, `"PS"`, `"what I say"`, `"and say"`}
		at := 0
		for _, text := range texts[:3] {
			i := strings.Index(got[at:], text)
			if i < 0 {
				t.Errorf("%s: no %s in\n%s", what, text, got)
				return
			}
			at += i
		}
		for _, text := range texts {
			if strings.Count(got, text) != 1 {
				t.Errorf("%s: %d times %s in\n%s", what, strings.Count(got, text), text, got)
			}
		}
	}
	const (
		message    = `{"message":{"role":"ROLE_USER","messageId":"m-%d","parts":[{"text":"what I say"},{"text":"and say"}]}}`
		message03  = `{"message":{"kind":"message","role":"user","messageId":"m-%d","parts":[{"kind":"text","text":"what I say"},{"kind":"text","text":"and say"}]}}`
		message03h = `{"message":{"role":"ROLE_USER","messageId":"m-%d","content":[{"text":"what I say"},{"text":"and say"}]}}`
	)
	sent := rpc("1.0", "SendMessage", fmt.Sprintf(message, 1))
	one("SendMessage", sent)
	id := idIn(sent)
	named := fmt.Sprintf(`{"id":%q}`, id)
	one("GetTask", rpc("1.0", "GetTask", named))
	one("ListTasks", rpc("1.0", "ListTasks", `{"includeArtifacts":true}`))
	one("GET /tasks/id", ask("GET", "/tasks/"+id, "1.0", ""))
	one("tasks/get", rpc("0.3", "tasks/get", named))
	one("GET /v1/tasks/id", ask("GET", "/v1/tasks/"+id, "0.3", ""))
	one("GET /v1/tasks", ask("GET", "/v1/tasks?includeArtifacts=true", "0.3", ""))
	one("the same message again", rpc("1.0", "SendMessage", fmt.Sprintf(message, 1)))
	one("message/send", rpc("0.3", "message/send", fmt.Sprintf(message03, 2)))
	one("POST /message:send", ask("POST", "/message:send", "1.0", fmt.Sprintf(message, 3)))
	one("POST /v1/message:send", ask("POST", "/v1/message:send", "0.3", fmt.Sprintf(message03h, 4)))
	// The stream of the second turn begins with the task.
	follow := `{"message":{"role":"ROLE_USER","messageId":"m-5","taskId":"` + id + `","parts":[{"text":"go on"}]}}`
	streamed := rpc("1.0", "SendStreamingMessage", follow)
	one("first frame", strings.Split(streamed, "\n\n")[0])
	if !strings.Contains(streamed, `"5 pieces"`) {
		t.Errorf("the executor is shown something else: %s", streamed)
	}
	events := rpc("1.0", "SendStreamingMessage", fmt.Sprintf(message, 6))
	if strings.Contains(events, "quick fox") || strings.Count(events, `"artifactUpdate"`) != 6 {
		t.Errorf("the events are not as they came: %s", events)
	}
	id = idIn(events)
	one("first frame of 0.3", strings.Split(rpc("0.3", "message/stream", fmt.Sprintf(
		`{"message":{"kind":"message","role":"user","messageId":"m-7","taskId":%q,"parts":[{"kind":"text","text":"go on"}]}}`, id)), "\n\n")[0])
	named = fmt.Sprintf(`{"id":%q}`, idIn(rpc("1.0", "SendMessage", fmt.Sprintf(message, 8))))
	one("CancelTask", rpc("1.0", "CancelTask", named))
}
