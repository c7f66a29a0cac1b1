package mcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"a2alambda/internal/tool"
)

// TestResult: what the model reads, and what the client gets.
func TestResult(t *testing.T) {
	image := &sdk.ImageContent{Data: []byte("PNG"), MIMEType: "image/png"}
	for _, c := range []struct {
		name        string
		result      *sdk.CallToolResult
		text, parts string
		failed      bool
	}{
		{"text", say("Hello."), "Hello.", "null", false},
		{"two texts", &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: "a"}, &sdk.TextContent{Text: "b"}}}, "a\nb", "null", false},
		{"nothing", &sdk.CallToolResult{}, "The tool has answered nothing.", "null", false},
		{"error", &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: "No."}}}, "No.", "null", true},
		{"image", &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: "Look:"}, image}}, "Look:\n[image image/png, 3 bytes]", `[{"raw":"UE5H","mediaType":"image/png"}]`, false},
		{"audio", &sdk.CallToolResult{Content: []sdk.Content{&sdk.AudioContent{Data: []byte("WAV"), MIMEType: "audio/wav"}}}, "[audio audio/wav, 3 bytes]", `[{"raw":"V0FW","mediaType":"audio/wav"}]`, false},
		{"link", &sdk.CallToolResult{Content: []sdk.Content{&sdk.ResourceLink{URI: "https://a.example/b", Name: "b", MIMEType: "text/plain", Description: "B"}}},
			"[link b https://a.example/b text/plain: B]", `[{"url":"https://a.example/b","filename":"b","mediaType":"text/plain"}]`, false},
		{"link to a file", &sdk.CallToolResult{Content: []sdk.Content{&sdk.ResourceLink{URI: "file:///etc/passwd", Name: "p"}}}, "[link p file:///etc/passwd]", "null", false},
		{"resource", &sdk.CallToolResult{Content: []sdk.Content{&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "note://1", MIMEType: "text/plain", Text: "Buy milk."}}}},
			"[resource note://1 text/plain]\nBuy milk.", "null", false},
		{"blob", &sdk.CallToolResult{Content: []sdk.Content{&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "x://s3cr3t/s3cr3t.bin", Blob: []byte("x")}}}},
			"[resource x://***/***.bin, 1 bytes]", `[{"raw":"eA==","filename":"***.bin"}]`, false},
		{"structured", &sdk.CallToolResult{StructuredContent: object{"a": 1.0, "b": "s3cr3t"}}, `{"a":1,"b":"***"}`, `[{"data":{"a":1,"b":"***"}}]`, false},
		{"structured and text", &sdk.CallToolResult{StructuredContent: object{"a": 1.0}, Content: []sdk.Content{&sdk.TextContent{Text: `{"a": 1}`}}}, `{"a": 1}`, `[{"data":{"a":1}}]`, false},
		{"large image", &sdk.CallToolResult{Content: []sdk.Content{&sdk.ImageContent{Data: make([]byte, maxParts), MIMEType: "image/png"}, image}},
			"[image image/png, 2097152 bytes, left out: too large]\n[image image/png, 3 bytes]", `[{"raw":"UE5H","mediaType":"image/png"}]`, false},
		{"large text", say(strings.Repeat("é", maxText)), strings.Repeat("é", maxText/2) + fmt.Sprintf("\n[cut off: %d more bytes]", maxText), "null", false},
		{"secret", say("The token is s3cr3t."), "The token is ***.", "null", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := resultOf(c.result, strings.NewReplacer("s3cr3t", "***").Replace)
			parts, err := json.Marshal(r.Parts)
			if err != nil || r.Text != c.text || string(parts) != c.parts || r.Failed != c.failed {
				t.Errorf("%v\n got %.300q, %.300s, %v\nwant %.300q, %.300s, %v", err, r.Text, parts, r.Failed, c.text, c.parts, c.failed)
			}
			var back tool.Result // as it comes out of a journal
			data, err := json.Marshal(r)
			if err == nil {
				err = json.Unmarshal(data, &back)
			}
			if again, _ := json.Marshal(back.Parts); err != nil || string(again) != string(parts) {
				t.Errorf("from a journal: %v, %.300s", err, again)
			}
		})
	}
}

// TestLists: what of a list can't be used is left out, and said.
func TestLists(t *testing.T) {
	server := sdk.NewServer(&sdk.Implementation{Name: "test"}, &sdk.ServerOptions{PageSize: 50})
	for i := range maxTools {
		server.AddTool(&sdk.Tool{Name: fmt.Sprintf("t%03d", i), InputSchema: noArgs}, nil)
	}
	server.AddTool(&sdk.Tool{Name: "a.b", Title: "A and B", InputSchema: object{"type": "object"}}, nil)
	server.AddTool(&sdk.Tool{Name: "a_large", InputSchema: object{"type": "object", "description": strings.Repeat("x", maxSchema)}}, nil)
	h := serve(t, handler(server, nil))
	_, run, log := open(t, Config{Servers: []Server{{Name: "s", URL: h.URL}}})
	tools := run.Tools(t.Context())
	if len(tools) != maxTools || tools[0].Description != "A and B" || !strings.HasPrefix(tools[0].Name, "s_a_b_") || tools[maxTools-1].Name != "s_t198" {
		t.Errorf("%d tools, of which the first is %+v", len(tools), tools[0])
	}
	for _, want := range []string{`tool=a_large reason="its schema has more than 64 KB"`, `tool=t199 reason="the server has more than 200 tools"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	for _, schema := range []any{"text", object{"type": "string"}, object{"type": []any{"object", "null"}}} {
		if _, err := schemaOf(schema); err == nil {
			t.Errorf("%v is a schema of arguments", schema)
		}
	}
	if s, err := schemaOf(nil); err != nil || string(s) != `{"properties":{},"type":"object"}` {
		t.Errorf("no schema: %s, %v", s, err)
	}
}

// broken is a server that answers tools/call with what call writes, and the rest as a server does.
func broken(call http.HandlerFunc) http.Handler { return brokenServer(newSDKServer(), call) }

func brokenServer(s *sdk.Server, call http.HandlerFunc) http.Handler {
	h := handler(s, nil)
	return oldOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.Header.Get("Mcp-Session-Id") != "" {
			body, _ := io.ReadAll(r.Body)
			var m struct{ Method string }
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			if json.Unmarshal(body, &m); m.Method == "tools/call" {
				call(w, r)
				return
			}
		}
		h.ServeHTTP(w, r)
	}))
}

// TestBroken: whatever a server answers, the call ends, and says what is known of it.
func TestBroken(t *testing.T) {
	const unknown = "; whether the call has had its effect is not known"
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "Bearer s3cr3t", code) }
	}
	body := func(mime, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mime)
			_, _ = io.WriteString(w, text)
		}
	}
	for _, c := range []struct {
		name   string
		call   http.HandlerFunc
		want   string
		unsent bool
	}{
		{"401", status(401), "s: status 401 Unauthorized: the headers for it are missing, wrong or out of date", true},
		{"429", status(429), "s: status 429 Too Many Requests", true},
		{"408", status(408), "s: status 408 Request Timeout" + unknown, false},
		{"503", status(503), "s: status 503 Service Unavailable" + unknown, false},
		{"500", status(500), "s: status 500 Internal Server Error" + unknown, false},
		{"502", status(502), "s: status 502 Bad Gateway" + unknown, false},
		{"no JSON", body("application/json", "<html>"), "s: the answer broke off, or is not MCP" + unknown, false},
		{"no MCP", body("text/html", "<html>"), "s: the answer broke off, or is not MCP" + unknown, false},
		{"empty stream", body("text/event-stream", ": nothing\n\n"), "s: the answer broke off, or is not MCP" + unknown, false},
		{"no stream", body("text/event-stream", "<html>\n\n"), "s: the answer broke off, or is not MCP" + unknown, false},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "s: no answer: EOF" + unknown, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := serve(t, broken(c.call))
			_, run, log := open(t, Config{Servers: []Server{{Name: "s", URL: h.URL, Header: http.Header{"Authorization": {"Bearer s3cr3t"}}}}})
			_, err := find(t, run, "s_echo").Call(t.Context(), nil)
			if err == nil || err.Error() != c.want || errors.Is(err, tool.ErrUnsent) != c.unsent {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if strings.Contains(log.String(), "s3cr3t") {
				t.Errorf("log: %s", log)
			}
		})
	}
	t.Run("JSON-RPC error", func(t *testing.T) {
		h := serve(t, broken(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for id := range 9 { // one of them is that of the call
				fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%d,\"error\":{\"code\":-32603,\"message\":\"Bearer s3cr3t is bad\"}}\n\n", id)
			}
		}))
		_, run, _ := open(t, Config{Servers: []Server{{Name: "s", URL: h.URL, Secrets: []string{"s3cr3t"}}}})
		if r := call(t, run, "s_echo", ""); !r.Failed || r.Text != "The server refused the call: Bearer *** is bad (error -32603)" {
			t.Errorf("got %+v", r)
		}
	})
}

// TestLongLine: a command's message without an end is not read on and on.
func TestLongLine(t *testing.T) {
	l := &lines{r: io.NopCloser(zeros{})}
	n, err := io.Copy(io.Discard, l)
	if !errors.Is(err, errTooLarge) || n > maxAnswer+1<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
