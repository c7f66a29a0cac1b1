// Package protojson reads JSON by the rules of protocol buffers' JSON, into the SDK's types, field
// by field and in one pass: https://protobuf.dev/programming-guides/json/. It writes tasks and
// events for both versions of the protocol. Errors name the field, such as message.parts[2].raw,
// and say what it is and what it should be.
//
// [Scan] checks a stranger's JSON before any of it is decoded: it must be I-JSON (RFC 7493), within
// limits.
package protojson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Errors of a text as a whole.
var (
	ErrSyntax        = errors.New("not JSON")
	ErrTooManyValues = errors.New("too many values")
	ErrTooDeep       = errors.New("nested too deep")
)

// Limits is how much a text may hold.
type Limits struct {
	Values int // scalars, arrays and objects
	Depth  int // levels of arrays and objects
}

// Scan checks a JSON text, up to its first error. That is [ErrSyntax], or [ErrTooManyValues] or
// [ErrTooDeep] if a limit is exceeded, or a [*FieldError] for what RFC 7493 forbids because parsers
// read it differently: a name twice in an object, a string that is not UTF-8, or half of a
// surrogate pair. Only objects with many members make it allocate much.
func Scan(data []byte, l Limits) error {
	s := scanner{cursor: cursor{data: data}, limits: l}
	for s.next() {
	}
	if s.err != nil {
		return s.err
	}
	if s.space(); s.i < len(data) {
		return s.syntax()
	}
	return nil
}

type scanner struct {
	cursor
	limits Limits
	values int
	open   []container // from the outermost
	err    error
}

// container is an array or object that has begun and not ended.
type container struct {
	object bool
	n      int    // the members so far
	key    []byte // of the current member, quoted
	names  names
}

type names struct {
	few  [][]byte            // while there are few
	many map[string]struct{} // nil before
}

// add reports whether the name is new.
func (n *names) add(name []byte) bool {
	const few = 12
	if n.many == nil {
		if slices.ContainsFunc(n.few, func(other []byte) bool { return bytes.Equal(other, name) }) {
			return false
		}
		if n.few = append(n.few, name); len(n.few) > few {
			n.many = map[string]struct{}{}
			for _, other := range n.few {
				n.many[string(other)] = struct{}{}
			}
		}
		return true
	}
	before := len(n.many)
	n.many[string(name)] = struct{}{}
	return len(n.many) > before
}

// next scans a value: a scalar and the containers that end after it, or the beginning of a
// container, up to its first member. It reports whether there is more.
func (s *scanner) next() bool {
	if s.space(); s.i == len(s.data) {
		return s.fail(s.syntax())
	}
	if s.values++; s.values > s.limits.Values {
		return s.fail(ErrTooManyValues)
	}
	switch c := s.data[s.i]; {
	case c == '{' || c == '[':
		if len(s.open) == s.limits.Depth {
			return s.fail(ErrTooDeep)
		}
		s.push(c == '{')
		s.i++
		if s.space(); !s.at(c + 2) { // in ASCII the closing bracket comes two later
			return s.member()
		}
	case c == '"':
		if !s.text() {
			return false
		}
	case c == '-' || '0' <= c && c <= '9':
		if !s.number() {
			return s.fail(s.syntax())
		}
	case !s.word("true") && !s.word("false") && !s.word("null"):
		return s.fail(s.syntax())
	}
	for len(s.open) > 0 {
		in := &s.open[len(s.open)-1]
		s.space()
		switch {
		case s.at(','):
			s.i++
			return s.member()
		case in.object && s.at('}') || !in.object && s.at(']'):
			s.i++
			s.open = s.open[:len(s.open)-1]
		default:
			return s.fail(s.syntax())
		}
	}
	return false
}

// push opens a container. It reuses the memory of an earlier one at the same level.
func (s *scanner) push(object bool) {
	s.open = slices.Grow(s.open, 1)[:len(s.open)+1]
	in := &s.open[len(s.open)-1]
	*in = container{object: object, names: names{few: in.names.few[:0]}}
}

// member scans up to the value of the next member of the innermost container.
func (s *scanner) member() bool {
	in := &s.open[len(s.open)-1]
	in.n++
	if !in.object {
		return true
	}
	if s.space(); !s.at('"') {
		return s.fail(s.syntax())
	}
	begin := s.i
	in.key = nil
	if !s.text() {
		return false
	}
	in.key = s.data[begin:s.i]
	name := in.key[1 : len(in.key)-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		name = []byte(unquote(in.key))
	}
	if !in.names.add(name) {
		return s.fault("is given twice")
	}
	if s.space(); !s.at(':') {
		return s.fail(s.syntax())
	}
	s.i++
	return true
}

func (s *scanner) text() bool {
	for s.i++; s.i < len(s.data); {
		switch c := s.data[s.i]; {
		case c == '"':
			s.i++
			return true
		case c == '\\':
			if !s.escape() {
				return false
			}
		case c < ' ':
			return s.fail(s.syntax())
		case c < utf8.RuneSelf:
			s.i++
		default:
			r, size := utf8.DecodeRune(s.data[s.i:])
			if r == utf8.RuneError && size == 1 {
				return s.fault("is not UTF-8")
			}
			s.i += size
		}
	}
	return s.fail(s.syntax())
}

func (s *scanner) escape() bool {
	if s.i+1 < len(s.data) && strings.IndexByte(`"\/bfnrt`, s.data[s.i+1]) >= 0 {
		s.i += 2
		return true
	}
	const surrogates, low, end = 0xd800, 0xdc00, 0xe000
	r, ok := s.unicode()
	if ok && surrogates <= r && r < end {
		second, more := s.unicode()
		if r >= low || !more || second < low || second >= end {
			return s.fault("has half of a surrogate pair")
		}
	}
	return ok || s.fail(s.syntax())
}

// unicode scans \u and four hexadecimal digits.
func (s *scanner) unicode() (r int, ok bool) {
	if len(s.data)-s.i < len(`\u0000`) || s.data[s.i] != '\\' || s.data[s.i+1] != 'u' {
		return 0, false
	}
	for _, c := range s.data[s.i+2 : s.i+6] {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 || c < '0' {
			return 0, false
		}
		r = r<<4 | digit
	}
	s.i += 6
	return r, true
}

func (s *scanner) number() bool {
	digits := func() bool {
		begin := s.i
		for s.i < len(s.data) && '0' <= s.data[s.i] && s.data[s.i] <= '9' {
			s.i++
		}
		return s.i > begin
	}
	if s.at('-') {
		s.i++
	}
	if s.at('0') {
		s.i++
	} else if !digits() {
		return false
	}
	if s.at('.') {
		if s.i++; !digits() {
			return false
		}
	}
	if s.at('e') || s.at('E') {
		if s.i++; s.at('+') || s.at('-') {
			s.i++
		}
		return digits()
	}
	return true
}

func (s *scanner) word(w string) bool {
	if !bytes.HasPrefix(s.data[s.i:], []byte(w)) {
		return false
	}
	s.i += len(w)
	return true
}

type cursor struct {
	data []byte
	i    int
}

func (c *cursor) space() {
	for c.i < len(c.data) && isSpace(c.data[c.i]) {
		c.i++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (s *scanner) at(c byte) bool { return s.i < len(s.data) && s.data[s.i] == c }

func (s *scanner) fail(err error) bool {
	s.err = err
	return false
}

func (s *scanner) syntax() error {
	if s.i >= len(s.data) {
		return fmt.Errorf("%w: it ends too early", ErrSyntax)
	}
	return fmt.Errorf("%w: byte %d is not what may be there", ErrSyntax, s.i+1)
}

// fault fails because of the current member, or its name.
func (s *scanner) fault(problem string) bool {
	e := &FieldError{Problem: problem}
	for i := len(s.open) - 1; i >= 0; i-- {
		switch in := s.open[i]; {
		case !in.object:
			e.in(fmt.Sprintf("[%d]", in.n-1))
		case in.key == nil:
			e.Problem = "has a name that " + problem
		default:
			e.in("." + unquote(in.key))
		}
	}
	return s.fail(e)
}

// unquote returns the value of a string's JSON.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var text string
	_ = json.Unmarshal(quoted, &text) // it is valid
	return text
}
