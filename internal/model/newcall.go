package model

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxMalformed is the most bytes of arguments that are no JSON object and are kept all the same.
const maxMalformed = 1 << 10

// NewCall returns a call with arguments as a provider gives them, in text.
func NewCall(id, name, args string) Call {
	c := Call{ID: id, Name: name, Args: json.RawMessage("{}")}
	if strings.TrimSpace(args) == "" {
		return c
	}
	var object map[string]json.RawMessage
	var compact bytes.Buffer
	if json.Unmarshal([]byte(args), &object) != nil || object == nil || json.Compact(&compact, []byte(args)) != nil {
		c.Malformed = strings.ToValidUTF8(args[:min(len(args), maxMalformed)], "")
		return c
	}
	c.Args = compact.Bytes()
	return c
}
