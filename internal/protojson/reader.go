package protojson

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Reader reads the values of a JSON text one after another. The text must be valid. After an error,
// which stays, values are zero.
type Reader struct {
	// Lenient takes all that parsers of protocol buffers' JSON take, also what no printer prints:
	// bytes in any base64, enums by number, integers in strings.
	Lenient bool
	// Stored takes what agents may have stored: any name of an enum, any number where there is no
	// schema, and null in an array, which is left out.
	Stored bool
	// States are the names of the states of a task: [States], but for a client that has others.
	States []string
	// Nulls yields members that are null, too.
	Nulls bool
	// Given are fields of the first object that is read, in JSON. They count, and not its own
	// members of these names.
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

// Fail says what is wrong with the value that is being read. The first error stays.
func (r *Reader) Fail(problem string, args ...any) {
	if r.err == nil {
		r.err = &FieldError{Problem: fmt.Sprintf(problem, args...)}
	}
}

// FailAt says what is wrong with a field of the object that is being read. The first error stays.
func (r *Reader) FailAt(field, problem string, args ...any) {
	if r.err == nil {
		r.Fail(problem, args...)
		r.err.Field = field
	}
}

// Again returns a func() that goes back to the value that is next now.
func (r *Reader) Again() func() {
	i, given := r.i, r.Given
	return func() { r.i, r.Given = i, given }
}

// Fields are the fields of a message by name. Their order is the order of the targets of
// [Reader.Fill].
type Fields map[string]field

type field struct {
	name  string // in camelCase
	bit   uint64 // no other field of the message has it
	place int    // in the order, or -1: it is known, and not read
}

// FieldsOf returns fields of these names, which are in camelCase. Each is known in snake_case, too,
// as protocol buffers name it.
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

// Only returns the same fields, of which only those of these names are read, in this order.
func (f Fields) Only(camel ...string) Fields {
	only := Fields{}
	for name, field := range f {
		field.place = slices.Index(camel, field.name)
		only[name] = field
	}
	return only
}

// Name returns the name, in camelCase, of the field of that name.
func (f Fields) Name(of string) (name string, known bool) {
	found, known := f[of]
	return found.name, known
}

// Fill reads an object: each field into the target at its place, as Rows.Scan of database/sql does
// with columns. A target is a pointer to a type that [Read] knows, or a func(), which is called to
// read the value. Fields beyond the targets are skipped.
func (r *Reader) Fill(fields Fields, targets ...any) {
	for _, place := range r.Members(fields) {
		if place >= 0 && place < len(targets) {
			r.value(targets[place])
		}
	}
}

// Members reads an object: it yields the name, in camelCase, and the place of each field that is
// there and not null, at its value. If the value is not read then, it is skipped. Members that are
// no fields are skipped, too.
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

// given yields the fields that are given for the first object. It returns their bits, and no
// others, as Members needs them.
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

// Elements reads an array: it yields the index of each element, at its value, which may not be
// null.
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

// begin reads the opening bracket of what is expected.
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

// unexpected makes an error of a value that is of another kind than expected.
func (r *Reader) unexpected(expected string) {
	r.Fail("is %s, not %s", r.Kind(), expected)
}

var kinds = map[byte]string{
	'{': "an object", '[': "an array", '"': "a string", 'n': "null", 't': "a boolean", 'f': "a boolean",
}

// Kind returns what the next value is, with its article.
func (r *Reader) Kind() string {
	r.space()
	return cmp.Or(kinds[r.data[r.i]], "a number")
}

// quoted reads a string, and returns it as it is.
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

// scalar reads a number or a word, and returns it as it is.
func (r *Reader) scalar() []byte {
	begin := r.i
	for r.i < len(r.data) && !isSpace(r.data[r.i]) && r.data[r.i] != ',' && r.data[r.i] != ']' && r.data[r.i] != '}' {
		r.i++
	}
	return r.data[begin:r.i]
}

// skip reads a value of any kind.
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

// Raw reads a value of any kind, and returns it as it is.
func (r *Reader) Raw() []byte {
	r.space()
	begin := r.i
	r.skip()
	return r.data[begin:r.i]
}
