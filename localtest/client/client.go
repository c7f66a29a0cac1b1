// Package client calls an agent as clients do, in both versions of A2A: by JSON-RPC with [Call] and
// [Open], by HTTP+JSON with [Do]. Params and bodies are JSON, sent as they are.
package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"a2alambda/internal/sse"
)

// Transport sends all calls. It keeps enough connections for the streams that run at once.
var Transport = &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true}

// Bearer is a transport that adds a token to the requests of another one.
type Bearer struct {
	Token string
	Next  http.RoundTripper
}

// RoundTrip sends a copy of r with the token.
func (b Bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.Token)
	return b.Next.RoundTrip(r)
}

// Answer is a response in one piece.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

func (a Answer) String() string {
	return fmt.Sprintf("%d %s, %s: %.1000s", a.Status, http.StatusText(a.Status), a.Header.Get("Content-Type"), a.Body)
}

// NotStream is the error of [Open] for an answer that is not a stream.
type NotStream struct{ Answer }

func (e *NotStream) Error() string { return "the answer is no stream: " + e.String() }

// Request returns a JSON-RPC request, without params if they are "".
func Request(method, params string) string {
	if params != "" {
		params = `,"params":` + params
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q%s}`, method, params)
}

// Send sends a request, with headers as name, value, name, value. The body is JSON.
func Send(ctx context.Context, method, url, body string, headers ...string) (*http.Response, error) {
	return Through(ctx, Transport, method, url, body, headers...)
}

// Through is [Send] with another transport, which may sign requests.
func Through(ctx context.Context, transport http.RoundTripper, method, url, body string, headers ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" { // Go takes it from r.Host
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	return (&http.Client{Transport: transport}).Do(r)
}

// Do sends a request as [Send] does, and returns the answer, whatever its status.
func Do(ctx context.Context, method, url, body string, headers ...string) (Answer, error) {
	return Read(Send(ctx, method, url, body, headers...))
}

// Read reads an answer to its end.
func Read(resp *http.Response, err error) (Answer, error) {
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return Answer{resp.StatusCode, resp.Header, string(body)}, err
}

// Call calls a JSON-RPC method and returns the answer, which may be an error. The method's name
// decides the version of A2A. Clients of 1.0 also send it in a header.
func Call(ctx context.Context, url, method, params string, headers ...string) (Answer, error) {
	return Do(ctx, http.MethodPost, url, Request(method, params), versioned(method, headers)...)
}

// Open calls a JSON-RPC method that is answered with a stream. Close the stream, or end ctx.
func Open(ctx context.Context, url, method, params string, headers ...string) (*Stream, error) {
	return NewStream(Send(ctx, http.MethodPost, url, Request(method, params), versioned(method, headers)...))
}

func versioned(method string, headers []string) []string {
	if strings.Contains(method, "/") {
		return headers
	}
	return append([]string{"A2A-Version", "1.0"}, headers...)
}

// Stream is a response of Server-Sent Events.
type Stream struct {
	*sse.Reader
	Response *http.Response
}

// NewStream returns the stream in a response. Its error is a [*NotStream] if there is none.
func NewStream(resp *http.Response, err error) (*Stream, error) {
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		a, err := Read(resp, nil)
		if err != nil {
			return nil, err
		}
		return nil, &NotStream{a}
	}
	return &Stream{sse.NewReader(resp.Body), resp}, nil
}

// Until reads events up to the first one that contains the text.
func (s *Stream) Until(text string) (sse.Event, error) {
	for {
		if e, err := s.Next(); err != nil || strings.Contains(e.Data, text) {
			return e, err
		}
	}
}

// Close ends the stream.
func (s *Stream) Close() error { return s.Response.Body.Close() }

var task = regexp.MustCompile(`"result":{(?:"task":{|"kind":"task",)?"id":"([^"]+)"|^{"task":{"id":"([^"]+)"`)

// TaskID returns the id of the first task in an answer of either version and binding, or "".
func TaskID(answer string) string {
	m := task.FindStringSubmatch(answer)
	if m == nil {
		return ""
	}
	return m[1] + m[2]
}
