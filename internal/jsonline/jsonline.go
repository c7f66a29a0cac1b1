// Package jsonline writes JSON that is one line for every reader, and no longer than necessary.
//
// A frame of Server-Sent Events ends where its reader sees the end of a line, and readers disagree
// on that. The standard, Go's bufio and Java's BufferedReader know LF and CR. JavaScript before
// 2019 and Node's readline know U+2028 and U+2029, too. Python's str.splitlines (so all clients
// that read with httpx), Java's Scanner and .NET also know U+0085 and the controls U+000B, U+000C
// and U+001C to U+001E. So in a string, every control character (C0, DEL, C1), U+2028 and U+2029 is
// escaped.
//
// Package encoding/json also escapes <, > and &, six bytes for one, for JSON inside HTML. That is
// not needed here, and what a caller sends is stored and sent at its own length.
package jsonline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Marshal returns the JSON of v as one line.
func Marshal(v any) ([]byte, error) {
	var l line
	e := json.NewEncoder(&l)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return l, nil
}

// line is an encoder's one Write, without the line feed.
type line []byte

func (l *line) Write(p []byte) (int, error) {
	clean := Clean(p[:len(p)-1])
	*l = append((*l)[:0:0], clean...) // p is the encoder's
	return len(p), nil
}

// Clean returns the same JSON value with its strings as this package writes them. JSON of types
// that marshal themselves needs it, and JSON from a request. It does not change data, and returns
// data itself if nothing differs. Space between values stays.
func Clean(data []byte) []byte {
	if !slices.ContainsFunc(suspects, func(c byte) bool { return bytes.IndexByte(data, c) >= 0 }) {
		return data // nearly always
	}
	var clean []byte // nil as long as nothing differs
	done := 0        // how much of data is in clean
	replace := func(from, to int, by string) {
		if clean == nil {
			clean = make([]byte, 0, len(data)+len(data)/8)
		}
		clean = append(append(clean, data[done:from]...), by...)
		done = to
	}
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '\\':
			if html := escapedHTML(data[i:]); html != "" {
				replace(i, i+escape, html)
				i += escape
			} else {
				i += 2 // the escaped character may be a backslash, too
			}
		case c < 0x7f:
			i++
		case c == 0x7f:
			replace(i, i+1, `\u007f`)
			i++
		default:
			r, size := utf8.DecodeRune(data[i:])
			if ends(r) {
				replace(i, i+size, fmt.Sprintf(`\u%04x`, r))
			}
			i += size
		}
	}
	if clean == nil {
		return data
	}
	return append(clean, data[done:]...)
}

// suspects are bytes: Clean changes only data that has one. They are the backslash, DEL, and the
// first bytes of C1 and of U+2028.
var suspects = []byte{'\\', 0x7f, 0xc2, 0xe2}

// ends reports whether the character, which is not ASCII, may end a line.
func ends(r rune) bool { return 0x80 <= r && r < 0xa0 || r == 0x2028 || r == 0x2029 }

// escape is the length of an escape such as \u003c.
const escape = len(`\u003c`)

// escapedHTML returns HTML's character for the escape at the beginning of data, or "".
func escapedHTML(data []byte) string {
	if len(data) < escape || data[1] != 'u' || data[2] != '0' || data[3] != '0' {
		return ""
	}
	switch string(data[4:escape]) {
	case "3c", "3C":
		return "<"
	case "3e", "3E":
		return ">"
	case "26":
		return "&"
	}
	return ""
}
