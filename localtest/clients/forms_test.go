package clients

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	old "github.com/a2aproject/a2a-go/a2a"
	oldclient "github.com/a2aproject/a2a-go/a2aclient"
	oldcard "github.com/a2aproject/a2a-go/a2aclient/agentcard"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
	"a2alambda/localtest"
)

// form is a way to write the stream of a message.
type form struct {
	name    string
	kind    string // the Content-Type
	refused bool   // the stream is an error; else it is a task and its last status
	said    int    // the length of the last text, in UTF-16
	body    func(id json.RawMessage, v1 bool) string
}

const (
	eventType   = "text/event-stream; charset=utf-8"
	notFound    = "task not found"
	refusedForm = `{"jsonrpc":"2.0","id":%s,"error":{"code":-32001,"message":"` + notFound + `"}}`
)

// forms are the forms that a server may choose from.
var forms = []form{
	{"refused as JSON", "application/json", true, 0, func(id json.RawMessage, _ bool) string { return fmt.Sprintf(refusedForm, id) }},
	{"refused as an event", eventType, true, 0, func(id json.RawMessage, _ bool) string { return "data: " + fmt.Sprintf(refusedForm, id) + "\n\n" }},
	{"a comment", eventType, false, 4, events(": ping\n", "done", "")},
	{"a comment and an empty line", eventType, false, 4, events(": ping\n\n", "done", "")},
	{"retry at the end", eventType, false, 4, events("", "done", ": the task goes on\nretry: 1000\n")},
	{"retry and an empty line at the end", eventType, false, 4, events("", "done", ": the task goes on\nretry: 1000\n\n")},
	{"U+0085 escaped", eventType, false, 7, events("", `one\u0085two`, "")},
	{"U+0085 as it is", eventType, false, 7, events("", "one\u0085two", "")},
	{"U+2028 as it is", eventType, false, 7, events("", "one\u2028two", "")},
	{"DEL as it is", eventType, false, 7, events("", "one\x7ftwo", "")},
	{"a line of 60 KB", eventType, false, 60_000, events("", strings.Repeat("x", 60_000), "")},
	{"a line of 3 MB", eventType, false, 3_000_000, events("", strings.Repeat("x", 3_000_000), "")},
	{"a line of 5 MB", eventType, false, 5_000_000, events("", strings.Repeat("x", 5_000_000), "")},
}

// events returns the body of a stream: lines between its events, a text in the last one, and lines
// at the end.
func events(between, text, end string) func(json.RawMessage, bool) string {
	return func(id json.RawMessage, v1 bool) string {
		first := `{"kind":"task","id":"t","contextId":"c","status":{"state":"submitted"}}`
		last := `{"kind":"status-update","taskId":"t","contextId":"c","final":true,"status":{"state":"completed",` +
			`"message":{"kind":"message","messageId":"m","role":"agent","parts":[{"kind":"text","text":"` + text + `"}]}}}`
		if v1 {
			first = `{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_SUBMITTED"}}}`
			last = `{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_COMPLETED",` +
				`"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"` + text + `"}]}}}}`
		}
		frame := func(n int, result string) string {
			return fmt.Sprintf("id: %d\ndata: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n\n", n, id, result)
		}
		return frame(1, first) + between + frame(2, last) + end
	}
}

// TestForms has each SDK's client read a stream in each form. testdata/forms.txt has the results.
// The agent uses a form that all of them can read. Its real answer to a message for an unknown task
// is among the forms.
func TestForms(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	s := httptest.NewUnstartedServer(mux)
	t.Cleanup(s.Close)
	x := &demoagent.Executor{Stream: demoagent.New().Stream}
	host := hosttest.New(new(memlog.Log), x, slog.New(slog.DiscardHandler))
	host.BaseURL = func(r *http.Request) string {
		number, _, _ := strings.Cut(strings.TrimPrefix(r.RequestURI, "/"), "/")
		return strings.TrimSuffix(functionurl.BaseURL(r), "/") + "/" + number + "/"
	}
	ours := a2ahttp.New(host)
	all := append(forms, form{name: "refused by this agent", refused: true})
	var urls []string
	for i, f := range all {
		prefix := fmt.Sprintf("/%d", i)
		urls = append(urls, "http://"+s.Listener.Addr().String()+prefix+"/")
		mux.HandleFunc(prefix+"/", func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || f.body == nil {
				http.StripPrefix(prefix, ours).ServeHTTP(w, r)
				return
			}
			var call struct {
				ID     json.RawMessage
				Method string
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || json.Unmarshal(body, &call) != nil {
				t.Errorf("a client sent %s, %v", body, err)
			}
			w.Header().Set("Content-Type", f.kind)
			_, _ = io.WriteString(w, f.body(call.ID, call.Method == "SendStreamingMessage"))
		})
	}
	s.Start()

	verdicts := map[string][]string{} // of each client in turn, by form
	clients := ""
	column := func(client string, saw []string) {
		if len(saw) != len(all) {
			t.Fatalf("%s printed %q", client, saw)
		}
		clients += "\t" + client
		for i, f := range all {
			verdicts[f.name] = append(verdicts[f.name], f.verdict(saw[i]))
		}
	}
	for _, part := range []string{"python02", "python03", "python1", "js03", "js1"} {
		column(part, strings.Split(strings.TrimSpace(output(t, sdk("forms/", part), urls...)), "\n"))
	}
	var saw, sawOld []string
	for _, url := range urls {
		saw, sawOld = append(saw, goStream(t, url)), append(sawOld, oldGoStream(t, url))
	}
	column("go03", sawOld)
	column("go2", saw)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, clients)
	for _, f := range all {
		fmt.Fprintf(w, "%s\t%s\n", f.name, strings.Join(verdicts[f.name], "\t"))
	}
	_ = w.Flush()
	compare(t, table.String(), "testdata/forms.txt")
	for _, chosen := range []string{"refused as an event", "refused by this agent", "a comment", "retry at the end", "U+0085 escaped"} {
		if seen := verdicts[chosen]; slices.ContainsFunc(seen, func(s string) bool { return s != "whole" }) {
			t.Errorf("not every client reads what the agent sends, %s: %q", chosen, seen)
		}
	}
}

// verdict judges what a client prints of a form: all that is in it, an error without the text, the
// end of a stream where there is an error, or a crash.
func (f form) verdict(saw string) string {
	switch {
	case f.refused && strings.Contains(saw, notFound), !f.refused && saw == fmt.Sprint("events 0 ", f.said):
		return "whole"
	case f.refused && strings.Contains(saw, "error"):
		return "no text"
	case f.refused:
		return "no error"
	}
	return "broken"
}

// goStream streams a message with the Go SDK 2, and describes the result.
func goStream(t *testing.T, url string) string {
	card, err := agentcard.DefaultResolver.Resolve(t.Context(), url)
	localtest.Must(t, err)
	client, err := a2aclient.NewFromCard(t.Context(), card)
	localtest.Must(t, err)
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hello"))
	m.TaskID = "unknown"
	saw := "events"
	for event, err := range client.SendStreamingMessage(t.Context(), &a2a.SendMessageRequest{Message: m}) {
		if err != nil {
			return "error " + err.Error()
		}
		n := 0
		if e, ok := event.(*a2a.TaskStatusUpdateEvent); ok {
			n = len([]rune(e.Status.Message.Parts[0].Text()))
		}
		saw += fmt.Sprint(" ", n)
	}
	return saw
}

// oldGoStream is goStream with the Go SDK 0.3.
func oldGoStream(t *testing.T, url string) string {
	card, err := oldcard.DefaultResolver.Resolve(t.Context(), url)
	localtest.Must(t, err)
	client, err := oldclient.NewFromCard(t.Context(), card)
	localtest.Must(t, err)
	m := old.NewMessage(old.MessageRoleUser, old.TextPart{Text: "hello"})
	m.TaskID = "unknown"
	saw := "events"
	for event, err := range client.SendStreamingMessage(t.Context(), &old.MessageSendParams{Message: m}) {
		if err != nil {
			return "error " + err.Error()
		}
		n := 0
		if e, ok := event.(*old.TaskStatusUpdateEvent); ok {
			n = len([]rune(e.Status.Message.Parts[0].(old.TextPart).Text))
		}
		saw += fmt.Sprint(" ", n)
	}
	return saw
}
