// Package mcp tests tools of MCP servers that were not written here: the reference server, and one
// by the Python SDK. Both speak over HTTP and over stdin and stdout.
package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"a2alambda/internal/mcp"
	"a2alambda/internal/tool"
	"a2alambda/localtest"
	"a2alambda/localtest/process"
)

const secret = "Bearer s3cr3t-of-the-shop"

// shop is the server by the Python SDK.
type shop struct {
	tb      testing.TB
	ledger  string
	port    int
	options []string
	*process.Process
}

func newShop(tb testing.TB, options ...string) *shop {
	port, err := process.FreePort()
	localtest.Must(tb, err)
	s := &shop{tb: tb, ledger: filepath.Join(tb.TempDir(), "ledger"), port: port, options: options}
	s.start()
	tb.Cleanup(func() {
		s.Kill()
		if tb.Failed() {
			tb.Log(s.Output.String())
		}
	})
	return s
}

func (s *shop) start() {
	s.tb.Helper()
	args := append([]string{"testdata/server.py", s.ledger, strconv.Itoa(s.port)}, s.options...)
	var err error
	s.Process, err = process.Start(s.tb.Context(), exec.Command(localtest.Setup(s.tb, "mcp"), args...), s.config().URL)
	localtest.Must(s.tb, err)
}

func (s *shop) config() mcp.Server {
	return mcp.Server{Name: "shop", URL: fmt.Sprintf("http://127.0.0.1:%d/mcp", s.port), Header: http.Header{"Authorization": {secret}}}
}

// calls returns the ledger's lines.
func (s *shop) calls() []string {
	data, _ := os.ReadFile(s.ledger)
	return strings.Split(strings.ReplaceAll(strings.TrimSpace(string(data)), " ", ","), "\n")
}

// await waits until the ledger has the line.
func (s *shop) await(line string) {
	s.tb.Helper()
	for !slices.Contains(s.calls(), line) {
		select {
		case <-s.tb.Context().Done():
			s.tb.Fatalf("%q is not called: %q", line, s.calls())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// open returns a run over the servers, and its log.
func open(tb testing.TB, servers ...mcp.Server) (*mcp.Run, *process.Output) {
	tb.Helper()
	log := new(process.Output)
	set, err := mcp.New(mcp.Config{Servers: servers, Logger: slog.New(slog.NewTextHandler(log, nil))})
	localtest.Must(tb, err)
	run := set.Run()
	tb.Cleanup(func() {
		run.Close()
		set.Close()
		if strings.Contains(log.String(), "s3cr3t") {
			tb.Errorf("the log has a secret:\n%s", log.String())
		}
	})
	return run, log
}

func find(tb testing.TB, tools []tool.Tool, name string) tool.Tool {
	tb.Helper()
	i := slices.IndexFunc(tools, func(t tool.Tool) bool { return t.Name == name })
	if i < 0 {
		tb.Fatalf("there is no tool %s", name)
	}
	return tools[i]
}

func call(tb testing.TB, run *mcp.Run, name, args string) tool.Result {
	tb.Helper()
	r, err := find(tb, run.Tools(tb.Context()), name).Call(tb.Context(), json.RawMessage(args))
	if err != nil {
		tb.Fatalf("%s(%s): %v", name, args, err)
	}
	return r
}

// TestShop calls the tools of a server that has sessions and streams, of one that has sessions, of one that has neither, and
// of a command.
func TestShop(t *testing.T) {
	for _, mode := range []string{"", "json", "json stateless", "stdio"} {
		t.Run(mode, func(t *testing.T) {
			var server mcp.Server
			var ledger *shop
			if mode == "stdio" {
				ledger = &shop{tb: t, ledger: filepath.Join(t.TempDir(), "ledger")}
				server = mcp.Server{Name: "shop", Command: []string{localtest.Setup(t, "mcp"), "testdata/server.py", ledger.ledger, "stdio"}}
			} else {
				ledger = newShop(t, strings.Fields(mode)...)
				server = ledger.config()
			}
			server.Connect = time.Minute
			run, log := open(t, server)
			var flags []string
			for _, one := range run.Tools(t.Context()) {
				flags = append(flags, fmt.Sprintf("%s %v %v", strings.TrimPrefix(one.Name, "shop_"), one.Once, one.Approve))
			}
			want := []string{
				"drop true true", "charge true true", "search false false", "rename false true", "add true false",
				"hang false false", "ship true true", "large false false", "picture false false", "fail false false", "headers false false",
			}
			if !slices.Equal(flags, want) {
				t.Errorf("tools (name, once, approve):\n got %q\nwant %q", flags, want)
			}
			search := find(t, run.Tools(t.Context()), "shop_search")
			if search.Description != "Searches the shop." || !strings.Contains(string(search.Schema), `"text"`) {
				t.Errorf("search: %s, %s", search.Description, search.Schema)
			}

			if r := call(t, run, "shop_search", `{"text":"a lid"}`); r.Text != "One teapot has a lid." || r.Failed {
				t.Errorf("search: %+v", r)
			}
			if r := call(t, run, "shop_drop", `{"order":"7"}`); r.Text != "7 is dropped." || r.Failed {
				t.Errorf("drop: %+v", r)
			}
			if r := call(t, run, "shop_add", `{"order":"7"}`); len(r.Parts) != 1 || !strings.Contains(r.Text, "teapots") {
				t.Errorf("add: %+v", r)
			}
			if r := call(t, run, "shop_picture", ""); len(r.Parts) != 1 || r.Parts[0].MediaType != "image/png" || len(r.Parts[0].Raw()) != 70 || r.Text != "[image image/png, 70 bytes]" {
				t.Errorf("picture: %+v", r)
			}
			if r := call(t, run, "shop_fail", "{}"); !r.Failed || !strings.Contains(r.Text, "fail") {
				t.Errorf("fail: %+v", r)
			}
			if r := call(t, run, "shop_search", `{"wrong":1}`); !r.Failed {
				t.Errorf("wrong arguments: %+v", r)
			}
			if r := call(t, run, "shop_search", `[1]`); !r.Failed {
				t.Errorf("no object: %+v", r)
			}
			if mode != "stdio" {
				if r := call(t, run, "shop_headers", ""); !strings.Contains(r.Text, `'authorization': '***'`) || strings.Contains(r.Text, "s3cr3t") {
					t.Errorf("headers: %+v", r)
				}
			}
			got := ledger.calls()
			if want := []string{"search,text=a,lid", "drop,order=7", "add,order=7", "picture", "fail"}; !slices.Equal(got, want) {
				t.Errorf("the ledger has %q", got)
			}
			if log.String() != "" {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

// TestLarge: an answer of 10 MB is told to the model as a failure, and spoils no other call.
func TestLarge(t *testing.T) {
	for _, mode := range []string{"", "json", "json stateless"} {
		t.Run(mode, func(t *testing.T) {
			s := newShop(t, strings.Fields(mode)...)
			run, _ := open(t, s.config())
			tools := run.Tools(t.Context())
			ctx, stop := context.WithCancel(t.Context())
			var other sync.WaitGroup
			other.Go(func() {
				if _, err := find(t, tools, "shop_ship").Call(ctx, json.RawMessage(`{"order":"1"}`)); !errors.Is(err, context.Canceled) {
					t.Errorf("the call beside it: %v", err)
				}
			})
			s.await("ship,order=1")
			r := call(t, run, "shop_large", `{"megabytes":10}`)
			if !r.Failed || r.Text != "The tool was called, but its answer has more than 8 MB, and was not read." {
				t.Errorf("10 MB: %v %.200s", r.Failed, r.Text)
			}
			r = call(t, run, "shop_large", `{"megabytes":1}`)
			if r.Failed || len(r.Text) > 64<<10+100 || !strings.HasSuffix(r.Text, fmt.Sprintf("[cut off: %d more bytes]", 1<<20-64<<10)) {
				t.Errorf("1 MB: %v, %d bytes, %s", r.Failed, len(r.Text), r.Text[len(r.Text)-60:])
			}
			stop()
			other.Wait()
			if n := strings.Count(strings.Join(s.calls(), " "), "large"); n != 2 {
				t.Errorf("called %d times: %q", n, s.calls())
			}
		})
	}
}

// TestHang: a tool that does not answer is given up in time, and the server can be used further.
func TestHang(t *testing.T) {
	for _, mode := range []string{"", "json", "stdio"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := &shop{tb: t, ledger: filepath.Join(t.TempDir(), "ledger")}
			server := mcp.Server{Name: "shop", Command: []string{localtest.Setup(t, "mcp"), "testdata/server.py", s.ledger, "stdio"}, Connect: time.Minute}
			if mode != "stdio" {
				s = newShop(t, strings.Fields(mode)...)
				server = s.config()
			}
			server.Call = 10 * time.Second // the other call must not take so long, on any machine
			run, _ := open(t, server)
			_, err := find(t, run.Tools(t.Context()), "shop_hang").Call(t.Context(), nil)
			if want := "shop: no answer within 10s; whether the call has had its effect is not known"; err == nil || err.Error() != want || errors.Is(err, tool.ErrUnsent) {
				t.Errorf("got %v, want %s", err, want)
			}
			if r := call(t, run, "shop_search", `{"text":"it"}`); r.Failed {
				t.Errorf("after it: %+v", r)
			}
		})
	}
}

// TestKilled kills the server in the middle of a call, and starts it again: the call has an unknown outcome and is not made
// again; the session that is gone is made anew.
func TestKilled(t *testing.T) {
	for _, mode := range []string{"", "json", "json stateless"} {
		t.Run(mode, func(t *testing.T) {
			s := newShop(t, strings.Fields(mode)...)
			run, log := open(t, s.config())
			call(t, run, "shop_search", `{"text":"it"}`)
			ship := find(t, run.Tools(t.Context()), "shop_ship")
			failed := make(chan error)
			go func() {
				_, err := ship.Call(t.Context(), json.RawMessage(`{"order":"1"}`))
				failed <- err
			}()
			s.await("ship,order=1")
			s.Kill()
			if err := <-failed; err == nil || errors.Is(err, tool.ErrUnsent) || !strings.HasSuffix(err.Error(), "whether the call has had its effect is not known") {
				t.Errorf("killed: %v", err)
			}
			_, err := find(t, run.Tools(t.Context()), "shop_charge").Call(t.Context(), json.RawMessage(`{"order":"1"}`))
			if !errors.Is(err, tool.ErrUnsent) || !strings.Contains(err.Error(), "shop: no connection: ") || strings.Contains(err.Error(), "/mcp") {
				t.Errorf("down: %v", err)
			}
			s.start()
			for i := range 2 {
				if r := call(t, run, "shop_charge", fmt.Sprintf(`{"order":"%d"}`, i)); r.Failed {
					t.Errorf("again there: %+v", r)
				}
			}
			s.Kill() // between two calls: the session is gone
			s.start()
			if r := call(t, run, "shop_charge", `{"order":"2"}`); r.Failed {
				t.Errorf("session gone: %+v", r)
			}
			want := []string{"search,text=it", "ship,order=1", "charge,order=0", "charge,order=1", "charge,order=2"}
			if got := s.calls(); !slices.Equal(got, want) {
				t.Errorf("the ledger has %q, want %q", got, want)
			}
			if log.String() != "" {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

// TestKilledCommand is the same with a command.
func TestKilledCommand(t *testing.T) {
	s := &shop{tb: t, ledger: filepath.Join(t.TempDir(), "ledger")}
	pid := filepath.Join(t.TempDir(), "pid")
	server := mcp.Server{
		Name: "shop", Connect: time.Minute,
		Command: []string{"sh", "-c", `echo $$ >"$1"; exec "$2" testdata/server.py "$3" stdio`, "sh", pid, localtest.Setup(t, "mcp"), s.ledger},
	}
	run, _ := open(t, server)
	ship := find(t, run.Tools(t.Context()), "shop_ship")
	failed := make(chan error)
	go func() {
		_, err := ship.Call(t.Context(), json.RawMessage(`{"order":"1"}`))
		failed <- err
	}()
	s.await("ship,order=1")
	data, err := os.ReadFile(pid)
	localtest.Must(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	localtest.Must(t, err)
	p, err := os.FindProcess(n)
	localtest.Must(t, err, p.Kill())
	if err := <-failed; err == nil || errors.Is(err, tool.ErrUnsent) {
		t.Errorf("killed: %v", err)
	}
	if r := call(t, run, "shop_charge", `{"order":"1"}`); r.Failed {
		t.Errorf("again there: %+v", r)
	}
	if got, want := s.calls(), []string{"ship,order=1", "charge,order=1"}; !slices.Equal(got, want) {
		t.Errorf("the ledger has %q, want %q", got, want)
	}
}

// TestDown: a server that is not there has no tools, and a line in the log.
func TestDown(t *testing.T) {
	port, err := process.FreePort()
	localtest.Must(t, err)
	s := newShop(t)
	gone := mcp.Server{Name: "gone", URL: fmt.Sprintf("http://127.0.0.1:%d/?key=s3cr3t", port)}
	wrong := mcp.Server{Name: "wrong", Command: []string{"sh", "-c", "echo no such module: s3cr3t >&2"}, Secrets: []string{"s3cr3t"}}
	none := mcp.Server{Name: "none", Command: []string{"/no/such/command"}}
	run, log := open(t, gone, s.config(), wrong, none)
	if n := len(run.Tools(t.Context())); n != 11 {
		t.Errorf("%d tools, not those of the shop", n)
	}
	for _, want := range []string{
		`server=gone error="gone: no connection: dial tcp 127.0.0.1:`,
		`server=wrong error="wrong: the command sh does not answer as an MCP server; its last words: no such module: ***"`,
		`server=none error="none: the command /no/such/command cannot be started: `,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
}
