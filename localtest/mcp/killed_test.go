package mcp

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/dynamolog"
	"a2alambda/localtest"
	"a2alambda/localtest/aimock"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/localserver"
	"a2alambda/localtest/process"
)

// errand has three answers of the model: two with calls at once, of which one waits for a yes, and
// one that ends the task, in pieces that are some milliseconds apart. %[1]s is the case's name.
const errand = `
	{"match": {"userMessage": "%[1]s", "turnIndex": 0}, "latency": 20, "response": {"content": "Let me look, and charge what is to be charged.", "toolCalls": [
		{"name": "shop_search", "arguments": {"text": "%[1]s"}}, {"name": "shop_charge", "arguments": {"order": "%[1]s"}}]}},
	{"match": {"userMessage": "%[1]s", "turnIndex": 1}, "latency": 20, "response": {"content": "Now I drop it, and add one, if I may, and ship it.", "toolCalls": [
		{"name": "shop_drop", "arguments": {"order": "%[1]s"}}, {"name": "shop_add", "arguments": {"order": "%[1]s"}}%[2]s]}},
	{"match": {"userMessage": "%[1]s", "turnIndex": 2}, "latency": 20, "response": {"content": "All of it is done, as far as I know."}}`

// ship is a call more, which takes an hour.
const ship = `, {"name": "shop_ship", "arguments": {"order": "%s"}}`

// When a process is killed: at a request of it to the model or to the server of tools.
const (
	before = iota // the request has not arrived
	amid          // some of the answer has arrived
	lost          // the request was served, and the answer has not arrived
	during        // the request is being served
)

// death is when a process is killed.
type death struct {
	when int
	tool string // at a call of it; or
	ask  int    // at this request to the model, from 1; or neither: while the user is asked
	// after are the steps of the journal that are done before.
	after []string
	// more are calls, of tools and of the model, that are made twice: the first was cut off.
	more string
	// never are calls that may not be made again, though nobody knows whether the first one arrived.
	never string
	// unknown is the tool of whose call the model is told that its outcome is unknown.
	unknown string
}

var deaths = map[string]death{
	"first answer, before":  {when: before, ask: 1},
	"first answer, amid":    {when: amid, ask: 1, more: "answer 1"},
	"search, before":        {when: before, tool: "search", after: []string{"shop_charge"}},
	"search, lost":          {when: lost, tool: "search", after: []string{"shop_charge"}, more: "search"},
	"charge, before":        {when: before, tool: "charge", after: []string{"shop_search"}, never: "charge", unknown: "shop_charge"},
	"charge, lost":          {when: lost, tool: "charge", after: []string{"shop_search"}, unknown: "shop_charge"},
	"second answer, before": {when: before, ask: 2},
	"second answer, lost":   {when: lost, ask: 2, more: "answer 2"},
	"while the user thinks": {},
	"drop, lost":            {when: lost, tool: "drop", after: []string{"shop_add"}, unknown: "shop_drop"},
	"ship, during":          {when: during, tool: "ship", after: []string{"shop_drop", "shop_add"}, unknown: "shop_ship"},
	"last answer, amid":     {when: amid, ask: 3, more: "answer 3"},
}

// TestAgentKilled kills the agent's process by SIGKILL, in the middle of calls of tools and of the
// model, and between. Another process goes on. The ledgers of tools and of the model have each call
// once that was finished; one that was cut off and may not be made again is not, and the model is told.
func TestAgentKilled(t *testing.T) {
	var fixtures []string
	for name, d := range deaths {
		more := ""
		if d.when == during {
			more = fmt.Sprintf(ship, name)
		}
		fixtures = append(fixtures, fmt.Sprintf(errand, name, more))
	}
	s, mock, binary := newShop(t), aimock.Start(t, `{"fixtures": [`+strings.Join(fixtures, ",")+`]}`), localserver.Build(t)
	room := make(chan struct{}, 6) // they mostly wait
	var runs sync.WaitGroup
	for name, d := range deaths {
		room <- struct{}{}
		runs.Go(func() {
			defer func() { <-room }()
			t.Run(name, func(t *testing.T) { killed(t, name, d, s, mock, binary) })
		})
	}
	runs.Wait()
}

// victim is an agent that is killed once.
type victim struct {
	t    *testing.T
	name string
	death

	shop  *shop
	log   *dynamolog.Log
	url   string
	known chan struct{} // closed when task is set
	again chan struct{} // closed when the second process runs
	task  a2a.TaskID

	mu      sync.Mutex
	process *process.Process
	dies    bool // or has died
	asked   int
}

func killed(t *testing.T, name string, d death, s *shop, mock *aimock.Server, binary string) {
	db, table := dynamodblocal.Table(t)
	v := &victim{
		t: t, name: name, death: d, shop: s, log: dynamolog.New(db, table),
		known: make(chan struct{}), again: make(chan struct{}),
	}
	front := httptest.NewServer(v.before(mock.URL, s.config().URL))
	t.Cleanup(front.Close)
	file := filepath.Join(t.TempDir(), "agent.yaml")
	localtest.Must(t, os.WriteFile(file, fmt.Appendf(nil, `
model: {url: %[1]s/v1, name: gpt-4o}
mcp: [{name: shop, url: %[1]s/mcp, timeout: 10m, headers: {Authorization: "${SHOP}"}}]
allow: [shop_charge, shop_ship]
`, front.URL), 0o600))
	v.process, v.url = localserver.StartBuilt(t, binary, "AGENT=model", "AGENT_CONFIG="+file, "SHOP="+secret,
		"TABLE_NAME="+table, "AWS_ENDPOINT_URL_DYNAMODB="+dynamodblocal.Endpoint(t), "AWS_REGION=us-east-1")
	t.Cleanup(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.process.Kill()
		if t.Failed() {
			t.Log(v.process.Output.String())
		}
	})

	v.task = a2a.TaskID(v.send("Do the errand "+name, ""))
	close(v.known)
	if v.await(a2a.TaskStateInputRequired) {
		if d.tool == "" && d.ask == 0 {
			v.kill()
		}
		v.send("yes", string(v.task))
	}
	v.await(a2a.TaskStateCompleted)
	select {
	case <-v.again:
	default:
		t.Fatal("it was not killed")
	}

	counts := map[string]int{}
	for _, line := range s.calls() {
		if what, args, _ := strings.Cut(line, ","); strings.HasSuffix(args, "="+strings.ReplaceAll(name, " ", ",")) {
			counts[what]++
		}
	}
	var told string
	for _, body := range mock.Asked() {
		if strings.Contains(body, name) {
			counts[fmt.Sprintf("answer %d", 1+strings.Count(body, `"role":"assistant"`))]++
			told = body
		}
	}
	want := map[string]int{"search": 1, "charge": 1, "drop": 1, "add": 1, "answer 1": 1, "answer 2": 1, "answer 3": 1}
	if d.when == during {
		want["ship"] = 1
	}
	if d.more != "" {
		want[d.more]++
	}
	delete(want, d.never)
	if fmt.Sprint(counts) != fmt.Sprint(want) {
		t.Errorf("the ledgers have %v, want %v", counts, want)
	}
	if got := strings.Count(told, "It is unknown whether this was done"); (got == 1) != (d.unknown != "") || got > 1 {
		t.Errorf("the model was told %d times that an outcome is unknown: %s", got, told)
	}
	for _, e := range v.entries() {
		if d.unknown != "" && strings.Contains(e.Name, d.unknown) && e.Kind == durable.Done {
			t.Errorf("the journal says that %s is done", e.Name)
		}
	}
}

// before is in front of the model and of the server of tools. It kills the process when it is time.
func (v *victim) before(model, tools string) http.Handler {
	to := func(target string) http.Handler {
		u, _ := url.Parse(target)
		return &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = u.Scheme, u.Host }}
	}
	m, s := to(model), to(tools)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next := s
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			next = m
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !v.isDue(next == m, body) {
			next.ServeHTTP(w, r)
			return
		}
		<-v.known
		v.done()
		switch v.when {
		case lost:
			next.ServeHTTP(httptest.NewRecorder(), r)
			v.kill()
		case amid:
			next.ServeHTTP(&pieces{ResponseWriter: w, at: 4, then: v.kill}, r)
		case during:
			go func() {
				client.Await(v.t, 50*time.Millisecond, func() string {
					if v.served() {
						return ""
					}
					return "it is not called"
				})
				v.kill()
			}()
			next.ServeHTTP(w, r) // until the process is dead
		default:
			v.kill()
		}
		panic(http.ErrAbortHandler)
	})
}

// isDue reports whether a request is the one at which the process dies.
func (v *victim) isDue(model bool, body []byte) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	due := false
	if model {
		v.asked++
		due = v.asked == v.ask
	} else {
		var call struct {
			Method string
			Params struct{ Name string }
		}
		due = json.Unmarshal(body, &call) == nil && call.Method == "tools/call" && call.Params.Name == v.tool
	}
	due = due && !v.dies
	v.dies = v.dies || due
	return due
}

// kill kills the process, and starts another one.
func (v *victim) kill() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.process.Kill()
	v.dies = true
	v.process = localserver.Again(v.t, v.process, v.url)
	close(v.again)
}

// done waits until the journal has the steps that are done before.
func (v *victim) done() {
	client.Await(v.t, 50*time.Millisecond, func() string {
		for _, step := range v.after {
			if !slices.ContainsFunc(v.entries(), func(e durable.Entry) bool { return e.Kind == durable.Done && strings.Contains(e.Name, step) }) {
				return step + " is not done"
			}
		}
		return ""
	})
}

// served reports whether the server has the call at which the process dies.
func (v *victim) served() bool {
	return slices.Contains(v.shop.calls(), v.tool+",order="+strings.ReplaceAll(v.name, " ", ","))
}

// entries returns the task's journal.
func (v *victim) entries() (all []durable.Entry) {
	steps, _, err := v.log.Steps(v.t.Context(), v.task, 0, false)
	if err != nil {
		v.t.Error(err)
	}
	for _, s := range steps {
		e, err := durable.Decode(s.JSON)
		if err != nil {
			v.t.Error(err)
		}
		all = append(all, e)
	}
	return all
}

// send sends a message as a client does that is not answered: again, until it is. It returns the
// task's id.
func (v *victim) send(text, task string) (id string) {
	if task != "" {
		task = fmt.Sprintf(`"taskId":%q,`, task)
	}
	message := fmt.Sprintf(`{"message":{"role":"ROLE_USER","messageId":%q,%s"parts":[{"text":%q}]},"configuration":{"returnImmediately":true}}`, rand.Text(), task, text)
	client.Await(v.t, 200*time.Millisecond, func() string {
		a, err := client.Call(v.t.Context(), v.url, "SendMessage", message)
		if err != nil {
			return err.Error()
		}
		if id = client.TaskID(a.Body); id == "" {
			return a.Body
		}
		return ""
	})
	return id
}

// await waits until the task has the state, or has ended. It reports whether it has the state.
func (v *victim) await(state a2a.TaskState) bool {
	v.t.Helper()
	var result struct{ Result a2a.Task }
	client.Await(v.t, 200*time.Millisecond, func() string {
		a, err := client.Call(v.t.Context(), v.url, "GetTask", client.ByID(string(v.task)))
		if err != nil {
			return err.Error()
		}
		if err := json.Unmarshal([]byte(a.Body), &result); err != nil {
			return a.Body
		}
		if now := result.Result.Status.State; now == state || now.Terminal() {
			return ""
		}
		return a.Body
	})
	if result.Result.Status.State != state {
		v.t.Errorf("the task is %+v, want %s", result.Result.Status, state)
	}
	return result.Result.Status.State == state
}

// pieces calls then after so many writes.
type pieces struct {
	http.ResponseWriter
	at   int
	then func()
}

func (p *pieces) Write(b []byte) (int, error) {
	if p.at--; p.at == 0 {
		p.then()
		panic(http.ErrAbortHandler)
	}
	return p.ResponseWriter.Write(b)
}

func (p *pieces) Unwrap() http.ResponseWriter { return p.ResponseWriter }
