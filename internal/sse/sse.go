// Package sse reads streams of Server-Sent Events.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
package sse

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// MaxEvent is the longest event that is read, in bytes.
const MaxEvent = 64 << 20

// Event is an event that has data. Others are no events.
type Event struct {
	ID   string    // its own; "" if it has none
	Data string    // its lines of data, joined by line feeds
	Text string    // its lines as they came, and the empty line that ends it; without comments and retry
	At   time.Time // when it was read to its end
}

// Reader reads a stream.
type Reader struct {
	Comments int           // how many lines of comment have been read
	Retry    time.Duration // that the stream asked for last; 0 if it has not
	Bytes    int64         // of the lines that have been read

	in *bufio.Reader
}

// NewReader returns a Reader of the body of a response.
func NewReader(body io.Reader) *Reader { return &Reader{in: bufio.NewReaderSize(body, 64<<10)} }

// Next returns the next event, when its last line is there. Its error is io.EOF at the end of the stream, and
// io.ErrUnexpectedEOF where the stream is cut, an end in the middle of an event included.
func (r *Reader) Next() (Event, error) {
	var e Event
	var data []string
	var text strings.Builder
	for {
		line, err := r.line(MaxEvent - text.Len())
		r.Bytes += int64(len(line))
		switch {
		case err == io.EOF && text.Len()+len(line) > 0:
			return Event{}, io.ErrUnexpectedEOF
		case err != nil:
			return Event{}, err
		}
		content := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		field, value, _ := strings.Cut(content, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case content == "" && data == nil: // an end without data: there was no event
			text.Reset()
			e = Event{}
			continue
		case content == "":
			text.WriteString(line)
			e.Data, e.Text, e.At = strings.Join(data, "\n"), text.String(), time.Now()
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
		text.WriteString(line)
	}
}

// line reads a line of so many bytes at most.
func (r *Reader) line(limit int) (string, error) {
	var line strings.Builder
	for {
		part, err := r.in.ReadSlice('\n')
		if line.Len()+len(part) > limit {
			return "", fmt.Errorf("an event is longer than %d bytes", MaxEvent)
		}
		if line.Write(part); err != bufio.ErrBufferFull {
			return line.String(), err
		}
	}
}
