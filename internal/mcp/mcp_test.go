package mcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"a2alambda/internal/durable"
	"a2alambda/internal/tool"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("x", 64)
	for _, c := range []struct{ server, tool, want string }{
		{"shop", "search", "shop_search"},
		{"a-b", "search_all-1", "a-b_search_all-1"},
		{"shop", "orders.search", "shop_orders_search_7bbcdaa0"},
		{"shop", "Bestellung/ändern", "shop_Bestellung__ndern_c5bd3021"},
		{"shop", long, "shop_" + strings.Repeat("x", 50) + "_7ce100971"[:9]},
	} {
		got := nameOf(c.server, c.tool)
		if got != nameOf(c.server, c.tool) || len(got) > maxName || strings.ContainsFunc(got, func(r rune) bool { return !isNameRune(r) }) {
			t.Errorf("%s of %s is %s", c.tool, c.server, got)
		}
		if begin := c.want[:len(c.want)-8]; !strings.HasPrefix(got, begin) || c.tool == "search" && got != c.want {
			t.Errorf("%s of %s is %s, want %s", c.tool, c.server, got, c.want)
		}
	}
	if nameOf("shop", "a.b") == nameOf("shop", "a/b") || nameOf("shop", "a.b") == nameOf("shop", "a_b") {
		t.Error("two tools have one name")
	}
	for _, name := range []string{"", "a_b", "a b", "ä", strings.Repeat("a", 33)} {
		if _, err := New(Config{Servers: []Server{{Name: name, URL: "http://localhost"}}}); err == nil {
			t.Errorf("a server has the name %q", name)
		}
	}
	if _, err := New(Config{Servers: []Server{{Name: "a", URL: "http://a"}, {Name: "a", URL: "http://b"}}}); err == nil || err.Error() != "mcp: there are two servers of the name a" {
		t.Errorf("two servers: %v", err)
	}
}

// TestAnnotations: MCP's defaults hold. Allow and approve change the approval only.
func TestAnnotations(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		name           string
		hints          *sdk.ToolAnnotations
		allow, approve string
		want           string // once, approve
	}{
		{"nothing", nil, "", "", "true true"},
		{"empty", &sdk.ToolAnnotations{}, "", "", "true true"},
		{"only a title", &sdk.ToolAnnotations{Title: "T"}, "", "", "true true"},
		{"read-only", &sdk.ToolAnnotations{ReadOnlyHint: true}, "", "", "false false"},
		{"read-only and destructive", &sdk.ToolAnnotations{ReadOnlyHint: true, DestructiveHint: &yes}, "", "", "false false"},
		{"idempotent", &sdk.ToolAnnotations{IdempotentHint: true}, "", "", "false true"},
		{"destructive", &sdk.ToolAnnotations{DestructiveHint: &yes}, "", "", "true true"},
		{"not destructive", &sdk.ToolAnnotations{DestructiveHint: &no}, "", "", "true false"},
		{"neither", &sdk.ToolAnnotations{DestructiveHint: &no, IdempotentHint: true}, "", "", "false false"},
		{"allowed", nil, "s_t", "", "true false"},
		{"all allowed", nil, "s_*", "", "true false"},
		{"another allowed", nil, "s_tt", "", "true true"},
		{"destructive allowed", &sdk.ToolAnnotations{DestructiveHint: &yes}, "s_t", "", "true false"},
		{"read-only listed", &sdk.ToolAnnotations{ReadOnlyHint: true}, "", "s_t", "false true"},
		{"listed in spite of all", &sdk.ToolAnnotations{DestructiveHint: &no}, "s_*", "s_t", "true true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := sdk.NewServer(&sdk.Implementation{Name: "test"}, nil)
			server.AddTool(&sdk.Tool{Name: "t", InputSchema: noArgs, Annotations: c.hints}, nil)
			h := serve(t, handler(server, nil))
			config := Config{Servers: []Server{{Name: "s", URL: h.URL}}}
			if c.allow != "" {
				config.Allow = []string{c.allow}
			}
			if c.approve != "" {
				config.Approve = []string{c.approve}
			}
			_, run, _ := open(t, config)
			one := find(t, run, "s_t")
			if got := fmt.Sprint(one.Once, " ", one.Approve); got != c.want {
				t.Errorf("once and approve are %s, want %s", got, c.want)
			}
		})
	}
}

// TestRevisions calls a server of each kind: with sessions, without, and by command.
func TestRevisions(t *testing.T) {
	for name, options := range map[string]*sdk.StreamableHTTPOptions{
		"sessions": {}, "stateless": {Stateless: true}, "stateless JSON": {Stateless: true, JSONResponse: true}, "JSON": {JSONResponse: true}, "command": nil,
	} {
		t.Run(name, func(t *testing.T) {
			server, h, want := commandServer(t), (*served)(nil), "in no header"
			if options != nil {
				h = serve(t, handler(newSDKServer(), options))
				server, want = Server{Name: "s", URL: h.URL}, "in "
				if options.Stateless { // the revision that has this
					want = "in eu"
				}
			}
			_, run, log := open(t, Config{Servers: []Server{server}})
			first, second := call(t, run, "s_echo", `{"a":1}`), call(t, run, "s_echo", `{"a":1}`)
			if !strings.HasPrefix(first.Text, `{"a":1} null `) || first.Text != second.Text {
				t.Errorf("echo: %q, %q: one run has one session", first.Text, second.Text)
			}
			if got := call(t, run, "s_region", `{"region":"eu"}`).Text; got != want {
				t.Errorf("an argument in a header: %q, want %q", got, want)
			}
			if got := call(t, run, "s_ask", ""); !got.Failed || !strings.Contains(got.Text, "asks for input") && !strings.Contains(got.Text, "elicitation") {
				t.Errorf("input required: %+v", got)
			}
			if options == nil || !options.Stateless {
				for _, kind := range []string{"sample", "elicit"} {
					if got := call(t, run, "s_"+kind, ""); !strings.HasSuffix(got.Text, ": refused") {
						t.Errorf("%s: %+v", kind, got)
					}
				}
			}
			run.Close()
			if strings.Contains(log.String(), "level=") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// TestSessions: each run has sessions of its own, and ends them.
func TestSessions(t *testing.T) {
	h := serve(t, oldOnly(handler(newSDKServer(), nil)))
	set, run, _ := open(t, Config{Servers: []Server{{Name: "s", URL: h.URL}}})
	other := set.Run()
	a, b, again := call(t, run, "s_echo", "").Text, call(t, other, "s_echo", "").Text, call(t, run, "s_echo", "").Text
	if a == b || a != again || strings.HasSuffix(a, " ") {
		t.Errorf("sessions: %q, %q, %q", a, b, again)
	}
	run.Close()
	other.Close()
	if n := h.count(http.MethodDelete); n != 2 {
		t.Errorf("%d sessions were ended, not 2", n)
	}
}

// oldOnly is a server that knows nothing of the newest revision.
func oldOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Protocol-Version") >= stateless {
			http.Error(w, "unknown version", http.StatusBadRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// TestListChanged: a server's word that its list has changed counts at once.
func TestListChanged(t *testing.T) {
	_, run, _ := open(t, Config{Servers: []Server{commandServer(t)}})
	before := len(run.Tools(t.Context()))
	call(t, run, "s_more", "")
	for len(run.Tools(t.Context())) == before { // the word comes soon
		select {
		case <-t.Context().Done():
			t.Fatal("the list stays")
		case <-time.After(time.Millisecond):
		}
	}
	if got := call(t, run, "s_new", "").Text; got != "I am new." {
		t.Errorf("new: %s", got)
	}
}

// TestCached: a list is asked for once; while the server is down, the former one counts.
func TestCached(t *testing.T) {
	h := serve(t, handler(newSDKServer(), &sdk.StreamableHTTPOptions{Stateless: true}))
	set, run, log := open(t, Config{Servers: []Server{{Name: "s", URL: h.URL, Header: http.Header{"Authorization": {"Bearer s3cr3t"}}}}})
	tools := run.Tools(t.Context())
	n := h.count(http.MethodPost)
	if len(set.Run().Tools(t.Context())) != len(tools) || h.count(http.MethodPost) != n {
		t.Error("the server was asked twice")
	}
	h.CloseClientConnections()
	h.Server.Close()
	set.servers[0].tools.expire()
	if len(run.Tools(t.Context())) != len(tools) || !strings.Contains(log.String(), "an MCP server does not answer") {
		t.Errorf("while it is down: log %s", log)
	}
	_, err := tools[0].Call(t.Context(), nil)
	if !errors.Is(err, tool.ErrUnsent) || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(log.String(), "s3cr3t") {
		t.Errorf("while it is down: %v", err)
	}
}

// TestComesBack: a server that was down is left alone for a while, and then asked again.
func TestComesBack(t *testing.T) {
	up := false
	inner := handler(newSDKServer(), nil)
	h := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	set, run, log := open(t, Config{Servers: []Server{{Name: "s", URL: h.URL}}, Allow: []string{"s_ech"}})
	if err := set.Check(t.Context()); err == nil || err.Error() != "MCP server s: status 503 Service Unavailable" {
		t.Errorf("check: %v", err)
	}
	set.servers[0].tools.expire()
	if tools := run.Tools(t.Context()); len(tools) > 0 || strings.Count(log.String(), "its tools are missing") != 1 {
		t.Errorf("%d tools, log %s", len(tools), log)
	}
	n := h.count(http.MethodPost)
	if run.Tools(t.Context()); h.count(http.MethodPost) != n {
		t.Error("it was asked again at once")
	}
	up = true
	set.servers[0].tools.expire()
	if len(run.Tools(t.Context())) == 0 {
		t.Error("it is there again, without tools")
	}
	if err := set.Check(t.Context()); err == nil || err.Error() != "no tool has the name s_ech" {
		t.Errorf("check: %v", err)
	}
}

// TestRedirects: headers go to the server's own host only.
func TestRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s with %q", r.Method, r.URL, r.Header)
	}))
	defer elsewhere.Close()
	inner := handler(newSDKServer(), nil)
	h := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer s3cr3t":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/mcp":
			http.Redirect(w, r, "/mcp/", http.StatusTemporaryRedirect)
		case r.URL.Path == "/mcp/":
			inner.ServeHTTP(w, r)
		case r.URL.Path == "/found":
			http.Redirect(w, r, "/mcp/", http.StatusFound) // it would become a GET
		default:
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}
	}))
	header := http.Header{"Authorization": {"Bearer s3cr3t"}}
	for _, c := range []struct {
		path, want string
		header     http.Header
	}{
		{"/mcp", "", header},
		{"/found", "MCP server s: status 302: it has moved to another URL", header},
		{"/elsewhere", "MCP server s: status 307: it has moved to another URL", header},
		{"/mcp", "MCP server s: status 401 Unauthorized: the headers for it are missing, wrong or out of date", nil},
	} {
		set, _, _ := open(t, Config{Servers: []Server{{Name: "s", URL: h.URL + c.path, Header: c.header}}})
		if err := set.Check(t.Context()); err == nil && c.want != "" || err != nil && err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.path, err, c.want)
		}
	}
}

// TestSilent: a server that accepts connections and says nothing is given up in time.
func TestSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	set, _, _ := open(t, Config{Servers: []Server{{Name: "s", URL: "http://" + l.Addr().String(), Connect: 50 * time.Millisecond}}})
	if err := set.Check(t.Context()); err == nil || err.Error() != "MCP server s: it does not answer within 50ms" {
		t.Errorf("got %v", err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	stop(durable.ErrCanceled)
	if _, err := set.Run().list(ctx, set.servers[0]); !errors.Is(err, durable.ErrCanceled) {
		set.servers[0].tools.expire()
		if _, err := set.Run().list(ctx, set.servers[0]); !errors.Is(err, durable.ErrCanceled) {
			t.Errorf("canceled: %v", err)
		}
	}
}

// TestKey: a call tells the server its key.
func TestKey(t *testing.T) {
	h := serve(t, handler(newSDKServer(), nil))
	_, run, _ := open(t, Config{Servers: []Server{{Name: "s", URL: h.URL}}})
	var got tool.Result
	agent := durable.New(func(ctx context.Context, _ *durable.Task) error {
		_, err := durable.Do(ctx, "call", func(ctx context.Context) (tool.Result, error) {
			var err error
			got, err = find(t, run, "s_echo").Call(ctx, nil)
			if !strings.Contains(got.Text, `"`+durable.Key(ctx)+`"`) || durable.Key(ctx) == "" {
				t.Errorf("the server got %s, not %s", got.Text, durable.Key(ctx))
			}
			return got, err
		})
		return err
	})
	ec := &a2asrv.ExecutorContext{TaskID: "t", ContextID: "c", Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go"))}
	for _, err := range agent.Execute(t.Context(), ec) {
		if err != nil {
			t.Error(err)
		}
	}
	if got.Text == "" {
		t.Error("the step was not run")
	}
}
