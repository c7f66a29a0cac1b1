// Package bedrocktest imitates Amazon Bedrock's ConverseStream for tests. A local server speaks its
// encoding, application/vnd.amazon.eventstream
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html). The
// test decides what the model says, and when.
package bedrocktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// patience is how long a test waits for an event.
const patience = 30 * time.Second

// Server takes calls and leaves their answers to the test.
type Server struct {
	URL string

	tb    testing.TB
	calls chan *Call
}

// Call is a model call that waits for its answer. The test ends it with Close, Cut or Refuse.
type Call struct {
	// Model is the id in the path.
	Model string
	// Body is the JSON of the request.
	Body string
	// Gone is closed when the client has gone.
	Gone <-chan struct{}

	encoder *eventstream.Encoder
	done    chan bool // whether the connection is to be cut

	mu sync.Mutex          // guards w
	w  http.ResponseWriter // nil when the call is over
}

// NewServer returns a server that ends with the test.
func NewServer(tb testing.TB) *Server {
	s := &Server{tb: tb, calls: make(chan *Call, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /model/{model}/converse-stream", s.converse)
	server := httptest.NewServer(mux)
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.URL = server.URL
	return s
}

func (s *Server) converse(w http.ResponseWriter, r *http.Request) {
	if a := r.Header.Get("Authorization"); !strings.HasPrefix(a, "AWS4-HMAC-SHA256 ") || !strings.Contains(a, "/bedrock/aws4_request") {
		s.tb.Errorf("the request is not signed for Bedrock: %q", a)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || !json.Valid(body) {
		s.tb.Errorf("the body is %q, %v", body, err)
	}
	c := &Call{
		Model: r.PathValue("model"), Body: string(body), Gone: r.Context().Done(),
		w: w, encoder: eventstream.NewEncoder(), done: make(chan bool, 1),
	}
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

// Say sends a piece of the answer's text.
func (c *Call) Say(text string) {
	c.Send("contentBlockDelta", map[string]any{"contentBlockIndex": 0, "delta": map[string]any{"text": text}})
}

// Tool begins a call of a tool, in a block of its own.
func (c *Call) Tool(block int, id, name string) {
	c.Send("contentBlockStart", map[string]any{
		"contentBlockIndex": block, "start": map[string]any{"toolUse": map[string]any{"toolUseId": id, "name": name}},
	})
}

// Args sends a piece of a call's arguments.
func (c *Call) Args(block int, piece string) {
	c.Send("contentBlockDelta", map[string]any{"contentBlockIndex": block, "delta": map[string]any{"toolUse": map[string]any{"input": piece}}})
}

// Begin sends what comes before the text.
func (c *Call) Begin() { c.Send("messageStart", map[string]any{"role": "assistant"}) }

// End sends what comes after the text, and closes the call. The tokens are 12 and 34.
func (c *Call) End(stopReason string) {
	c.Send("contentBlockStop", map[string]any{"contentBlockIndex": 0})
	c.Send("messageStop", map[string]any{"stopReason": stopReason})
	c.Send("metadata", map[string]any{
		"usage":   map[string]any{"inputTokens": 12, "outputTokens": 34, "totalTokens": 46},
		"metrics": map[string]any{"latencyMs": 551},
	})
	c.Close()
}

// Answer sends a whole answer in these pieces.
func (c *Call) Answer(pieces ...string) {
	c.Begin()
	for _, p := range pieces {
		c.Say(p)
	}
	c.End("end_turn")
}

// Send sends an event.
func (c *Call) Send(event string, payload any) {
	c.writeFrame(frame(c.encoder, "event", event, payload))
}

// SendPart sends the first half of an event.
func (c *Call) SendPart(event string, payload any) {
	f := frame(c.encoder, "event", event, payload)
	c.writeFrame(f[:len(f)/2])
}

// Raise sends an exception, the last event of a stream, and closes the call.
func (c *Call) Raise(exception, message string) {
	c.writeFrame(frame(c.encoder, "exception", exception, map[string]any{"message": message}))
	c.Close()
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
func (c *Call) Refuse(status int, exception, message string) {
	c.write(func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-Errortype", exception+":http://internal.amazon.com/coral/com.amazon.bedrock/")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message":%q}`, message)
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

func (c *Call) writeFrame(frame []byte) {
	c.write(func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		_, _ = w.Write(frame) // the client notices a failure
	})
}

func frame(e *eventstream.Encoder, messageType, name string, payload any) []byte {
	var m eventstream.Message
	m.Headers.Set(":"+messageType+"-type", eventstream.StringValue(name))
	m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
	m.Headers.Set(":message-type", eventstream.StringValue(messageType))
	var b bytes.Buffer
	var err error
	if m.Payload, err = json.Marshal(payload); err == nil {
		err = e.Encode(&b, m)
	}
	if err != nil {
		panic(err) // a frame of a test
	}
	return b.Bytes()
}
