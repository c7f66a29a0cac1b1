package sse

import (
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
			{Data: "c: d", Text: "data: c: d\r\n\r\n"},
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
		if want := int64(len(stream + test.end)); r.Bytes != want || r.Retry != 1500*time.Millisecond || r.Comments < 3 {
			t.Errorf("%d bytes, want %d; retry %v, %d comments", r.Bytes, want, r.Retry, r.Comments)
		}
	}
}

// TestTooLong has a line, and lines, without an end.
func TestTooLong(t *testing.T) {
	for _, endless := range []string{"data: x", "data: x\n"} {
		if _, err := NewReader(&repeated{text: endless}).Next(); err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%q for ever: %v", endless, err)
		}
	}
}

// repeated is a text for ever.
type repeated struct {
	text string
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.text[r.at]
		r.at = (r.at + 1) % len(r.text)
	}
	return len(p), nil
}
