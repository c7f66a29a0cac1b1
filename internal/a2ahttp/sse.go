package a2ahttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// sseResponder answers with a stream of Server-Sent Events:
// https://html.spec.whatwg.org/multipage/server-sent-events.html
type sseResponder struct {
	jsonResponder // for an error before the stream has begun

	begun         bool
	broken        bool // the client is gone
	flush         func() error
	before, after string // what surrounds a result
	buf           []byte
	room          func(piece []byte) (left int) // nil where a stream may be of any length
}

// mostUnsent is how many bytes of frames gather before they are sent.
const mostUnsent = 1 << 20

// leftForEnd is how many bytes are reserved for the event that says why a stream ends early.
const leftForEnd = 2 << 10

// After the end of its stream, a client of a suspended task is to come again when the task is due,
// but within these times.
const (
	leastSleep = 10 * time.Second
	mostSleep  = 5 * time.Minute
)

// errSilence ends a wait for the next event that takes too long.
var errSilence = errors.New("the stream is silent")

// respond writes the stream's events as they get into the log. It returns at the stream's end, or
// when the client has gone.
func (s *sseResponder) respond(o operation) error {
	stream, err := o.stream(s.handler, s.r, s.q)
	if errors.Is(err, server.ErrSeen) && s.r.Method == http.MethodGet {
		// The only answer after which an EventSource does not connect again: HTML standard, 9.2.
		s.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return err
	}
	defer stream.Close()
	seen := observationOf(s.r)
	seen.task, seen.context = stream.Task.TaskID, stream.Task.ContextID
	s.begin()
	if len(stream.First.JSON) > 0 {
		err = s.events(stream.First)
	} else {
		s.comment("there is nothing that you have not seen")
	}
	for err == nil && !s.broken {
		err = s.next(stream)
	}
	return s.end(err)
}

// next writes the next events, or a comment if none come for a while.
func (s *sseResponder) next(stream *server.Stream) error {
	wait, cancel := context.WithTimeoutCause(s.r.Context(), keepAlive, errSilence)
	defer cancel()
	events, err := stream.Next(wait)
	switch {
	case err == nil:
		return s.events(events...)
	case errors.Is(err, errSilence):
		s.comment("ping")
		return nil
	case tasklog.Late(s.r.Context()):
		return server.ErrGoesOn
	case errors.Is(err, context.Cause(s.r.Context())):
		return io.EOF // nobody reads any more
	}
	return err
}

// end returns the error that ends the stream, or nil. An early end is no error: comments say why,
// and after how many milliseconds to connect again.
func (s *sseResponder) end(err error) error {
	asleep := (*tasklog.SuspendedError)(nil)
	switch {
	case errors.Is(err, io.EOF):
	case errors.Is(err, server.ErrGoesOn):
		s.comment(err.Error(), "retry: 1000")
	case errors.Is(err, server.ErrWaits):
		s.comment(err.Error(), "retry: 10000")
	case errors.As(err, &asleep):
		// A page that stays open must not keep an instance: nothing comes for long.
		again := min(max(time.Until(asleep.Due), leastSleep), mostSleep)
		s.comment(asleep.Error(), fmt.Sprint("retry: ", again.Milliseconds()))
	case errors.Is(err, tasklog.ErrMadeRoom):
		s.comment(tasklog.ErrMadeRoom.Error(), "retry: 10000")
	case errors.Is(err, tasklog.ErrEnding):
		s.comment(tasklog.ErrEnding.Error(), "retry: 300")
	case errors.Is(err, tasklog.ErrThrottled):
		observationOf(s.r).throttled = true
		s.comment(textBusy, "retry: 5000")
	case s.begun && silent(err):
		observationOf(s.r).silent = true
		s.Logger.ErrorContext(s.r.Context(), "stream ends early", "error", err)
		s.comment(textSilent, "retry: 1000")
	default:
		return err
	}
	return nil
}

// fail answers with an error. In a stream that has begun it is the last event. Before that it is
// the only event (specification 0.3, 3.3.1 and 7.2; 1.0, 9.4.2): most clients that ask for a stream
// over JSON-RPC read nothing else, and some do not show an error in JSON at all. But if the error
// has an HTTP status, as always over HTTP+JSON, the answer is JSON: all clients see the status.
func (s *sseResponder) fail(err error) {
	status, field, body := s.encodeFailure(err)
	if !s.begun && status != http.StatusOK {
		s.write(status, body)
		return
	}
	s.begin()
	s.buf = append(s.buf[:0], field...)
	s.buf = append(s.buf, "data: "...)
	s.buf = append(s.buf, body...)
	s.buf = append(s.buf, "\n\n"...)
	s.send()
}

func (s *sseResponder) begin() {
	if s.begun {
		return
	}
	s.begun = true
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8") // without it, some clients guess
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx and its kin buffer otherwise
	s.flush, s.room = http.NewResponseController(s.w).Flush, s.newRoom()
	_, s.before, s.after = s.q.binding.result(s.q.dialect)
}

// events writes a frame for each event: its number as id, and one line of data.
func (s *sseResponder) events(events ...tasklog.Event) error {
	s.buf = s.buf[:0]
	for _, e := range events {
		result, err := s.q.dialect.EventResult(e.JSON)
		if err != nil {
			s.send()
			return err
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
			return errStreamTooLong
		}
		if len(s.buf) > mostUnsent {
			s.send()
			s.buf = s.buf[:0]
		}
	}
	s.send()
	observationOf(s.r).sent(events)
	return nil
}

// errStreamTooLong ends a stream that is sent in one piece.
var errStreamTooLong = a2a.NewError(a2a.ErrUnsupportedOperation, "the stream is longer than the 6 MB that can be sent in one piece here: "+
	"get the task with GetTask and historyLength, or go on from the last event at the agent's function URL, which streams")

// comment writes a comment, and further lines that are no event. No empty line follows: some
// clients take that for the end of an event, whatever came before.
func (s *sseResponder) comment(text string, lines ...string) {
	s.buf = append(append(append(s.buf[:0], ": "...), text...), '\n')
	for _, line := range lines {
		s.buf = append(append(s.buf, line...), '\n')
	}
	s.send()
}

// send writes the buffer. A response that can't be flushed is sent whole at the end.
func (s *sseResponder) send() {
	if _, err := s.w.Write(s.buf); err != nil {
		s.broken = true
		return
	}
	_ = s.flush()
}
