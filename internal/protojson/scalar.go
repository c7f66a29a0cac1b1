package protojson

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// String reads a string.
func (r *Reader) String() string {
	if r.err == nil && r.data[r.i] != '"' {
		r.unexpected("a string")
	}
	if r.err != nil {
		return ""
	}
	return unquote(r.quoted())
}

// Bool reads a boolean.
func (r *Reader) Bool() bool {
	if r.err == nil && r.data[r.i] != 't' && r.data[r.i] != 'f' {
		r.unexpected("true or false")
	}
	return r.err == nil && string(r.scalar()) == "true"
}

// Int32 reads an integer of 32 bits.
func (r *Reader) Int32() int {
	const expected = "a whole number"
	if r.err != nil {
		return 0
	}
	var text string
	switch kind := r.Kind(); {
	case kind == "a number":
		text = string(r.scalar())
	case kind == "a string" && r.Lenient:
		text = unquote(r.quoted())
	default:
		r.unexpected(expected)
		return 0
	}
	n, _ := strconv.ParseFloat(text, 64) // beyond its range it is infinite
	switch whole := n == math.Trunc(n) || math.Abs(n) > math.MaxInt32+1; {
	case !isNumber(text), !whole, !r.Lenient && strings.ContainsAny(text, ".eE"):
		r.Fail("is %s, not %s", Echo(text), expected)
		return 0
	case n < math.MinInt32, n > math.MaxInt32:
		r.Fail("is %s, not between %d and %d", Echo(text), math.MinInt32, math.MaxInt32)
		return 0
	}
	return int(n)
}

func isNumber(text string) bool {
	s := scanner{cursor: cursor{data: []byte(text)}}
	return s.number() && s.i == len(text)
}

// Bytes reads bytes in base64. It never returns nil.
func (r *Reader) Bytes() []byte {
	text := r.String()
	encoding := base64.StdEncoding
	if r.Lenient {
		if strings.ContainsAny(text, "-_") {
			encoding = base64.URLEncoding
		}
		if len(text)%4 != 0 {
			encoding = encoding.WithPadding(base64.NoPadding)
		}
	}
	raw, err := encoding.DecodeString(text)
	if err != nil {
		r.Fail("is not base64")
	}
	return raw
}

// Enum reads one of an enum's names, which are in the order of their numbers. It returns "" for an
// unspecified one, like the SDK.
func (r *Reader) Enum(names []string) string {
	if r.err != nil {
		return ""
	}
	if r.Stored {
		if name := r.String(); name != names[0] {
			return name
		}
		return ""
	}
	expected := func() string {
		return "one of " + strings.Join(slices.DeleteFunc(slices.Clone(names), isUnspecified), ", ")
	}
	name, n := "", -1
	switch kind := r.Kind(); {
	case kind == "a string":
		name = unquote(r.quoted())
		n = slices.Index(names, name)
		name = Echo(name)
	case kind == "a number" && r.Lenient:
		text := string(r.scalar())
		if f, err := strconv.ParseFloat(text, 64); err == nil && f == math.Trunc(f) && f >= 0 && f < float64(len(names)) {
			n = int(f)
		}
		name = Cut(text, maxEcho)
	default:
		r.unexpected(expected())
		return ""
	}
	switch {
	case n < 0:
		r.Fail("is %s, not %s", name, expected())
		return ""
	case isUnspecified(names[n]):
		return ""
	}
	return names[n]
}

func isUnspecified(name string) bool { return strings.HasSuffix(name, "_UNSPECIFIED") }

// Time reads a time in the form of RFC 3339.
func (r *Reader) Time() *time.Time {
	text := r.String()
	if r.err != nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339, strings.ToUpper(text)) // "t" and "z" are allowed (5.6)
	if err != nil {
		r.Fail("is %s, not a time such as 2026-01-01T00:00:00Z", Echo(text))
		return nil
	}
	return &t
}
