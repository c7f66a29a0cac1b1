package protojson

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Reader reads the values of a valid JSON text one after another. It keeps its first error; after
// that, all values are zero.
type Reader struct {
	// Lenient takes all that parsers of protocol buffers' JSON take, also what is never printed:
	// bytes in any base64, enums by number, integers in strings.
	Lenient bool
	// Stored takes what agents may have stored: any name of an enum, any number where there is no
	// schema, and null in an array, which is skipped.
	Stored bool
	// States are the names of a task's states. Default: [States].
	States []string
	// Nulls yields members that are null, too.
	Nulls bool
	// Given are fields of the first object, in JSON. They replace its own members of these names.
	Given map[string][]byte

	cursor
	err *FieldError
}

// NewReader returns a reader of the text.
func NewReader(text []byte) *Reader { return &Reader{States: States, cursor: cursor{data: text}} }

// Err returns the first error, or nil.
func (r *Reader) Err() error {
	if r.err == nil {
		return nil // not a nil *FieldError
	}
	return r.err
}

// Fail says what is wrong with the current value. The first error stays.
func (r *Reader) Fail(problem string, args ...any) {
	if r.err == nil {
		r.err = &FieldError{Problem: fmt.Sprintf(problem, args...)}
	}
}

// FailAt says what is wrong with a field of the current object. The first error stays.
func (r *Reader) FailAt(field, problem string, args ...any) {
	if r.err == nil {
		r.Fail(problem, args...)
		r.err.Field = field
	}
}

// Again returns a function that goes back to the next value.
func (r *Reader) Again() func() {
	i, given := r.i, r.Given
	return func() { r.i, r.Given = i, given }
}

// Fields are a message's fields by name. [Reader.Fill] takes its targets in their order.
type Fields map[string]field

type field struct {
	name  string // in camelCase
	bit   uint64 // no other field of the message has it
	place int    // in the order, or -1: it is known, and not read
}

// FieldsOf returns fields of these names, in camelCase. The reader also knows them in snake_case,
// protocol buffers' own form.
func FieldsOf(camel ...string) Fields {
	fields := Fields{}
	for i, name := range camel {
		var snake strings.Builder
		for _, c := range []byte(name) {
			if 'A' <= c && c <= 'Z' {
				snake.WriteByte('_')
				c |= 0x20
			}
			snake.WriteByte(c)
		}
		fields[name] = field{name, 1 << i, i}
		fields[snake.String()] = fields[name]
	}
	return fields
}

// Only returns the same fields. Only those of these names are read, in this order.
func (f Fields) Only(camel ...string) Fields {
	only := Fields{}
	for name, field := range f {
		field.place = slices.Index(camel, field.name)
		only[name] = field
	}
	return only
}

// Name returns a field's name in camelCase.
func (f Fields) Name(of string) (name string, known bool) {
	found, known := f[of]
	return found.name, known
}

// Fill reads an object: each field into the target at its place, as Rows.Scan of database/sql does
// with columns. A target is a pointer to a type that [Read] knows, or a func() that reads the
// value. Fields without a target are skipped.
func (r *Reader) Fill(fields Fields, targets ...any) {
	for _, place := range r.Members(fields) {
		if place >= 0 && place < len(targets) {
			r.value(targets[place])
		}
	}
}

// Members reads an object. It yields the name, in camelCase, and the place of each field that is
// there and not null. The caller may read the value; otherwise it is skipped, as are unknown
// members.
func (r *Reader) Members(fields Fields) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		if r.err != nil || !r.begin('{', "an object") {
			return
		}
		var seen [2]uint64
		if r.Given != nil { // to range over a nil map costs, too
			seen = r.given(fields, yield)
		}
		for r.err == nil && r.more('}') {
			key := r.quoted()
			r.space()
			r.i++ // the colon
			r.space()
			f, known := fields[string(key[1:len(key)-1])]
			if !known && bytes.IndexByte(key, '\\') >= 0 {
				f, known = fields[unquote(key)]
			}
			value := r.i
			switch {
			case !known || r.data[r.i] == 'n' && !r.Nulls || seen[0]&f.bit != 0:
			case seen[1]&f.bit != 0:
				r.Fail("is given twice")
			case !yield(f.name, f.place):
				return
			default:
				seen[1] |= f.bit
			}
			if r.i == value {
				r.skip()
			}
			if r.err != nil && known {
				r.err.in("." + f.name)
			}
		}
	}
}

// given yields the fields that are given for the first object. It returns their bits for Members.
func (r *Reader) given(fields Fields, yield func(string, int) bool) (seen [2]uint64) {
	given := r.Given
	r.Given = nil
	for name, value := range given {
		f, known := fields[name]
		if !known {
			continue
		}
		seen[0] |= f.bit
		data, i := r.data, r.i
		r.data, r.i = value, 0
		yield(f.name, f.place)
		r.data, r.i = data, i
		if r.err != nil {
			r.err.in("." + f.name)
			break
		}
	}
	return seen
}

// Elements reads an array. It yields the index of each element, which must not be null, at its
// value.
func (r *Reader) Elements() iter.Seq[int] {
	return func(yield func(int) bool) {
		if r.err != nil || !r.begin('[', "an array") {
			return
		}
		for n := 0; r.err == nil && r.more(']'); n++ {
			value := r.i
			if r.data[r.i] == 'n' {
				if !r.Stored {
					r.Fail("is null")
				}
			} else if !yield(n) {
				return
			}
			if r.i == value {
				r.skip()
			}
			if r.err != nil {
				r.err.in(fmt.Sprintf("[%d]", n))
			}
		}
	}
}

func (r *Reader) begin(bracket byte, expected string) bool {
	if r.space(); r.data[r.i] != bracket {
		r.unexpected(expected)
		return false
	}
	r.i++
	return true
}

// more reads up to the next member, or the closing bracket.
func (r *Reader) more(bracket byte) bool {
	if r.space(); r.data[r.i] == ',' {
		r.i++
		r.space()
	}
	if r.data[r.i] == bracket {
		r.i++
		return false
	}
	return true
}

func (r *Reader) unexpected(expected string) {
	r.Fail("is %s, not %s", r.Kind(), expected)
}

var kinds = map[byte]string{
	'{': "an object", '[': "an array", '"': "a string", 'n': "null", 't': "a boolean", 'f': "a boolean",
}

// Kind returns the kind of the next value, with its article.
func (r *Reader) Kind() string {
	r.space()
	return cmp.Or(kinds[r.data[r.i]], "a number")
}

// quoted reads a string, and returns its JSON.
func (r *Reader) quoted() []byte {
	begin := r.i
	for r.i++; r.data[r.i] != '"'; r.i++ {
		if r.data[r.i] == '\\' {
			r.i++
		}
	}
	r.i++
	return r.data[begin:r.i]
}

// scalar reads a number or a word, and returns its JSON.
func (r *Reader) scalar() []byte {
	begin := r.i
	for r.i < len(r.data) && !isSpace(r.data[r.i]) && r.data[r.i] != ',' && r.data[r.i] != ']' && r.data[r.i] != '}' {
		r.i++
	}
	return r.data[begin:r.i]
}

func (r *Reader) skip() {
	for depth := 0; ; {
		switch r.data[r.i] {
		case '"':
			r.quoted()
		case '{', '[':
			depth++
			r.i++
		case '}', ']':
			depth--
			r.i++
		case ',', ':', ' ', '\n', '\t', '\r':
			r.i++
			continue // no value has ended
		default:
			r.scalar()
		}
		if depth == 0 {
			return
		}
	}
}

// Raw reads a value of any kind, and returns its JSON.
func (r *Reader) Raw() []byte {
	r.space()
	begin := r.i
	r.skip()
	return r.data[begin:r.i]
}
