package a2ahttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/protojson"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

func (c *call) sendStreamingMessage(params *protojson.Reader) {
	stream(c, params, c.dialect.sendRequest, c.Server.SendStreamingMessage)
}

func (c *call) subscribeToTask(params *protojson.Reader) {
	stream(c, params, c.dialect.subscribeRequest, c.Server.SubscribeToTask)
}

// stream decodes the params, and writes the events of the stream that serve returns as they get into the log, until its end. It
// returns when nothing of the stream is left, also if the client has gone away before.
func stream[Request any](
	c *call, params *protojson.Reader,
	decode func(*protojson.Reader) *Request,
	serve func(context.Context, server.Caller, *Request) (*server.Stream, error),
) {
	req := decode(params)
	err := invalid(params.Err())
	if err == nil {
		c.caller.Seen, err = lastEventID(c.r)
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.seen.of(req)
	s, err := serve(c.r.Context(), c.caller, req)
	if errors.Is(err, server.ErrSeen) && c.r.Method == http.MethodGet {
		// The only answer after which an EventSource does not connect again: HTML standard, 9.2.
		c.w.WriteHeader(http.StatusNoContent)
		return
	}
	if err != nil {
		c.fail(err)
		return
	}
	defer s.Close()
	c.seen.task, c.seen.context = s.Task.TaskID, s.Task.ContextID
	c.stream = newSSEWriter(c)
	if len(s.First.JSON) > 0 {
		c.stream.events(s.First)
	} else {
		c.stream.comment("there is nothing that you have not seen")
	}
	for !c.stream.broken {
		wait, cancel := context.WithTimeoutCause(c.r.Context(), keepAlive, errSilence)
		events, err := s.Next(wait)
		cancel()
		switch {
		case err == nil:
			c.stream.events(events...)
		case c.r.Context().Err() != nil:
			return
		case errors.Is(err, errSilence):
			c.stream.comment("ping")
		default:
			c.end(err)
			return
		}
	}
}

// errSilence is why a stream waits for its next event no longer: it has been silent for as long as it may be.
var errSilence = errors.New("the stream is silent")

// end ends a stream. An early end is told in comments, and how long to wait before connecting again, in milliseconds.
func (c *call) end(err error) {
	switch {
	case errors.Is(err, server.ErrGoesOn):
		c.stream.comment(err.Error(), "retry: 1000")
	case errors.Is(err, server.ErrWaits):
		c.stream.comment(err.Error(), "retry: 10000")
	case !errors.Is(err, io.EOF):
		c.fail(err)
	}
}

// sseWriter writes a stream of Server-Sent Events: https://html.spec.whatwg.org/multipage/server-sent-events.html
type sseWriter struct {
	call          *call
	flush         func() error
	before, after string // what surrounds a result
	buf           []byte
	broken        bool                          // the client is gone, or the answer can't be longer
	room          func(piece []byte) (left int) // nil where a stream may be of any length
}

// mostUnsent is how many bytes of frames gather before they are sent.
const mostUnsent = 1 << 20

// leftForEnd is how much room is kept for the event that says why a stream ends early.
const leftForEnd = 2 << 10

func newSSEWriter(c *call) *sseWriter {
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8") // what else it could be, some clients guess
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx and its kin buffer otherwise
	s := &sseWriter{call: c, flush: http.NewResponseController(c.w).Flush, room: c.room()}
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
		begin := len(s.buf)
		s.buf = append(s.buf, "id: "...)
		s.buf = strconv.AppendInt(s.buf, e.Seq, 10)
		s.buf = append(s.buf, "\ndata: "...)
		s.buf = append(s.buf, s.before...)
		s.buf = append(s.buf, jsonline.Clean(result)...)
		s.buf = append(s.buf, s.after...)
		s.buf = append(s.buf, "\n\n"...)
		if s.room != nil && s.room(s.buf[begin:]) < leftForEnd {
			s.buf = s.buf[:begin]
			s.send()
			s.call.fail(errStreamTooLong)
			s.broken = true
			return
		}
		if len(s.buf) > mostUnsent {
			s.send()
			s.buf = s.buf[:0]
		}
	}
	s.send()
	s.call.seen.sent(events)
}

// errStreamTooLong ends a stream that is sent in one piece.
var errStreamTooLong = a2a.NewError(a2a.ErrUnsupportedOperation, "the stream is longer than the 6 MB that can be sent in one piece here: "+
	"get the task with GetTask and historyLength, or go on from the last event at the agent's function URL, which streams")

// error writes the event that ends the stream with an error.
func (s *sseWriter) error(body []byte) {
	s.buf = append(s.buf[:0], s.call.binding.errorEvent()...)
	s.buf = append(s.buf, "data: "...)
	s.buf = append(s.buf, body...)
	s.buf = append(s.buf, "\n\n"...)
	s.send()
}

// comment writes a comment, and further lines that are not of an event. No empty line follows: some clients take that for the end
// of an event, whatever came before.
func (s *sseWriter) comment(text string, lines ...string) {
	s.buf = append(append(append(s.buf[:0], ": "...), text...), '\n')
	for _, line := range lines {
		s.buf = append(append(s.buf, line...), '\n')
	}
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
