package recipes

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/localserver"
	"a2alambda/localtest/stack"
)

// TestResume runs the resuming recipes of docs/clients.md. Meanwhile their connections are cut, and
// the instance that runs their task is killed. Each recipe has at most thirty lines.
func TestResume(t *testing.T) {
	t.Parallel()
	code := recipesIn(t, "Resuming after a drop")
	for n, r := range recipes {
		lines := slices.DeleteFunc(strings.Split(code[r.name], "\n"), func(line string) bool { return strings.TrimSpace(line) == "" })
		if len(lines) > 30 {
			t.Errorf("%s has %d lines", r.name, len(lines))
		}
		for _, test := range []struct {
			name string
			cuts []string // each connection is cut after one of these
			kill bool     // kills the instance at the first cut
		}{
			{"cut", []string{"\nid: 3\ndata: {\"", "\nid: 4", "\nid: 5\ndata: {"}, false},
			{"killed", []string{"\nid: 3\ndata: {\""}, true},
		} {
			t.Run(r.name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				agent, kill := "", func() {}
				if test.kill {
					s, url := stack.New(t, stack.Config{Agent: emulator.Config{Overtime: client.Patience}})
					agent, kill = url, func() {
						if busy := s.Agent.Busy(); len(busy) != 1 || s.Agent.Kill(busy[0]) != nil {
							t.Errorf("it is not one instance that is busy: %v", busy)
						}
					}
				} else {
					agent = localserver.Start(t)
				}
				proxy := newCutter(t, agent, test.cuts, kill)
				cmd := recipe(t, n, code[r.name], proxy.URL)
				var stderr bytes.Buffer
				cmd.Stderr = &stderr // not with the events: curl may write it in the middle of their lines
				out, err := cmd.Output()
				if err != nil {
					t.Errorf("it ended with %v: %s", err, &stderr)
				}
				if left := proxy.left(); left > 0 {
					t.Errorf("%d connections were not cut", left)
				}
				wantEvents(t, string(out))
			})
		}
	}
}

// wantEvents checks that an output has each of the tutorial's events once, in order.
func wantEvents(t *testing.T, out string) {
	t.Helper()
	want := []string{"1 SUBMITTED", "2 Starting to process your request...", "3 Analyzing your query...", "4 Generating response...",
		"5 " + artifactText, "6 TASK_STATE_COMPLETED"}
	var got []string
	for line := range strings.Lines(out) {
		if number, event, ok := strings.Cut(line, " {"); ok && len(number) == 1 {
			got = append(got, number+" {"+event)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("it printed %d events, not %d:\n%s", len(got), len(want), out)
	}
	for i, w := range want {
		number, text, _ := strings.Cut(w, " ")
		if !strings.HasPrefix(got[i], number+" ") || !strings.Contains(got[i], text) {
			t.Errorf("line %d has no %q:\n%s", i+1, w, out)
		}
	}
}

type cutter struct {
	*httptest.Server
	mu   sync.Mutex
	cuts []string
}

// newCutter returns a proxy for the agent. It cuts a stream after each text in cuts, in turn.
// Before the first cut it calls kill.
func newCutter(t *testing.T, agent string, cuts []string, kill func()) *cutter {
	t.Helper()
	target, err := url.Parse(agent)
	localtest.Must(t, err)
	c := &cutter{cuts: cuts}
	var once sync.Once
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the card has the URL of its request
		},
		ErrorLog: log.New(io.Discard, "", 0),
		ModifyResponse: func(r *http.Response) error {
			r.Body = &cutBody{ReadCloser: r.Body, cutter: c, cut: func() { once.Do(kill) }}
			return nil
		},
	}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// At a cut the proxy panics, which ends the connection. Nothing has to log that.
		defer func() {
			if p := recover(); p != nil {
				panic(http.ErrAbortHandler)
			}
		}()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

// left returns the number of cuts to come.
func (c *cutter) left() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.cuts)
}

type cutBody struct {
	io.ReadCloser
	cutter *cutter
	cut    func()
	seen   []byte
	ended  bool
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.ended {
		return 0, errors.New("cut")
	}
	n, err := b.ReadCloser.Read(p)
	b.cutter.mu.Lock()
	defer b.cutter.mu.Unlock()
	before := len(b.seen)
	b.seen = append(b.seen, p[:n]...)
	if len(b.cutter.cuts) == 0 {
		return n, err
	}
	at := bytes.Index(b.seen, []byte(b.cutter.cuts[0]))
	if at < 0 {
		return n, err
	}
	b.ended = true
	at += len(b.cutter.cuts[0])
	b.cutter.cuts = b.cutter.cuts[1:]
	b.cut()
	return max(0, at-before), nil
}
