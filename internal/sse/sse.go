// Package sse reads streams of Server-Sent Events.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
package sse

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"
)

// MaxEvent is the longest event that is read, in bytes.
const MaxEvent = 64 << 20

// Event is an event with data. Without data it is none.
type Event struct {
	ID   string    // its own, or ""
	Data string    // its lines of data, joined by line feeds
	Text string    // its lines with the empty last one, without comments and retry
	At   time.Time // when it was read to its end
}

// Reader reads a stream.
type Reader struct {
	Comments int           // how many lines of comment have been read
	Retry    time.Duration // the last that the stream asked for, or 0

	lines *bufio.Scanner
}

// NewReader returns a Reader of the body of a response.
func NewReader(body io.Reader) *Reader {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, MaxEvent)
	return &Reader{lines: lines}
}

// Next returns the next event, after its last line. The error is io.EOF at the end of the stream,
// io.ErrUnexpectedEOF for a stream that is cut or ends within an event, and bufio.ErrTooLong for an
// event longer than MaxEvent.
func (r *Reader) Next() (Event, error) {
	var e Event
	var data []string
	var text strings.Builder
	for r.lines.Scan() {
		line := r.lines.Text()
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && data == nil: // an end without data: there was no event
			text.Reset()
			e = Event{}
			continue
		case line == "":
			e.Data, e.Text, e.At = strings.Join(data, "\n"), text.String()+"\n", time.Now()
			return e, nil
		case field == "":
			r.Comments++
			continue
		case field == "retry":
			if ms, err := strconv.ParseUint(value, 10, 32); err == nil {
				r.Retry = time.Duration(ms) * time.Millisecond
			}
			continue
		case field == "id":
			e.ID = value
		case field == "data":
			data = append(data, value)
		}
		if text.WriteString(line + "\n"); text.Len() > MaxEvent {
			return Event{}, bufio.ErrTooLong
		}
	}
	switch err := r.lines.Err(); {
	case err != nil:
		return Event{}, err
	case text.Len() > 0:
		return Event{}, io.ErrUnexpectedEOF
	}
	return Event{}, io.EOF
}
