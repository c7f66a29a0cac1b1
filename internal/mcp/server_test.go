package mcp

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"a2alambda/internal/tool"
)

// TestMain is the command of a server, in a process that commandServer starts.
func TestMain(m *testing.M) {
	if os.Getenv("MCP_TEST_COMMAND") != "" {
		s := newSDKServer()
		_ = s.Run(context.Background(), &sdk.StdioTransport{})
		return
	}
	os.Exit(m.Run())
}

type object = map[string]any

var noArgs = object{"type": "object", "properties": object{}}

// newSDKServer returns a server by the official SDK.
func newSDKServer() *sdk.Server {
	s := sdk.NewServer(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	add := func(t *sdk.Tool, f func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error)) {
		if t.InputSchema == nil {
			t.InputSchema = noArgs
		}
		s.AddTool(t, f)
	}
	add(&sdk.Tool{Name: "echo"}, func(_ context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		meta, _ := json.Marshal(r.Params.Meta[keyMeta])
		return say(string(r.Params.Arguments) + " " + string(meta) + " " + r.Session.ID()), nil
	})
	add(&sdk.Tool{Name: "more"}, func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		add(&sdk.Tool{Name: "new"}, func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) { return say("I am new."), nil })
		return say("There is more."), nil
	})
	add(&sdk.Tool{Name: "sample"}, func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		//lint:ignore SA1019 servers of former revisions do it
		_, err := r.Session.CreateMessage(ctx, &sdk.CreateMessageParams{MaxTokens: 1, Messages: []*sdk.SamplingMessage{{Role: "user", Content: &sdk.TextContent{Text: "Hi"}}}})
		return say("sampling: " + text(err)), nil
	})
	add(&sdk.Tool{Name: "elicit"}, func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		_, err := r.Session.Elicit(ctx, &sdk.ElicitParams{Message: "Your password?", RequestedSchema: noArgs})
		return say("elicitation: " + text(err)), nil
	})
	add(&sdk.Tool{Name: "ask"}, func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		return &sdk.CallToolResult{InputRequests: sdk.InputRequestMap{"a": &sdk.ElicitParams{Message: "Your password?", RequestedSchema: noArgs}}}, nil
	})
	add(&sdk.Tool{Name: "region", InputSchema: object{"type": "object", "properties": object{
		"region": object{"type": "string", "x-mcp-header": "Region"},
	}}}, func(ctx context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		if r.Extra == nil || r.Extra.Header == nil {
			return say("in no header"), nil
		}
		return say("in " + r.Extra.Header.Get("Mcp-Param-Region")), nil
	})
	return s
}

func say(text string) *sdk.CallToolResult {
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: text}}}
}

func text(err error) string {
	if err == nil {
		return "granted"
	}
	return "refused"
}

// served is a server over HTTP, and what it was asked.
type served struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

// serve serves a handler. The test fails if a request is no POST or DELETE: no stream may be open.
func serve(t *testing.T, h http.Handler) *served {
	s := new(served)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		if r.Method != http.MethodPost && r.Method != http.MethodDelete {
			t.Errorf("a %s", r.Method)
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *served) count(method string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if r.Method == method {
			n++
		}
	}
	return n
}

func handler(s *sdk.Server, options *sdk.StreamableHTTPOptions) http.Handler {
	return sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return s }, options)
}

func commandServer(t *testing.T) Server {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Server{Name: "s", Command: []string{exe}, Env: []string{"MCP_TEST_COMMAND=1"}}
}

// open returns a run of a set of one server, and its log.
func open(t *testing.T, c Config) (*Set, *Run, *strings.Builder) {
	t.Helper()
	log := new(strings.Builder)
	c.Logger = slog.New(slog.NewTextHandler(log, nil))
	set, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	run := set.Run()
	t.Cleanup(func() { run.Close(); set.Close() })
	return set, run, log
}

func call(t *testing.T, run *Run, name, args string) tool.Result {
	t.Helper()
	r, err := find(t, run, name).Call(t.Context(), json.RawMessage(args))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

func find(t *testing.T, run *Run, name string) tool.Tool {
	t.Helper()
	tools := run.Tools(t.Context())
	i := slices.IndexFunc(tools, func(t tool.Tool) bool { return t.Name == name })
	if i < 0 {
		t.Fatalf("there is no tool %s, but %d others", name, len(tools))
	}
	return tools[i]
}
