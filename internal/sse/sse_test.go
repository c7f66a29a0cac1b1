package sse

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestReader(t *testing.T) {
	const stream = "retry: 1500\n: hello\nid: 1\nevent: x\ndata: a\n: between\ndata:b\n\n" +
		"id: 7\n\n" + // no data, no event
		":\r\ndata: c: d\r\n\r\n"
	for _, test := range []struct {
		end  string
		want error
	}{{"", io.EOF}, {": bye\n", io.EOF}, {"id: 9\ndata: cut\n", io.ErrUnexpectedEOF}, {"da", io.ErrUnexpectedEOF}} {
		r := NewReader(strings.NewReader(stream + test.end))
		for _, want := range []Event{
			{ID: "1", Data: "a\nb", Text: "id: 1\nevent: x\ndata: a\ndata:b\n\n"},
			{Data: "c: d", Text: "data: c: d\n\n"},
		} {
			got, err := r.Next()
			if err != nil || got.At.IsZero() {
				t.Fatalf("%v, at %v", err, got.At)
			}
			if got.At = (time.Time{}); got != want {
				t.Errorf("got %+q, want %+q", got, want)
			}
		}
		if e, err := r.Next(); !errors.Is(err, test.want) {
			t.Errorf("after %q: %+v, %v", test.end, e, err)
		}
		if r.Retry != 1500*time.Millisecond || r.Comments < 3 {
			t.Errorf("retry %v, %d comments", r.Retry, r.Comments)
		}
	}
}

// TestTooLong has a line, and lines, that are too long.
func TestTooLong(t *testing.T) {
	for _, line := range []string{strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20) + "\n"} {
		long := strings.Repeat("data: "+line, MaxEvent>>20)
		if _, err := NewReader(strings.NewReader(long)).Next(); !errors.Is(err, bufio.ErrTooLong) {
			t.Errorf("%q for ever: %v", line[1<<20-1:], err)
		}
	}
}
