package model

import (
	"encoding/json"
	"io"
	"strings"

	"a2alambda/internal/jsonline"
)

const (
	// maxMalformed is the most bytes of arguments that are no JSON object and are kept all the same.
	maxMalformed = 1 << 10

	// maxNested is how deep arguments may be nested. What is some thousand levels deep can be written
	// to a task, but not read again.
	maxNested = 100
)

// NewCall returns a call with arguments as a provider gives them, in text. They become the JSON that
// a reader makes of them, with the digits of numbers: what a user approves, a tool must not read in
// another way, as it could where a key is there twice.
func NewCall(id, name, args string) Call {
	c := Call{ID: id, Name: name, Args: json.RawMessage("{}")}
	if strings.TrimSpace(args) == "" {
		return c
	}
	d := json.NewDecoder(strings.NewReader(args))
	d.UseNumber()
	var object map[string]any
	err := d.Decode(&object)
	if _, more := d.Token(); err != nil || object == nil || more != io.EOF || nested(object) > maxNested {
		c.Malformed = strings.ToValidUTF8(args[:min(len(args), maxMalformed)], "")
		return c
	}
	if plain, err := jsonline.Marshal(object); err == nil {
		c.Args = plain
	}
	return c
}

// nested returns how deep a value is nested.
func nested(v any) (levels int) {
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			levels = max(levels, nested(x))
		}
		return levels + 1
	case []any:
		for _, x := range v {
			levels = max(levels, nested(x))
		}
		return levels + 1
	}
	return 0
}
