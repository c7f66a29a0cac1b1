package protojson

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Object reads an object without a schema, as [Reader.Any] does.
func (r *Reader) Object() map[string]any {
	if r.err == nil && r.Kind() != "an object" {
		r.unexpected("an object")
	}
	object, _ := r.Any().(map[string]any)
	return object
}

// Any reads a value without a schema: nil, or a bool, string, float64, []any or map[string]any. A
// number that a float64 would change, such as a large integer, is a [json.Number] with all of its
// digits.
func (r *Reader) Any() any {
	if r.err != nil {
		return nil
	}
	r.space()
	switch r.data[r.i] {
	case '{':
		object := map[string]any{}
		for r.i++; r.err == nil && r.more('}'); {
			key := unquote(r.quoted())
			r.space()
			r.i++ // the colon
			object[key] = r.Any()
			if r.err != nil {
				r.err.in("." + key)
			}
		}
		return object
	case '[':
		list := []any{}
		for r.i++; r.err == nil && r.more(']'); {
			list = append(list, r.Any())
			if r.err != nil {
				r.err.in("[" + strconv.Itoa(len(list)-1) + "]")
			}
		}
		return list
	case '"':
		return unquote(r.quoted())
	case 'n':
		r.scalar()
		return nil
	case 't', 'f':
		return string(r.scalar()) == "true"
	}
	text := string(r.scalar())
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && !r.Stored:
		r.Fail("is a number that is too large")
		return nil
	case err != nil || !same(f, text):
		return json.Number(text)
	}
	return f
}

// same reports whether f, read from the text and printed again, is the same number.
func same(f float64, text string) bool {
	if len(text) <= 15 && !strings.ContainsAny(text, "eE") {
		return true // a float64 keeps 15 digits
	}
	digits, exponent := decimal(text)
	printed, printedExponent := decimal(strconv.FormatFloat(f, 'e', -1, 64))
	return digits == printed && exponent == printedExponent
}

// decimal returns a number as 0.digits times ten to the exponent. The digits have no zeros at their
// ends.
func decimal(number string) (digits string, exponent int) {
	number = strings.TrimPrefix(number, "-")
	if mantissa, power, ok := strings.Cut(strings.ToLower(number), "e"); ok {
		exponent, _ = strconv.Atoi(power) // too large for it is too large for a float64
		number = mantissa
	}
	whole, fraction, _ := strings.Cut(number, ".")
	digits = whole + fraction
	exponent += len(whole)
	significant := strings.TrimLeft(digits, "0")
	exponent -= len(digits) - len(significant)
	if digits = strings.TrimRight(significant, "0"); digits == "" {
		exponent = 0
	}
	return digits, exponent
}
