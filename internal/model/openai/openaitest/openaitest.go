// Package openaitest imitates an endpoint with OpenAI's chat completions for tests
// (https://platform.openai.com/docs/api-reference/chat/streaming). The test decides what the model
// says, and when.
package openaitest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for an event.
const patience = 30 * time.Second

// Key is the API key that calls must have.
const Key = "sk-test-0123456789"

// Server takes calls and leaves their answers to the test.
type Server struct {
	// URL is the base URL.
	URL string

	tb    testing.TB
	calls chan *Call
}

// Call is a model call that waits for its answer. The test ends it with Close, Cut or Refuse.
type Call struct {
	// Body is the JSON of the request.
	Body string
	// Gone is closed when the client has gone.
	Gone <-chan struct{}

	done chan bool // whether the connection is to be cut

	mu sync.Mutex          // guards w
	w  http.ResponseWriter // nil when the call is over
}

// NewServer returns a server that ends with the test.
func NewServer(tb testing.TB) *Server {
	s := &Server{tb: tb, calls: make(chan *Call, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", s.complete)
	server := httptest.NewServer(mux)
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.URL = server.URL + "/v1"
	return s
}

func (s *Server) complete(w http.ResponseWriter, r *http.Request) {
	if a := r.Header.Get("Authorization"); a != "Bearer "+Key {
		s.tb.Errorf("the request has the authorization %q", a)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || !json.Valid(body) {
		s.tb.Errorf("the body is %q, %v", body, err)
	}
	c := &Call{Body: string(body), Gone: r.Context().Done(), w: w, done: make(chan bool, 1)}
	s.calls <- c
	cut := false
	select {
	case cut = <-c.done:
	case <-r.Context().Done():
	}
	c.mu.Lock()
	c.w = nil
	c.mu.Unlock()
	if cut {
		panic(http.ErrAbortHandler)
	}
}

// Next waits for a call.
func (s *Server) Next() *Call {
	s.tb.Helper()
	select {
	case c := <-s.calls:
		return c
	case <-time.After(patience):
		s.tb.Fatal("the model was not called")
		return nil
	}
}

// Quiet reports an error if there are calls that the test has not taken.
func (s *Server) Quiet() {
	s.tb.Helper()
	if n := len(s.calls); n > 0 {
		s.tb.Errorf("the model was called %d more times", n)
	}
}

// Delta sends a piece of the answer.
func (c *Call) Delta(delta map[string]any) { c.choice(delta, nil) }

func (c *Call) choice(delta map[string]any, finish any) {
	c.Send(map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
		"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}},
	})
}

// Send sends an event.
func (c *Call) Send(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // an event of a test
	}
	c.Line("data: " + string(data) + "\n\n")
}

// Line sends a line of the stream as it is.
func (c *Call) Line(line string) {
	c.write(func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, line) // the client notices a failure
	})
}

// Begin sends what comes before the text.
func (c *Call) Begin() { c.Delta(map[string]any{"role": "assistant", "content": ""}) }

// Say sends a piece of the answer's text.
func (c *Call) Say(text string) { c.Delta(map[string]any{"content": text}) }

// Tool begins a call of a tool.
func (c *Call) Tool(index int, id, name string) {
	c.Delta(map[string]any{"tool_calls": []any{map[string]any{
		"index": index, "id": id, "type": "function", "function": map[string]any{"name": name, "arguments": ""},
	}}})
}

// Args sends a piece of a call's arguments.
func (c *Call) Args(index int, piece string) {
	c.Delta(map[string]any{"tool_calls": []any{map[string]any{"index": index, "function": map[string]any{"arguments": piece}}}})
}

// End sends what comes at the end, and closes the call. The tokens are 12 and 34.
func (c *Call) End(finish string) { c.EndAfter(finish, 34) }

// EndAfter is End after so many tokens.
func (c *Call) EndAfter(finish string, tokens int) {
	c.choice(map[string]any{}, finish)
	c.Send(map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": []any{},
		"usage": map[string]any{"prompt_tokens": 12, "completion_tokens": tokens, "total_tokens": 12 + tokens},
	})
	c.Line("data: [DONE]\n\n")
	c.Close()
}

// Answer sends a whole answer in these pieces.
func (c *Call) Answer(pieces ...string) {
	c.Begin()
	for _, p := range pieces {
		c.Say(p)
	}
	c.End("stop")
}

// Header sets a header of the response that Refuse sends.
func (c *Call) Header(name, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.w != nil {
		c.w.Header().Set(name, value)
	}
}

// Refuse answers with an error instead of a stream.
func (c *Call) Refuse(status int, code, message string) {
	c.write(func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"message":%q,"type":"invalid_request_error","param":null,"code":%q}}`, message, code)
	})
	c.Close()
}

// Close ends the response.
func (c *Call) Close() { c.done <- false }

// Cut ends the connection in the middle of the response.
func (c *Call) Cut() { c.done <- true }

// write writes to the client, unless it has gone.
func (c *Call) write(to func(http.ResponseWriter)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.w != nil {
		to(c.w)
		c.w.(http.Flusher).Flush()
	}
}

// RefuseAs answers with a status and a body.
func (c *Call) RefuseAs(status int, body string) {
	c.write(func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		if status/100 == 3 {
			w.Header().Set("Location", "http://127.0.0.1:1/")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	c.Close()
}
