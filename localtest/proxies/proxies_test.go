// Package proxies tests nginx, HAProxy and Varnish in front of the agent, with the recipes in
// testdata.
package proxies

import (
	"context"
	"errors"
	"fmt"
	"io"
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

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
	"a2alambda/internal/sse"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/process"
)

// stepper yields a step for each one that it receives.
func stepper(steps <-chan string) hosttest.Executor {
	return func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		for {
			select {
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			case step, more := <-steps:
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

// upstream is an agent behind a proxy.
type upstream struct {
	steps chan string
	crash context.CancelFunc // ends the connections
	addr  string
}

func newUpstream(t *testing.T) upstream {
	steps := make(chan string)
	handler := a2ahttp.New(hosttest.New(new(memlog.Log), stepper(steps), slog.New(slog.DiscardHandler)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// It outlives its connection.
		handler.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	}))
	crash := s.CloseClientConnections
	t.Cleanup(crash)
	return upstream{steps, crash, strings.TrimPrefix(s.URL, "http://")}
}

// proxies start in the foreground, each with its recipe in a file, in its own directory.
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
		_ = os.WriteFile(conf, []byte(text), 0o644) // without it nginx prints what is missing
		return exec.Command(program("nginx"), "-p", dir, "-c", conf)
	}},
	{"haproxy", "haproxy.cfg", func(_, recipe, _ string) *exec.Cmd { return exec.Command(program("haproxy"), "-db", "-f", recipe) }},
	{"varnish", "varnish.vcl", func(dir, recipe, addr string) *exec.Cmd {
		return exec.Command(program("varnishd"), "-j", "none", "-F", "-n", dir, "-a", addr, "-f", recipe, "-s", "malloc,16m")
	}},
}

// program returns the path of a server, which may be outside of a user's PATH.
func program(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return filepath.Join("/usr/sbin", name)
}

// start starts a proxy for the upstream, and returns its URL. change changes the recipe.
func start(t *testing.T, name string, up upstream, change func(string) string) string {
	t.Helper()
	localtest.Setup(t, "proxies")
	for _, p := range proxies {
		if p.name != name {
			continue
		}
		text, err := os.ReadFile("testdata/" + p.recipe)
		localtest.Must(t, err)
		free, err := process.FreePort()
		localtest.Must(t, err)
		addr := fmt.Sprint("127.0.0.1:", free)
		_, port, _ := net.SplitHostPort(up.addr)
		dir := t.TempDir()
		recipe := filepath.Join(dir, p.recipe)
		changed := strings.NewReplacer("127.0.0.1:10000", up.addr, `"10000"`, `"`+port+`"`, "127.0.0.1:8080", addr).Replace(change(string(text)))
		localtest.Must(t, os.WriteFile(recipe, []byte(changed), 0o644))
		cmd := p.command(dir, recipe, addr)
		running, err := process.Start(t.Context(), cmd, "http://"+addr)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { // its children too
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-running.Done
		})
		return "http://" + addr
	}
	t.Fatal("no such proxy")
	return ""
}

func asItIs(recipe string) string { return recipe }

// stream begins a stream at the URL.
func stream(t *testing.T, url string) *client.Stream {
	t.Helper()
	return client.Follow(t, url, "SendStreamingMessage", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"x"}]}}`)
}

// until reads events up to the first one that contains the text.
func until(t *testing.T, s *client.Stream, text string) sse.Event {
	t.Helper()
	e, err := s.Until(text)
	if err != nil {
		t.Fatalf("waiting for %s: %v", text, err)
	}
	return e
}

// TestStreams sends a stream through each proxy, event by event: the agent yields the next one only
// when the client has the last one.
func TestStreams(t *testing.T) {
	t.Parallel()
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			up := newUpstream(t)
			s := stream(t, start(t, p.name, up, asItIs))
			for i := range 5 {
				step := fmt.Sprintf("step %d", i)
				up.steps <- step
				until(t, s, step)
			}
			close(up.steps)
			until(t, s, "TASK_STATE_COMPLETED")
			if e, err := s.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("then comes %q, and %v", e.Text, err)
			}
		})
	}
}

// TestCrash cuts the connection to the agent in the middle of a stream. Each proxy's client sees
// that the stream is cut, and so knows to resume it. It does not through nginx without two lines of
// the recipe.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(string) string
		ends   bool // as if the stream were whole
	}{
		{"nginx", asItIs, false},
		{"haproxy", asItIs, false},
		{"varnish", asItIs, false},
		{"nginx", func(recipe string) string { return strings.Replace(recipe, "proxy_http_version 1.1;", "", 1) }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			up := newUpstream(t)
			s := stream(t, start(t, test.name, up, test.change))
			up.steps <- "begun"
			until(t, s, "begun")
			up.crash()
			_, err := s.Next()
			if ends := errors.Is(err, io.EOF); ends != test.ends {
				t.Errorf("the stream ends with %v", err)
			}
		})
	}
}

// TestPolls gets a task through each proxy before and after its end: no cache gives an old answer.
func TestPolls(t *testing.T) {
	t.Parallel()
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			up := newUpstream(t)
			url := start(t, p.name, up, asItIs)
			s := stream(t, url)
			id := client.TaskIn(t, until(t, s, `"task":`).Data)
			get := func(version, state string) {
				t.Helper()
				path := map[string]string{"1.0": "/tasks/", "0.3": "/v1/tasks/"}[version]
				if a, err := client.Do(t.Context(), http.MethodGet, url+path+id, "", "A2A-Version", version); err != nil || !strings.Contains(a.Body, state) {
					t.Errorf("got %v, %v; want %s", a, err, state)
				}
			}
			up.steps <- "begun"
			until(t, s, "begun")
			get("1.0", "TASK_STATE_WORKING")
			get("0.3", "TASK_STATE_WORKING")
			close(up.steps)
			until(t, s, "TASK_STATE_COMPLETED")
			get("1.0", "TASK_STATE_COMPLETED")
			get("0.3", "TASK_STATE_COMPLETED")
		})
	}
}
