package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/server"
)

const (
	// maxDepth is how many levels deep the objects and arrays of params may be nested. [json.Unmarshal] takes 10,000, but what a
	// client sends is stored some levels deeper than it came: a task that was stored at the limit could never be read again.
	maxDepth = 500

	// maxValues is how many values there may be in params, about: decoded, a small one takes a hundred times its bytes.
	maxValues = 250_000
)

// params decodes the params of a request.
func params[T any](data json.RawMessage) (*T, error) {
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return nil, server.Invalid("params", "are required")
	}
	switch depth, values := extent(data); {
	case depth > maxDepth:
		return nil, server.Invalid("params", "are nested more than %d levels deep", maxDepth)
	case values > maxValues:
		return nil, server.Invalid("params", "have more than %d values", maxValues)
	}
	p := new(T)
	err := json.Unmarshal(camelKeys(data), p)
	if err == nil {
		return p, nil
	}
	var wrongType *json.UnmarshalTypeError
	var noTime *time.ParseError
	switch {
	case errors.As(err, &noTime):
		return nil, a2a.NewError(a2a.ErrInvalidParams, fmt.Sprintf("params: %q is not a time such as 2026-01-01T00:00:00Z", noTime.Value))
	case !errors.As(err, &wrongType):
		return nil, a2a.NewError(a2a.ErrInvalidParams, "params: "+strings.TrimPrefix(err.Error(), "json: "))
	case wrongType.Field == "":
		return nil, a2a.NewError(a2a.ErrInvalidParams, "params: unexpected "+wrongType.Value)
	}
	return nil, a2a.NewError(a2a.ErrInvalidParams, "params."+wrongType.Field+": unexpected "+wrongType.Value)
}

// listParams decodes the params of ListTasks, all of which are optional.
func listParams(data json.RawMessage) (*a2a.ListTasksRequest, error) {
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return new(a2a.ListTasksRequest), nil
	}
	p, err := params[struct {
		a2a.ListTasksRequest
		PageSize *int `json:"pageSize"` // the SDK's type can't tell none from 0
	}](data)
	if err != nil {
		return nil, err
	}
	if p.PageSize != nil {
		if *p.PageSize < 1 {
			return nil, server.Invalid("pageSize", "is not between 1 and 100")
		}
		p.ListTasksRequest.PageSize = *p.PageSize
	}
	return &p.ListTasksRequest, nil
}
