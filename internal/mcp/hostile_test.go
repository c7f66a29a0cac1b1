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

// TestSecretsInResults: a secret is in no part of a result, however it is written there.
func TestSecretsInResults(t *testing.T) {
	const secret = `p&ss<w0rd>"\é`
	s := Server{Name: "s", Header: http.Header{"Authorization": {"Bearer " + secret}}}
	html, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.Trim(strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(string(html)), " ")
	for name, r := range map[string]*sdk.CallToolResult{
		"structured": {StructuredContent: object{"a": []any{object{"x " + secret: 1.0, "b": "Bearer " + secret}}}},
		"structured beside a text": {
			Content: []sdk.Content{&sdk.TextContent{Text: "Done."}}, StructuredContent: object{"a": secret},
		},
		"JSON in a text":        say(`{"a":` + string(html) + `}`),
		"plain JSON in a text":  say(`{"a":` + plain + `}`),
		"URL in a text":         say("https://a.example/?k=p%26ss%3Cw0rd%3E%22%5C%C3%A9"),
		"a file":                {Content: []sdk.Content{&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "a://b", MIMEType: "text/plain", Blob: []byte("k=" + secret)}}}},
		"a media type":          {Content: []sdk.Content{&sdk.ImageContent{Data: []byte("x"), MIMEType: "image/png; k=" + secret}}},
		"the description":       {Content: []sdk.Content{&sdk.ResourceLink{URI: "https://a.example", Description: secret, Name: secret}}},
		"the path of a link":    {Content: []sdk.Content{&sdk.ResourceLink{URI: "https://a.example/" + secret}}},
		"the name of an image":  {Content: []sdk.Content{&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "a://" + secret, Blob: []byte("x")}}}},
		"the text of a content": {Content: []sdk.Content{&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "a://b", Text: secret}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := resultOf(r, redactor(s))
			parts, err := json.Marshal(got.Parts)
			if err != nil {
				t.Fatal(err)
			}
			all := got.Text + string(parts)
			for _, p := range got.Parts {
				all += string(p.Raw()) + p.MediaType + p.Filename + string(p.URL()) + fmt.Sprint(p.Data())
			}
			if strings.Contains(all, "w0rd") || !strings.Contains(all, "***") && name != "a media type" {
				t.Errorf("got %s", all)
			}
		})
	}
}

// TestManyContents: the parts of a result are few enough for those who show them.
func TestManyContents(t *testing.T) {
	r := new(sdk.CallToolResult)
	for range 1000 {
		r.Content = append(r.Content, &sdk.ImageContent{Data: []byte("PNG"), MIMEType: "image/png"})
	}
	got := resultOf(r, redactor(Server{}))
	if n := len(got.Parts); n != maxContents || !strings.Contains(got.Text, "[image image/png, 3 bytes, left out: too many]") {
		t.Errorf("%d parts, and the text %.200q", n, got.Text)
	}
}

// TestMediaTypes: what is no media type is none.
func TestMediaTypes(t *testing.T) {
	for _, c := range []struct{ said, want string }{
		{"image/png", "image/png"}, {"Text/Plain; charset=utf-8", "Text/Plain; charset=utf-8"}, {"", ""}, {"image/png\r\nX: y", ""}, {"<script>", ""},
		{"image/" + strings.Repeat("x", 300), ""},
	} {
		got := resultOf(&sdk.CallToolResult{Content: []sdk.Content{&sdk.ImageContent{Data: []byte("x"), MIMEType: c.said}}}, redactor(Server{}))
		if got.Parts[0].MediaType != c.want || strings.Contains(got.Text, "<script>") {
			t.Errorf("%.50q became %q, and %q", c.said, got.Parts[0].MediaType, got.Text)
		}
	}
}

// TestTail: of what a command has last said, an error has no part of a secret.
func TestTail(t *testing.T) {
	secret := "-----BEGIN KEY-----\nMIIB" + strings.Repeat("x", 60) + "LAST\n-----END KEY-----"
	for name, said := range map[string][]string{
		"lines":     {"cannot use ", secret[:20], secret[20:]},
		"cut":       {"cannot use " + secret + strings.Repeat(".", maxTail-70)},
		"long line": {strings.ReplaceAll(secret, "\n", "") + strings.Repeat(".", 2*maxTail)},
	} {
		t.Run(name, func(t *testing.T) {
			last := &tail{redact: redactor(Server{Secrets: []string{secret, strings.ReplaceAll(secret, "\n", "")}})}
			for _, text := range said {
				if n, err := last.Write([]byte(text)); n != len(text) || err != nil {
					t.Fatal(n, err)
				}
			}
			if got := last.String(); strings.Contains(got, "xxx") || strings.Contains(got, "LAST") || strings.Contains(got, "END KEY") || len(got) > maxWords+10 {
				t.Errorf("last said %q", got)
			}
		})
	}
	last := &tail{redact: redactor(Server{})}
	_, _ = last.Write([]byte("one\n\n  no such file \n\n"))
	if got := last.String(); got != "no such file" {
		t.Errorf("last said %q", got)
	}
}

// TestTerminal: a server's words do nothing to a terminal that shows an error.
func TestTerminal(t *testing.T) {
	s := newServer(Server{Name: "s"}, nil)
	if got := s.brief("a\x1b[2J\x1b]0;title\x07 b\u202e\u009b31mc\r\nd"); got != "a [2J ]0;title b 31mc d" {
		t.Errorf("got %q", got)
	}
}

// TestLargeList: a list is no larger than another answer, however many pages it has.
func TestLargeList(t *testing.T) {
	server := sdk.NewServer(&sdk.Implementation{Name: "test"}, &sdk.ServerOptions{PageSize: 1})
	for i := range 10 {
		server.AddTool(&sdk.Tool{Name: fmt.Sprintf("t%d", i), InputSchema: object{"type": "object", "description": strings.Repeat("x", 1<<20)}}, nil)
	}
	h := serve(t, handler(server, nil))
	set, _, _ := open(t, Config{Servers: []Server{{Name: "s", URL: h.URL}}})
	if err := set.Check(t.Context()); err == nil || err.Error() != "MCP server s: its answer has more than 8 MB" {
		t.Errorf("got %v", err)
	}
}

// TestManyTools: a list of very many tools does not fill the log.
func TestManyTools(t *testing.T) {
	server := sdk.NewServer(&sdk.Implementation{Name: "test"}, nil)
	for i := range maxTools + 500 {
		server.AddTool(&sdk.Tool{Name: fmt.Sprintf("t%03d", i), InputSchema: noArgs}, nil)
	}
	h := serve(t, handler(server, nil))
	_, run, log := open(t, Config{Servers: []Server{{Name: "s", URL: h.URL}}})
	if n := len(run.Tools(t.Context())); n != maxTools {
		t.Errorf("%d tools", n)
	}
	if got := log.String(); strings.Count(got, "\n") != maxTold+1 || !strings.Contains(got, `msg="more tools of an MCP server are left out" server=s tools=490`) {
		t.Errorf("the log is %s", got)
	}
}

// TestOverloaded: a call that only reads is made again where the server has no time, and one that may
// not be called again is made once.
func TestOverloaded(t *testing.T) {
	for _, readOnly := range []bool{true, false} {
		calls := 0
		server := newSDKServer()
		server.AddTool(&sdk.Tool{Name: "look", InputSchema: noArgs, Annotations: &sdk.ToolAnnotations{ReadOnlyHint: readOnly}}, nil)
		h := serve(t, brokenServer(server, func(w http.ResponseWriter, _ *http.Request) {
			calls++
			http.Error(w, "busy", http.StatusServiceUnavailable)
		}))
		_, run, _ := open(t, Config{Servers: []Server{{Name: "s", URL: h.URL}}})
		_, err := find(t, run, "s_look").Call(t.Context(), nil)
		if err == nil || errors.Is(err, tool.ErrUnsent) != readOnly || calls != map[bool]int{true: len(pauses) + 1, false: 1}[readOnly] {
			t.Errorf("read-only %t: %v, after %d calls", readOnly, err, calls)
		}
	}
}

// TestBadRequest: a call is made again where the server has forgotten the session, and not where it
// refuses something else.
func TestBadRequest(t *testing.T) {
	for said, want := range map[string]int{"Bad Request: No valid session ID provided": 2, "the amount is too high": 1} {
		calls := 0
		server := newSDKServer()
		h := serve(t, brokenServer(server, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			var m struct {
				ID     any
				Params struct{ Arguments struct{ First bool } }
			}
			_ = json.Unmarshal(body, &m)
			w.Header().Set("Content-Type", "application/json")
			if m.Params.Arguments.First {
				data, _ := json.Marshal(object{"jsonrpc": "2.0", "id": m.ID, "result": object{"content": []any{}}})
				_, _ = w.Write(data)
				return
			}
			calls++
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":%q}}`, said)
		}))
		_, run, _ := open(t, Config{Servers: []Server{{Name: "s", URL: h.URL}}})
		call(t, run, "s_echo", `{"first":true}`)
		_, err := find(t, run, "s_echo").Call(t.Context(), json.RawMessage("{}"))
		if calls != want || !errors.Is(err, tool.ErrUnsent) {
			t.Errorf("%s: %d calls, %v", said, calls, err)
		}
	}
}
