package wire

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

func (c *call) sendStreamingMessage(params json.RawMessage) {
	stream(c, params, c.dialect.sendRequest, c.Server.SendStreamingMessage)
}

func (c *call) subscribeToTask(params json.RawMessage) {
	var last int64 // the last event that the client says it has seen
	if id := c.r.Header.Get("Last-Event-ID"); id != "" {
		var err error
		if last, err = strconv.ParseInt(id, 10, 64); err != nil || last < 1 {
			c.fail(server.Invalid("Last-Event-ID", "is not the number of an event"))
			return
		}
	}
	subscribe := func(ctx context.Context, caller server.Caller, req *a2a.SubscribeToTaskRequest) (*server.Stream, error) {
		return c.Server.SubscribeToTask(ctx, caller, req, last)
	}
	stream(c, params, c.dialect.subscribeRequest, subscribe)
}

// stream decodes the params, and writes the events of the stream that serve returns as they get into the log, until its end. It
// returns when nothing of the stream is left, also if the client has gone away before. An error before the first event is
// answered as any other.
func stream[Request any](
	c *call, params json.RawMessage,
	decode func(json.RawMessage) (*Request, error),
	serve func(context.Context, server.Caller, *Request) (*server.Stream, error),
) {
	req, err := decode(params)
	if err != nil {
		c.fail(err)
		return
	}
	c.seen.of(req)
	s, err := serve(c.r.Context(), c.caller, req)
	if err != nil {
		c.fail(err)
		return
	}
	defer s.Close()
	c.seen.task, c.seen.context = s.Task.TaskID, s.Task.ContextID
	c.stream = newSSEWriter(c)
	c.stream.events(s.First)
	silence := time.NewTimer(keepAlive)
	defer silence.Stop()
	for !c.stream.broken {
		select {
		case <-s.Tap.Ready():
			events, end, err := s.Tap.Take(c.r.Context())
			if err != nil {
				c.fail(err)
				return
			}
			if len(events) > 0 {
				c.stream.events(events...)
			}
			if end {
				if err := s.Wait(); err != nil {
					c.fail(err)
				}
				return
			}
		case <-silence.C:
			c.stream.ping()
		case <-c.r.Context().Done():
			return
		}
		silence.Reset(keepAlive)
	}
}

// sseWriter writes a stream of Server-Sent Events: https://html.spec.whatwg.org/multipage/server-sent-events.html
type sseWriter struct {
	call          *call
	flush         func() error
	before, after string // what surrounds a result
	buf           []byte
	broken        bool // the client is gone
}

func newSSEWriter(c *call) *sseWriter {
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx and its kin buffer otherwise
	s := &sseWriter{call: c, flush: http.NewResponseController(c.w).Flush}
	s.before, s.after = c.binding.result()
	return s
}

// events writes a frame for each event: its number as id, and one line of data.
func (s *sseWriter) events(events ...tasklog.Event) {
	s.buf = s.buf[:0]
	for _, e := range events {
		result, err := s.call.dialect.eventResult(e.JSON)
		if err != nil {
			s.send()
			s.call.fail(err)
			s.broken = true
			return
		}
		s.buf = append(s.buf, "id: "...)
		s.buf = strconv.AppendInt(s.buf, e.Seq, 10)
		s.buf = append(s.buf, "\ndata: "...)
		s.buf = append(s.buf, s.before...)
		s.buf = append(s.buf, result...)
		s.buf = append(s.buf, s.after...)
		s.buf = append(s.buf, "\n\n"...)
	}
	s.send()
	s.call.seen.sent(events)
}

// error writes the event that ends the stream with an error.
func (s *sseWriter) error(body []byte) {
	s.buf = append(s.buf[:0], s.call.binding.errorEvent()...)
	s.buf = append(s.buf, "data: "...)
	s.buf = append(s.buf, body...)
	s.buf = append(s.buf, "\n\n"...)
	s.send()
}

func (s *sseWriter) ping() {
	s.buf = append(s.buf[:0], ": ping\n\n"...)
	s.send()
}

// send writes what is in the buffer. Where a response can't be flushed, it is answered as a whole.
func (s *sseWriter) send() {
	if _, err := s.call.w.Write(s.buf); err != nil {
		s.broken = true
		return
	}
	_ = s.flush()
}
