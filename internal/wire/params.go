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

// params decodes the params of a request.
func params[T any](data json.RawMessage) (*T, error) {
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return nil, server.Invalid("params", "are required")
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

// camelKeys returns the JSON with its keys in camelCase, as specification 5.5 wants them, where they are in snake_case: a parser of
// protocol buffers' JSON takes both. What is the client's own, in metadata and in data parts, stays as it is.
func camelKeys(data []byte) []byte {
	if !hasSnakeKey(data) {
		return data
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return data // whoever decodes it next will say so
	}
	renamed, err := json.Marshal(camel(v))
	if err != nil {
		return data
	}
	return renamed
}

// hasSnakeKey reports whether there may be a key with an underscore: enum values have them, too, and bodies may be long.
func hasSnakeKey(data []byte) bool {
	for {
		i := bytes.IndexByte(data, '_')
		if i < 0 {
			return false
		}
		data = data[i:]
		end := bytes.IndexAny(data, "\" \\\n") // of the word
		if end < 0 {
			return false
		}
		rest := bytes.TrimLeft(data[end+1:], " \t\r\n")
		if data[end] == '"' && len(rest) > 0 && rest[0] == ':' {
			return true
		}
		data = data[end:]
	}
}

func camel(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = camel(v[i])
		}
	case map[string]any:
		for k, member := range v {
			if k != "metadata" && k != "data" {
				v[k] = camel(member)
			}
			if name := camelKey(k); name != k {
				if _, both := v[name]; !both {
					v[name] = v[k]
				}
				delete(v, k)
			}
		}
	}
	return v
}

func camelKey(k string) string {
	words := strings.Split(k, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}
