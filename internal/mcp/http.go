package mcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"a2alambda/internal/outgoing"
)

// maxAnswer is the most bytes of an answer to a request, and of a message of a command. An answer is
// in memory while it is read, so it counts for that, too.
const maxAnswer = 8 << 20

// maxReason is how many bytes of an answer with the status 400 are looked at.
const maxReason = 4 << 10

var errTooLarge = errors.New("the answer is too large")

// newHTTP returns a client for a server's URL. It adds the server's headers and bounds the answers.
// A redirect is followed if it stays at the host and keeps the method.
func newHTTP(s Server) *http.Client {
	kept, fresh := newTransport(), newTransport()
	fresh.DisableKeepAlives = true
	base, _ := url.Parse(s.URL)
	return &http.Client{
		Transport: transport{base, s.Header, kept, fresh},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > 3 || !outgoing.SameHost(req.URL, base) || req.Method != via[0].Method {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 10 * time.Second,
		// An instance that was frozen has connections that the other side has closed.
		IdleConnTimeout:        45 * time.Second,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // what is bounded is what is in memory
	}
}

// transport sends requests with the server's headers.
type transport struct {
	base        *url.URL
	header      http.Header
	kept, fresh *http.Transport
}

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !outgoing.SameHost(r.URL, t.base) {
		return nil, errors.New("mcp: a request to another host")
	}
	s := seenOf(r.Context())
	if s != nil {
		s.begin(r.Method)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			WroteHeaderField: func(string, []string) { s.write() },
		}))
	}
	r = r.Clone(r.Context())
	maps.Copy(r.Header, t.header)
	next := t.kept
	if s != nil && s.fresh {
		// A request over a connection that the server has closed may have arrived, or not.
		next = t.fresh
	}
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &body{resp.Body, s, maxAnswer}
	if s == nil {
		return resp, nil
	}
	s.answered(r.Method, resp.StatusCode)
	if resp.StatusCode == http.StatusBadRequest {
		begin, _ := io.ReadAll(io.LimitReader(resp.Body, maxReason))
		s.refused(begin)
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(begin), resp.Body), resp.Body}
	}
	return resp, nil
}

// body is the body of an answer, bounded. The pages of a list count together: all are in memory.
type body struct {
	io.ReadCloser
	seen *seen
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	if b.seen != nil {
		b.left = b.seen.left()
	}
	if b.left <= 0 {
		if b.seen != nil {
			b.seen.end(errTooLarge)
		}
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if b.seen != nil {
		b.seen.read(n)
	}
	return n, err
}

// seen is what is known of the HTTP requests of a call.
type seen struct {
	fresh bool                    // the call needs a connection of its own
	end   context.CancelCauseFunc // ends the call

	mu      sync.Mutex
	written bool  // something of the last POST may have reached the server
	status  int   // of its answer; 0 for none
	bytes   int64 // of all answers
	session bool  // the server refuses the session, by the status 400
}

type seenKey struct{}

func seenOf(ctx context.Context) *seen {
	s, _ := ctx.Value(seenKey{}).(*seen)
	return s
}

func (s *seen) begin(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if method == http.MethodPost { // a GET goes on reading what a POST has begun
		s.written, s.status = false, 0
	}
}

func (s *seen) write() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = true
}

func (s *seen) answered(method string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if method == http.MethodPost {
		s.status = status
	}
}

// refused notes what a server says with the status 400. MCP has 404 for a session that it does not
// know, but some have this, which they have for other things, too.
func (s *seen) refused(said []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = bytes.Contains(bytes.ToLower(said), []byte("session"))
}

func (s *seen) ofSession() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session && s.status == http.StatusBadRequest
}

func (s *seen) read(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += int64(n)
}

func (s *seen) left() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maxAnswer - s.bytes
}

func (s *seen) get() (written bool, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written, s.status
}

func statusText(code int) string {
	if 300 <= code && code < 400 {
		return fmt.Sprintf("status %d: it has moved to another URL", code)
	}
	return strings.TrimSpace(fmt.Sprintf("status %d %s", code, http.StatusText(code)))
}
