package a2ahttp

import (
	"errors"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/dialect"
	"a2alambda/internal/protojson"
	"a2alambda/internal/server"
)

const (
	// maxDepth is how many levels deep the objects and arrays of params may be nested.
	// [encoding/json] takes 10,000, but what a client sends is stored some levels deeper than it
	// came: a task that was stored at the limit could never be read again.
	maxDepth = 500

	// maxValues is how many values there may be in a body, whatever they are for: decoded, a small
	// value takes a hundred times the bytes that it has in the body.
	maxValues = 100_000
)

// scan returns an error if the body, in which the params are that many levels deep, is not to be
// decoded.
func scan(body []byte, deep int) error {
	err := protojson.Scan(body, protojson.Limits{Values: maxValues, Depth: maxDepth + deep})
	switch {
	case errors.Is(err, protojson.ErrSyntax):
		return a2a.NewError(a2a.ErrParseError, "the body is "+err.Error())
	case errors.Is(err, protojson.ErrTooDeep):
		return server.Invalid("params", "are nested more than %d levels deep", maxDepth)
	case errors.Is(err, protojson.ErrTooManyValues):
		return server.Invalid("params", "are in a request of more than %d JSON values", maxValues)
	}
	return err
}

// newParams returns the reader of the params in a JSON object, which may be nil, and of those that
// are given besides.
func newParams(d *dialect.Dialect, object []byte, given map[string][]byte) *protojson.Reader {
	if object == nil {
		object = []byte("{}")
	}
	r := protojson.NewReader(object)
	r.Lenient, r.Given = d.Lenient, given
	return r
}

// paramsError returns what a client is told of an error of the reader of its params.
func paramsError(err error) error {
	field := (*protojson.FieldError)(nil)
	if !errors.As(err, &field) {
		return err
	}
	name := field.Field
	if name == "" {
		name = "params"
	}
	return server.Invalid(name, "%s", field.Problem)
}
