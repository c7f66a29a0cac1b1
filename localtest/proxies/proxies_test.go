// Package proxies has nginx, HAProxy and Varnish stand before the agent, each with its recipe in testdata.
package proxies

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/localtest"
)

// patience is how long something may take that has been asked for.
const patience = time.Minute

// stepper says a step whenever it is told to.
type stepper struct{ steps chan string }

func (s stepper) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		for {
			select {
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			case step, more := <-s.steps:
				state := a2a.TaskStateWorking
				if !more {
					state, step = a2a.TaskStateCompleted, "done"
				}
				m := a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart(step))
				if !yield(a2a.NewStatusUpdateEvent(ec, state, m), nil) || !more {
					return
				}
			}
		}
	}
}

func (stepper) Cancel(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(func(a2a.Event, error) bool) {}
}

// upstream is an agent behind a proxy.
type upstream struct {
	steps chan string
	crash context.CancelFunc // breaks off the connections
	addr  string
}

func newUpstream(t *testing.T) upstream {
	x := stepper{make(chan string)}
	log, logger := new(memlog.Log), slog.New(slog.DiscardHandler)
	runner := &run.Runner{Log: log, Executor: x, Logger: logger, Invoke: func(context.Context, a2a.TaskID) error { return nil }}
	handler := a2ahttp.New(a2ahttp.Config{
		Server: &server.Server{Log: log, Runner: runner, Retention: time.Hour, Card: demoagent.Card()},
		Auth:   auth.None(), BaseURL: functionurl.BaseURL, Logger: logger,
	})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context()))) // it outlives its connection
	}))
	crash := s.CloseClientConnections
	t.Cleanup(crash)
	return upstream{x.steps, crash, strings.TrimPrefix(s.URL, "http://")}
}

// proxies are how each is started in the foreground, with its recipe in a file, in a directory of its own.
var proxies = []struct {
	name, recipe string
	command      func(dir, recipe, addr string) *exec.Cmd
}{
	{"nginx", "nginx.conf", func(dir, recipe, _ string) *exec.Cmd {
		conf := filepath.Join(dir, "main.conf")
		temp := ""
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			temp += kind + "_temp_path " + dir + ";"
		}
		text := "daemon off; pid nginx.pid; error_log stderr; events {} http { access_log off; " + temp + " include " + recipe + "; }"
		_ = os.WriteFile(conf, []byte(text), 0o644) // else nginx says what is missing
		return exec.Command(program("nginx"), "-p", dir, "-c", conf)
	}},
	{"haproxy", "haproxy.cfg", func(_, recipe, _ string) *exec.Cmd { return exec.Command(program("haproxy"), "-db", "-f", recipe) }},
	{"varnish", "varnish.vcl", func(dir, recipe, addr string) *exec.Cmd {
		return exec.Command(program("varnishd"), "-j", "none", "-F", "-n", dir, "-a", addr, "-f", recipe, "-s", "malloc,16m")
	}},
}

// program returns the path of a server, which need not be in that of users.
func program(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return filepath.Join("/usr/sbin", name)
}

// start starts a proxy before the upstream and returns its URL. change changes its recipe.
func start(t *testing.T, name string, up upstream, change func(string) string) string {
	t.Helper()
	localtest.Setup(t, "proxies")
	for _, p := range proxies {
		if p.name != name {
			continue
		}
		text, err := os.ReadFile("testdata/" + p.recipe)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		_, port, _ := net.SplitHostPort(up.addr)
		dir := t.TempDir()
		recipe := filepath.Join(dir, p.recipe)
		changed := strings.NewReplacer("127.0.0.1:10000", up.addr, `"10000"`, `"`+port+`"`, "127.0.0.1:8080", addr).Replace(change(string(text)))
		if err := os.WriteFile(recipe, []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := p.command(dir, recipe, addr)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); _ = cmd.Wait() }()
		t.Cleanup(func() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		})
		for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				c.Close()
				return "http://" + addr
			}
			select {
			case <-ended:
				t.Fatalf("%s has ended: %s", name, out.String())
			default:
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s does not listen: %s", name, out.String())
			}
		}
	}
	t.Fatal("no such proxy")
	return ""
}

func asItIs(recipe string) string { return recipe }

// stream begins a stream at the URL, and returns its body.
func stream(t *testing.T, url string) *bufio.Reader {
	t.Helper()
	const call = `{"jsonrpc":"2.0","id":1,"method":"SendStreamingMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]}}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(call))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("A2A-Version", "1.0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %s", resp.Status)
	}
	return bufio.NewReader(resp.Body)
}

// until reads lines up to one with the text. Each that comes before is not lost to who waits: there is nothing else to read.
func until(t *testing.T, body *bufio.Reader, text string) {
	t.Helper()
	found := make(chan error, 1)
	go func() {
		for {
			line, err := body.ReadString('\n')
			if err != nil || strings.Contains(line, text) {
				found <- err
				return
			}
		}
	}()
	select {
	case err := <-found:
		if err != nil {
			t.Fatalf("waiting for %s: %v", text, err)
		}
	case <-time.After(patience):
		t.Fatalf("%s is held back", text)
	}
}

// TestStreams has a stream go through each proxy event by event: the agent says the next only when the client has seen the last.
func TestStreams(t *testing.T) {
	t.Parallel()
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			up := newUpstream(t)
			body := stream(t, start(t, p.name, up, asItIs))
			for i := range 5 {
				step := fmt.Sprintf("step %d", i)
				up.steps <- step
				until(t, body, step)
			}
			close(up.steps)
			until(t, body, "TASK_STATE_COMPLETED")
			if rest, err := io.ReadAll(body); err != nil {
				t.Errorf("after %q the stream ends with %v", rest, err)
			}
		})
	}
}

// TestCrash breaks the connection to the agent in the middle of a stream: the client of each proxy sees that it is broken off, and so
// knows that it has to come again. Not so through nginx without the two lines of the recipe.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(string) string
		ends   bool // as if it were whole
	}{
		{"nginx", asItIs, false},
		{"haproxy", asItIs, false},
		{"varnish", asItIs, false},
		{"nginx", func(recipe string) string { return strings.Replace(recipe, "proxy_http_version 1.1;", "", 1) }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			up := newUpstream(t)
			body := stream(t, start(t, test.name, up, test.change))
			up.steps <- "begun"
			until(t, body, "begun")
			up.crash()
			_, err := io.ReadAll(body)
			if ends := err == nil; ends != test.ends {
				t.Errorf("the stream ends with %v", err)
			}
		})
	}
}

// TestPolls gets a task through each proxy before and after it has ended: an old answer must not come from a cache.
func TestPolls(t *testing.T) {
	t.Parallel()
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			up := newUpstream(t)
			url := start(t, p.name, up, asItIs)
			body := stream(t, url)
			line := ""
			for !strings.Contains(line, `"id":`) || !strings.HasPrefix(line, "data:") {
				var err error
				if line, err = body.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			_, after, _ := strings.Cut(line, `"task":{"id":"`)
			id, _, _ := strings.Cut(after, `"`)
			get := func(version, state string) {
				t.Helper()
				path := map[string]string{"1.0": "/tasks/", "0.3": "/v1/tasks/"}[version]
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path+id, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("A2A-Version", version)
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				answer, err := io.ReadAll(resp.Body)
				if err != nil || !strings.Contains(string(answer), state) {
					t.Errorf("got %s, %v; want %s", answer, err, state)
				}
			}
			up.steps <- "begun"
			until(t, body, "begun")
			get("1.0", "TASK_STATE_WORKING")
			get("0.3", "TASK_STATE_WORKING")
			close(up.steps)
			until(t, body, "TASK_STATE_COMPLETED")
			get("1.0", "TASK_STATE_COMPLETED")
			get("0.3", "TASK_STATE_COMPLETED")
		})
	}
}
