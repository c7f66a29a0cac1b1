package peers

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/peer"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/process"
)

// listen returns a listener on this machine, and its URL.
func listen(t *testing.T) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	localtest.Must(t, err)
	f, err := l.(*net.TCPListener).File()
	localtest.Must(t, err, l.Close())
	t.Cleanup(func() { f.Close() })
	return f, "http://" + l.Addr().String() + "/"
}

// caller is a process with the durable agent.
type caller struct {
	t        *testing.T
	url      string
	listener *os.File
	env      []string
	process  *process.Process
}

// newCaller starts a durable agent with peers, over a table of its own.
func newCaller(t *testing.T, listener *os.File, url, peers string) *caller {
	t.Helper()
	_, table := dynamodblocal.Table(t)
	c := &caller{t: t, url: url, listener: listener, env: append(process.Environ(),
		"PEERS_SERVE=yes", "PEERS="+peers, "TABLE_NAME="+table, "AWS_ENDPOINT_URL_DYNAMODB="+dynamodblocal.Endpoint(t))}
	c.start()
	t.Cleanup(func() {
		c.process.Kill()
		if t.Failed() {
			t.Logf("output:\n%s", c.process.Output.String())
		}
	})
	return c
}

func (c *caller) start() {
	c.t.Helper()
	self, err := os.Executable()
	localtest.Must(c.t, err)
	cmd := exec.Command(self)
	cmd.Env, cmd.ExtraFiles = c.env, []*os.File{c.listener}
	c.process, err = process.Start(c.t.Context(), cmd, c.url+".well-known/agent-card.json")
	localtest.Must(c.t, err)
}

// send sends a text, and returns the task's id.
func (c *caller) send(text string) string {
	c.t.Helper()
	return client.TaskIn(c.t, client.Result(c.t, c.url, "SendMessage",
		fmt.Sprintf(`{"message":{"role":"ROLE_USER","messageId":%q,"parts":[{"text":%q}]},"configuration":{"returnImmediately":true}}`, rand.Text(), text)))
}

// heard returns what the agent has heard, once its task has ended.
func (c *caller) heard(task string) string {
	c.t.Helper()
	var result struct{ Result a2a.Task }
	client.Await(c.t, 200*time.Millisecond, func() string {
		body := client.Result(c.t, c.url, "GetTask", client.ByID(task))
		localtest.Must(c.t, json.Unmarshal([]byte(body), &result))
		if !result.Result.Status.State.Terminal() {
			return body
		}
		return ""
	})
	for _, a := range result.Result.Artifacts {
		if a.ID == "heard" {
			return a.Parts[0].Text()
		}
	}
	return string(result.Result.Status.State)
}

// python starts an agent by a Python SDK, of part adk (1.0) or strands (0.3).
func python(t *testing.T, part, file string) (url string) {
	t.Helper()
	listener, url := listen(t)
	cmd := exec.Command(localtest.Setup(t, part), "testdata/"+file)
	cmd.ExtraFiles = []*os.File{listener}
	p, err := process.Start(t.Context(), cmd, url+"received")
	localtest.Must(t, err)
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s:\n%s", file, p.Output.String())
		}
	})
	return url
}

type message struct{ Message, Context, Task, Text string }

// received returns the messages that a Python agent was given.
func received(t *testing.T, url string) (all []message) {
	t.Helper()
	a, err := client.Do(t.Context(), http.MethodGet, url+"received", "")
	localtest.Must(t, err)
	localtest.Must(t, json.Unmarshal([]byte(a.Body), &all))
	return all
}

var pythons = []struct{ version, part, file string }{{"1.0", "adk", "python1.py"}, {"0.3", "strands", "python03.py"}}

// TestPython calls agents by the Python SDKs: a message, a question, and a task that is canceled.
func TestPython(t *testing.T) {
	t.Parallel()
	for _, p := range pythons {
		t.Run(p.version, func(t *testing.T) {
			t.Parallel()
			other := python(t, p.part, p.file)
			listener, url := listen(t)
			c := newCaller(t, listener, url, "other="+other)
			if got := c.heard(c.send("other hello")); got != "other: You said hello." {
				t.Errorf("got %q", got)
			}
			if got := c.heard(c.send("other ask")); got != "other: You said blue." {
				t.Errorf("got %q", got)
			}
			task := c.send("other wait")
			client.Await(t, 100*time.Millisecond, func() string {
				if all := received(t, other); len(all) < 4 {
					return fmt.Sprint(all)
				}
				return ""
			})
			client.Result(t, url, "CancelTask", client.ByID(task))
			if got := c.heard(task); got != "TASK_STATE_CANCELED" && !strings.Contains(got, "canceled") {
				t.Errorf("got %q", got)
			}
			all := received(t, other)
			set, err := peer.Parse("other="+other, "", "")
			localtest.Must(t, err)
			client.Await(t, 200*time.Millisecond, func() string {
				got, err := set["other"].Task(t.Context(), a2a.TaskID(all[3].Task), 0)
				if err != nil || got.Status.State != a2a.TaskStateCanceled {
					return fmt.Sprint(got, err)
				}
				return ""
			})
		})
	}
}

// TestPythonKilled kills the caller after its message is at the peer, and before the answer is read.
// The peer knows no message again. There is one task there, and the call has it (adopt), or says
// that it was interrupted.
func TestPythonKilled(t *testing.T) {
	t.Parallel()
	for _, p := range pythons {
		for options, want := range map[string]string{
			"": "error: say: the step was interrupted", ";adopt": "other: You said hello.",
		} {
			if p.version == "0.3" && options != "" {
				want = "error: say: the step was interrupted" // it lists no tasks
			}
			t.Run(p.version+options, func(t *testing.T) {
				t.Parallel()
				other := python(t, p.part, p.file)
				var c *caller
				killed := make(chan struct{})
				var once atomic.Bool
				front := through(t, other, func(w http.ResponseWriter, r *http.Request, agent http.Handler) {
					if r.Method != http.MethodPost || !once.CompareAndSwap(false, true) {
						agent.ServeHTTP(w, r)
						return
					}
					agent.ServeHTTP(httptest.NewRecorder(), r)
					c.process.Kill()
					close(killed)
					panic(http.ErrAbortHandler)
				})
				listener, url := listen(t)
				c = newCaller(t, listener, url, "other="+front+options)
				task := c.send("other hello")
				<-killed
				c.start()
				if got := c.heard(task); !strings.HasPrefix(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				if all := received(t, other); len(all) != 1 {
					t.Errorf("the peer has got %+v", all)
				}
			})
		}
	}
}

// through is a proxy before an agent. It changes the URLs in the agent's card. Handle is called with
// each request.
func through(t *testing.T, agent string, handle func(w http.ResponseWriter, r *http.Request, agent http.Handler)) string {
	t.Helper()
	target, err := url.Parse(agent)
	localtest.Must(t, err)
	var s *httptest.Server
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Header.Del("Accept-Encoding") },
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method != http.MethodGet {
				return nil
			}
			body, err := io.ReadAll(r.Body)
			body = []byte(strings.ReplaceAll(string(body), strings.TrimSuffix(agent, "/"), s.URL))
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(string(body))), int64(len(body))
			r.Header.Set("Content-Length", fmt.Sprint(len(body)))
			return err
		},
	}
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handle(w, r, proxy)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// TestNotify has Python agents post to a callback.
func TestNotify(t *testing.T) {
	t.Parallel()
	for _, p := range pythons {
		t.Run(p.version, func(t *testing.T) {
			t.Parallel()
			other := python(t, p.part, p.file)
			var posts atomic.Int64
			hook := client.Receiver(t, func(w http.ResponseWriter, _ *http.Request) {
				posts.Add(1)
				w.WriteHeader(http.StatusAccepted)
			})
			set, err := peer.Parse("other="+other, "", "")
			localtest.Must(t, err)
			sent, err := set["other"].Send(t.Context(), a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("later 100")))
			localtest.Must(t, err)
			task := sent.(*a2a.Task).ID
			if !set["other"].Pushes() {
				t.Error("the card does not say that it posts")
			}
			localtest.Must(t, set["other"].Notify(t.Context(), task, hook, "key"))
			client.Await(t, 200*time.Millisecond, func() string {
				got, err := set["other"].Task(t.Context(), task, 0)
				if err != nil || got.Status.State != a2a.TaskStateCompleted || posts.Load() < 100 {
					return fmt.Sprint(posts.Load(), got, err)
				}
				return ""
			})
		})
	}
}

// TestOurs has two durable agents call each other, one of them in 0.3, and in a circle.
func TestOurs(t *testing.T) {
	t.Parallel()
	listenerA, urlA := listen(t)
	listenerB, urlB := listen(t)
	a := newCaller(t, listenerA, urlA, "b="+urlB+";deduplicates")
	newCaller(t, listenerB, urlB, "a="+urlA+";deduplicates,b="+urlA+";deduplicates")
	if got := a.heard(a.send("b a b hello")); got != "b: a: b: You said hello." {
		t.Errorf("got %q", got)
	}
	got := a.heard(a.send("loop"))
	if strings.Count(got, "b: ") != 10 || !strings.HasSuffix(got, "error: say: agents have called each other 10 times in a chain: more are not allowed") {
		t.Errorf("got %q", got)
	}
}

// TestOursKilled kills the caller of an agent of this project while the answer is under way. The
// message is sent again, and there is one task.
func TestOursKilled(t *testing.T) {
	t.Parallel()
	listenerB, urlB := listen(t)
	b := newCaller(t, listenerB, urlB, "")
	var a *caller
	var posts atomic.Int64
	killed := make(chan struct{})
	front := through(t, urlB, func(w http.ResponseWriter, r *http.Request, agent http.Handler) {
		if r.Method != http.MethodPost || posts.Add(1) > 1 {
			agent.ServeHTTP(w, r)
			return
		}
		agent.ServeHTTP(httptest.NewRecorder(), r)
		a.process.Kill()
		close(killed)
		panic(http.ErrAbortHandler)
	})
	listenerA, urlA := listen(t)
	a = newCaller(t, listenerA, urlA, "b="+front+";deduplicates")
	task := a.send("b hello")
	<-killed
	a.start()
	if got := a.heard(task); got != "b: You said hello." {
		t.Errorf("got %q", got)
	}
	var list struct{ Result a2a.ListTasksResponse }
	localtest.Must(t, json.Unmarshal([]byte(client.Result(t, b.url, "ListTasks", `{}`)), &list))
	if len(list.Result.Tasks) != 1 {
		t.Errorf("b has %d tasks", len(list.Result.Tasks))
	}
}
