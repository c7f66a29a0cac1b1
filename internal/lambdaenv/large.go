package lambdaenv

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"a2alambda/internal/memory"
)

const (
	// largeEvent is how many bytes an event may have that a process reads at once.
	largeEvent = 256 << 10

	// apiBuffer is how many bytes a connection to the Runtime API gathers, either way, instead of the
	// usual 4 KB: a stream keeps its buffers as long as it lasts, and what it says is flushed at once. An
	// event or an answer that is longer is read and written past them.
	apiBuffer = 1 << 10
)

// placeholder is what aws-lambda-go gets instead of a larger one.
const placeholder = `{"a2alambda":"the event is large, and is read when it is its turn"}`

// largeEvents keeps the large events of a process with many invocations on their connections. Each is
// read in its turn, when the one before has charged its memory or was refused. Otherwise as many as
// there are invocations, of 6 MB each, would be in memory before any could be refused; and
// aws-lambda-go has its buffers used again, so that small events would hold large ones.
type largeEvents struct {
	turn chan struct{}
	mu   sync.Mutex
	wait map[string]waiting // by the ids of their invocations
}

// waiting is an event that is not read yet.
type waiting struct {
	body io.Reader
	size int64 // -1 if it is unknown
	conn net.Conn
}

func newLargeEvents() *largeEvents {
	return &largeEvents{turn: make(chan struct{}, 1), wait: map[string]waiting{}}
}

// listen has aws-lambda-go's connections to the Runtime API be made here. Its client has a clone of
// the default transport.
func (l *largeEvents) listen(api string, t *http.Transport, a *answers) {
	dial := t.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	t.ReadBufferSize, t.WriteBufferSize = apiBuffer, apiBuffer
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil || address != api {
			return conn, err
		}
		a.listening.Store(true)
		return &apiConn{Conn: conn, events: l, answers: a, in: bufio.NewReaderSize(conn, apiBuffer)}, nil
	}
}

// admitted returns a handler that gets events when they may be in memory.
func (l *largeEvents) admitted(
	handler func(context.Context, json.RawMessage) (any, error),
) func(context.Context, json.RawMessage) (any, error) {
	return func(ctx context.Context, event json.RawMessage) (any, error) {
		w, ok := l.take(ctx, event)
		if !ok {
			return handler(ctx, event)
		}
		defer w.conn.Close()
		select {
		case l.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		open := sync.OnceFunc(func() { <-l.turn })
		defer open()
		event, err := w.read(ctx)
		if err != nil {
			return nil, err
		}
		return handler(memory.WithDoor(ctx, open), event)
	}
}

// take returns the event that is to be read in place of a placeholder.
func (l *largeEvents) take(ctx context.Context, event json.RawMessage) (waiting, bool) {
	invocation, ok := lambdacontext.FromContext(ctx)
	if !ok || string(event) != placeholder {
		return waiting{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w, ok := l.wait[invocation.AwsRequestID]
	delete(l.wait, invocation.AwsRequestID)
	return w, ok
}

func (w waiting) read(ctx context.Context) (json.RawMessage, error) {
	defer context.AfterFunc(ctx, func() { w.conn.Close() })()
	event := make([]byte, 0, max(w.size+1, 2*largeEvent)) // one more to see the end
	for {
		n, err := w.body.Read(event[len(event):cap(event)])
		event = event[:len(event)+n]
		switch {
		case errors.Is(err, io.EOF):
			return event, nil
		case err != nil:
			return nil, fmt.Errorf("the event could not be read: %w", err)
		case len(event) == cap(event):
			event = append(event, 0)[:len(event)]
		}
	}
}

// apiConn is a connection to the Runtime API. It shows aws-lambda-go a placeholder instead of a large
// event, and then that the connection ends, which it does when the event was read.
type apiConn struct {
	net.Conn
	events  *largeEvents
	answers *answers
	stream  io.Reader // whose head is being written; only for Write
	head    []byte
	next    atomic.Bool // the next answer is an event
	in      *bufio.Reader
	shown   bytes.Reader
	kept    atomic.Bool // belongs to a waiting event
}

// Write writes a request. If that is for a stream, it returns at the end of it.
func (c *apiConn) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("GET ")) {
		c.next.Store(true)
	}
	if c.stream == nil {
		if c.stream = c.answers.of(p); c.stream == nil {
			return c.Conn.Write(p)
		}
	}
	c.head = append(c.head, p...)
	head, whole := bytes.CutSuffix(c.head, []byte(lastChunk))
	if !whole {
		return len(p), nil
	}
	stream := c.stream
	c.stream, c.head = nil, nil
	return len(p), copyChunks(c.Conn, head, stream) // some was written: the request must not be repeated
}

// Close leaves the connection to a waiting event.
func (c *apiConn) Close() error {
	if c.kept.Load() {
		return nil
	}
	return c.Conn.Close()
}

func (c *apiConn) Read(p []byte) (int, error) {
	if c.shown.Len() > 0 {
		return c.shown.Read(p)
	}
	if c.kept.Load() {
		return 0, io.EOF
	}
	if _, err := c.in.Peek(1); err != nil {
		return 0, err
	}
	if !c.next.Swap(false) {
		return c.in.Read(p)
	}
	if err := c.event(); err != nil {
		return 0, err
	}
	return c.shown.Read(p)
}

// event reads an answer that has an event, and shows it, or a placeholder.
func (c *apiConn) event() error {
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	begin, err := io.ReadAll(io.LimitReader(resp.Body, largeEvent+1))
	if err != nil {
		return err
	}
	id := resp.Header.Get("Lambda-Runtime-Aws-Request-Id")
	if len(begin) > largeEvent && id != "" {
		c.kept.Store(true)
		c.events.mu.Lock()
		c.events.wait[id] = waiting{io.MultiReader(bytes.NewReader(begin), resp.Body), resp.ContentLength, c.Conn}
		c.events.mu.Unlock()
		begin = []byte(placeholder)
		resp.Header.Set("Connection", "close")
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "HTTP/1.1 %s\r\n", strings.TrimSpace(resp.Status))
	resp.Header.Del("Transfer-Encoding")
	resp.Header.Set("Content-Length", fmt.Sprint(len(begin)))
	if err := resp.Header.Write(&out); err != nil {
		return err
	}
	out.WriteString("\r\n")
	out.Write(begin)
	c.shown.Reset(out.Bytes())
	return nil
}
