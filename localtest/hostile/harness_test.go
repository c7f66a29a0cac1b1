// Package hostile_test sends the deployed functions requests that are made to take memory, and has
// the kernel kill each that takes more than it has in template.yaml.
package hostile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/dynamolog"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/stack"
)

// allowed is the network of webhooks.
const allowed = "127.0.0.2/32"

// system is the deployed system. The kernel kills an instance that takes more than its memory.
type system struct {
	*stack.Stack
	url    string
	log    *dynamolog.Log
	client *dynamodb.Client
	table  string
	lost   atomic.Bool // drops the events for the worker
}

// quiet leaves out what functions log without a fault.
type quiet struct {
	mu sync.Mutex
	to io.Writer
}

func (q *quiet) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for line := range bytes.Lines(p) {
		if !bytes.Contains(line, []byte(`"level":"INFO"`)) {
			if _, err := q.to.Write(line[:min(len(line), 1000)]); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// newSystem starts the system. agent and worker are the packages of those functions.
func newSystem(t *testing.T, agent, worker string) *system {
	t.Helper()
	return newSystemOf(t, agent, worker, func(*emulator.Config) {})
}

// newSystemOf is newSystem with another agent's function than in template.yaml.
func newSystemOf(t *testing.T, agent, worker string, change func(agent *emulator.Config)) *system {
	t.Helper()
	s := new(system)
	s.client, s.table = dynamodblocal.Table(t)
	s.log = dynamolog.New(s.client, s.table)
	c := stack.Config{Table: s.table}
	logs := &quiet{to: t.Output()}
	c.Invoke.Log = logs
	c.Invoke.Deliver = func(e emulator.Event) int {
		if s.lost.Load() && e.Function == "worker" {
			return 0
		}
		return 1
	}
	function := func(name, pkg string) emulator.Config {
		binary, err := emulator.Build(t.Context(), pkg)
		localtest.Must(t, err)
		return emulator.Config{
			Name: name, Binary: binary, Limits: emulator.MemoryLimit, Overtime: client.Patience, Log: logs, NoRetries: true,
			Env: []string{"PUSH_ALLOWED_CIDRS=" + allowed},
		}
	}
	c.Agent, c.Worker, c.Sweeper = function("agent", agent), function("worker", worker), function("sweeper", "a2alambda/functions/sweeper")
	change(&c.Agent)
	c.Push, c.NoStream = function("push", "a2alambda/functions/push"), true // the tests invoke it
	s.Stack, s.url = stack.New(t, c)
	return s
}

// functions are the functions whose memory is watched.
func (s *system) functions() map[string]*emulator.Emulator {
	return map[string]*emulator.Emulator{"agent": s.Agent, "worker": s.Worker, "sweeper": s.Sweeper, "push": s.Push}
}

// watched runs a hostile client, and prints the most memory that each function took. It fails if
// the kernel has killed one.
func (s *system) watched(t *testing.T, name string, do func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		before := map[string]int{}
		for f, e := range s.functions() {
			e.ResetPeak()
			before[f] = e.Killed()
		}
		begun := time.Now()
		do(t)
		var peaks []string
		for _, f := range []string{"agent", "worker", "sweeper", "push"} {
			e := s.functions()[f]
			if peak := e.Peak() >> 20; peak > 0 {
				peaks = append(peaks, fmt.Sprintf("%s %d of %d MB", f, peak, e.Memory()))
			}
			if n := e.Killed() - before[f]; n > 0 {
				t.Errorf("the kernel has killed %d of the %s", n, f)
			}
		}
		t.Logf("%.1f s; peaks: %s", time.Since(begun).Seconds(), strings.Join(peaks, ", "))
	})
}

// answer is the answer to a request.
type answer struct {
	status int
	size   int
	body   []byte // the first 64 KB
	rest   []byte // the last 4 KB of a longer one
	after  string // Retry-After
}

func (a answer) String() string {
	text := string(a.body[:min(len(a.body), 400)])
	return fmt.Sprintf("status %d, %d bytes: %s", a.status, a.size, text)
}

// error returns the message of a JSON-RPC or HTTP+JSON error, or "".
func (a answer) error() string {
	var e struct {
		Error struct{ Message string }
	}
	body := a.body
	if data, found := bytes.CutPrefix(body, []byte("data: ")); found {
		body = data
	}
	_ = json.NewDecoder(bytes.NewReader(body)).Decode(&e)
	return e.Error.Message
}

// do sends a request. The server itself must answer it, with any status but 502: with that, Lambda
// answers when an instance has died.
func (s *system) do(t *testing.T, method, path, version, body string, headers ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience())
	defer cancel()
	if version != "" {
		headers = append(headers, "A2A-Version", version)
	}
	resp, err := client.Send(ctx, method, s.url+path, body, headers...)
	localtest.Must(t, err)
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, after: resp.Header.Get("Retry-After")}
	chunk := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(chunk)
		a.size += n
		if len(a.body) < 64<<10 {
			a.body = append(a.body, chunk[:n]...)
		}
		a.rest = append(a.rest, chunk[:n]...)
		a.rest = a.rest[max(0, len(a.rest)-4096):]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Errorf("the answer broke off after %d bytes: %v", a.size, err)
			break
		}
	}
	if a.status == http.StatusBadGateway {
		t.Errorf("the function has failed: %v", a)
	}
	return a
}

// rpc sends a JSON-RPC request. The method's name decides the version.
func (s *system) rpc(t *testing.T, method, params string, headers ...string) answer {
	t.Helper()
	return s.do(t, http.MethodPost, "/", "", client.Request(method, params), headers...)
}

var ids atomic.Int64

// message returns a message of 1.0 with a new id. more are further members, each after a comma. An
// empty task begins one.
func message(task, parts, more string) string {
	if task != "" {
		more += `,"taskId":"` + task + `"`
	}
	return fmt.Sprintf(`{"messageId":"m%d","role":"ROLE_USER","parts":%s%s}`, ids.Add(1), parts, more)
}

// message03 is message for 0.3.
func message03(task, parts, more string) string {
	m := message(task, parts, more)
	return strings.Replace(m, `"role":"ROLE_USER"`, `"kind":"message","role":"user"`, 1)
}

func taskIn(t *testing.T, a answer) string {
	t.Helper()
	if _, rest, found := strings.Cut(string(a.body)+string(a.rest), `"taskId":"`); found {
		id, _, _ := strings.Cut(rest, `"`)
		return id
	}
	body := string(a.body)
	return client.TaskIn(t, body)
}

// waiting begins a task that waits for its client: without a text, the demo agent asks for one.
func (s *system) waiting(t *testing.T) string {
	t.Helper()
	return taskIn(t, s.rpc(t, "SendMessage", `{"message":`+message("", `[{"data":{}}]`, "")+`}`))
}

// rest sends a request through a REST API, which takes only answers in one piece.
func (s *system) rest(t *testing.T, method, path, body string) answer {
	t.Helper()
	event, err := json.Marshal(map[string]any{
		"httpMethod": method, "path": path, "body": body, "headers": map[string]string{"content-type": "application/json"},
		"requestContext": map[string]any{"stage": "live", "domainName": "api.example.com", "identity": map[string]string{"sourceIp": "192.0.2.1"}},
	})
	localtest.Must(t, err)
	a, err := client.Do(t.Context(), http.MethodPost, s.InvokeURL+"/2015-03-31/functions/agent/invocations", string(event))
	var got struct {
		StatusCode int
		Body       string
	}
	err = errors.Join(err, json.Unmarshal([]byte(a.Body), &got))
	if err != nil || a.Header.Get("X-Amz-Function-Error") != "" || got.StatusCode == 0 {
		t.Errorf("the function has failed: %v, %v", a.Header, err)
	}
	return answer{status: got.StatusCode, size: len(got.Body), body: []byte(got.Body[:min(len(got.Body), 64<<10)]), rest: []byte(got.Body[max(0, len(got.Body)-4096):])}
}

// wakePush invokes the push function, like the table's stream and the sweeper.
func (s *system) wakePush(event []byte) error { return s.Invoke.Call("push", event) }
