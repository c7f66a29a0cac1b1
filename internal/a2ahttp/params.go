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
	// [encoding/json] takes 10,000, but a task wraps what a client sends in some more levels:
	// stored at that limit, it could never be read again.
	maxDepth = 500

	// maxValues is how many JSON values a body may have, whatever they are for: decoded, a small
	// value takes a hundred times its bytes.
	maxValues = 100_000
)

// scan returns an error if the body must not be decoded. Its params are deep levels below the top.
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

// newParams returns the reader of the params: a JSON object, which may be nil, and those given
// apart.
func newParams(d *dialect.Dialect, object []byte, given map[string][]byte) *protojson.Reader {
	if object == nil {
		object = []byte("{}")
	}
	r := protojson.NewReader(object)
	r.Lenient, r.Given = d.Lenient, given
	return r
}

// paramsError returns an error of the params' reader as a client sees it.
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
