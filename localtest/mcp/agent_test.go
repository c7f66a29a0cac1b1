package mcp

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/aimock"
	"a2alambda/localtest/client"
	"a2alambda/localtest/localserver"
)

const fixtures = `{"fixtures": [
	{"match": {"userMessage": "teapot", "hasToolResult": false}, "response": {"content": "Let me look.", "toolCalls": [
		{"name": "shop_search", "arguments": {"text": "a lid"}}, {"name": "shop_headers", "arguments": {}}]}},
	{"match": {"userMessage": "teapot", "hasToolResult": true}, "response": {"content": "There is one with a lid."}},
	{"match": {"userMessage": "drop", "hasToolResult": false}, "response": {"toolCalls": [
		{"name": "shop_drop", "arguments": {"order": "7"}}, {"name": "shop_charge", "arguments": {"order": "8"}}, {"name": "shop_add", "arguments": {"order": "9"}}]}},
	{"match": {"userMessage": "drop", "hasToolResult": true}, "response": {"content": "It is done."}},
	{"match": {"userMessage": "ship", "hasToolResult": false}, "response": {"toolCalls": [{"name": "shop_ship", "arguments": {"order": "7"}}]}},
	{"match": {"userMessage": "ship", "hasToolResult": true}, "response": {"content": "I don't know whether it is shipped."}}
]}`

// TestAgent is an agent with a model and tools, by one command and one file: it calls what reads
// only, asks before what cannot be undone, and tells the model of a server that dies in a call.
func TestAgent(t *testing.T) {
	s, mock := newShop(t), aimock.Start(t, fixtures)
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = fmt.Fprintf(w, "a picture of %s", path.Base(r.URL.Path))
	}))
	t.Cleanup(files.Close)
	file := filepath.Join(t.TempDir(), "agent.yaml")
	localtest.Must(t, os.WriteFile(file, fmt.Appendf(nil, `
card:
  name: Shop agent
  version: "2"
system: You run a shop.
model:
  url: %s/v1
  name: gpt-4o
  key: ${KEY}
mcp:
  - name: shop
    url: %s
    headers: {Authorization: "Bearer ${SHOP_TOKEN}"}
  - name: gone
    url: http://127.0.0.1:9/mcp
files: {allow: [%s/open/]}
allow: [shop_charge, shop_unknown]
`, mock.URL, s.config().URL, files.URL), 0o600))
	p, url := localserver.StartProcess(t, "AGENT=model", "AGENT_CONFIG="+file, "KEY=sk-s3cr3t", `AGENT_SECRETS={"SHOP_TOKEN":"s3cr3t-of-the-shop"}`, "TABLE_NAME=")
	p.StopAtEnd(t, "agent")
	answer, err := client.Do(t.Context(), "GET", url+"/.well-known/agent-card.json", "")
	if err != nil || !strings.Contains(answer.Body, `"Shop agent"`) || !strings.Contains(answer.Body, `"version": "2"`) {
		t.Errorf("card: %v %s", err, answer.Body)
	}

	text := send(t, url, "Is there a teapot?", "")
	if !strings.Contains(text, "There is one with a lid.") || !strings.Contains(text, "TASK_STATE_COMPLETED") {
		t.Errorf("a search: %s", text)
	}
	asked := strings.Join(mock.Asked(), "\n")
	if !strings.Contains(asked, "One teapot has a lid.") || !strings.Contains(asked, "'authorization': '***'") {
		t.Errorf("the model was not told of the results: %s", asked)
	}

	file = `{"url":"` + files.URL + `/%s/%[1]s.png","mediaType":"image/png"}`
	body := fmt.Sprintf(`{"message":{"role":"ROLE_USER","messageId":"m","parts":[{"text":"Is there a teapot like this?"},%s,%s]}}`, fmt.Sprintf(file, "open"), fmt.Sprintf(file, "closed"))
	sent, err := client.Do(t.Context(), "POST", url+"/message:stream", body, "A2A-Version", "1.0", "Content-Type", "application/json")
	if err != nil || !strings.Contains(sent.Body, "It leaves out: a file that is somewhere else.") || !strings.Contains(sent.Body, "There is one with a lid.") {
		t.Errorf("files: %v, %s", err, sent.Body)
	}
	asked = strings.Join(mock.Asked(), "\n")
	for name, times := range map[string]int{"open": 2, "closed": 0} { // in each of the two rounds
		if got := strings.Count(asked, base64.StdEncoding.EncodeToString([]byte("a picture of "+name+".png"))); got != times {
			t.Errorf("the model has seen the file %s %d times, want %d", name, got, times)
		}
	}

	text = send(t, url, "Please drop my order.", "")
	if !strings.Contains(text, "TASK_STATE_INPUT_REQUIRED") || !strings.Contains(text, `"tool":"shop_drop"`) || strings.Contains(text, `"tool":"shop_charge"`) {
		t.Fatalf("before the approval: %s", text)
	}
	if got := s.calls(); !slices.Equal(got, []string{"search,text=a,lid", "search,text=a,lid"}) {
		t.Errorf("before the approval, the ledger has %q", got)
	}
	text = send(t, url, "yes", taskID(t, text))
	if !strings.Contains(text, "It is done.") || !strings.Contains(text, "TASK_STATE_COMPLETED") {
		t.Errorf("after the approval: %s", text)
	}
	got := s.calls()[2:]
	slices.Sort(got)
	if want := []string{"add,order=9", "charge,order=8", "drop,order=7"}; !slices.Equal(got, want) {
		t.Errorf("after the approval, the ledger has %q, want %q", got, want)
	}

	text = send(t, url, "Please ship it.", "")
	answered := make(chan string)
	go func() { answered <- send(t, url, "yes", taskID(t, text)) }()
	s.await("ship,order=7")
	s.Kill()
	if text = <-answered; !strings.Contains(text, "I don't know whether it is shipped.") {
		t.Errorf("a server that died: %s", text)
	}
	if n := strings.Count(strings.Join(s.calls(), " "), "ship,order=7"); n != 1 {
		t.Errorf("it was shipped %d times", n)
	}
	all := mock.Asked()
	if last := all[len(all)-1]; !strings.Contains(last, "It is unknown whether this was done") {
		t.Errorf("the model was told: %s", last)
	}

	out := p.Output.String()
	for _, want := range []string{"MCP server gone: no connection", "no tool has the name shop_unknown"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if everything := out + text + strings.Join(all, "\n"); strings.Contains(everything, "s3cr3t") {
		t.Errorf("a secret is told")
	}
}

// send sends a message, and returns the stream.
func send(t *testing.T, url, text, task string) string {
	t.Helper()
	if task != "" {
		task = fmt.Sprintf(`"taskId":%q,`, task)
	}
	body := fmt.Sprintf(`{"message":{"role":"ROLE_USER","messageId":%q,%s"parts":[{"text":%q}]}}`, rand.Text(), task, text)
	a, err := client.Do(t.Context(), "POST", url+"/message:stream", body, "A2A-Version", "1.0", "Content-Type", "application/json")
	if err != nil {
		t.Error(err)
	}
	return a.Body
}

// taskID returns the id of a stream's task.
func taskID(t *testing.T, stream string) string {
	t.Helper()
	_, data, _ := strings.Cut(stream, "data: ")
	data, _, _ = strings.Cut(data, "\n")
	var first struct{ Task struct{ ID string } }
	if err := json.Unmarshal([]byte(data), &first); err != nil || first.Task.ID == "" {
		t.Errorf("no task: %v, %s", err, data)
	}
	return first.Task.ID
}
