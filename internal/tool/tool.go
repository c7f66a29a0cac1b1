// Package tool says what a model can call: a tool, and what comes of a call. Who has the tools (MCP
// servers, other agents) makes values of it; the loop calls them.
package tool

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// ErrUnsent means that a call was not made: the tool has not got it, and has done nothing.
var ErrUnsent = errors.New("the tool was not called")

// Tool is one thing that a model can call.
type Tool struct {
	// Name is 1 to 64 of A-Z, a-z, 0-9, _ and -, which is what all providers take. It is
	// unique among the tools of an agent.
	Name string
	// Description tells the model what the tool does. It may be empty.
	Description string
	// Schema is the JSON Schema of the arguments. It is a JSON object whose type is object.
	Schema json.RawMessage
	// Once says that the tool may not be called again after an attempt whose outcome is unknown:
	// what it does is neither without effect nor the same when done twice.
	Once bool
	// Approve says that a call waits for the user's yes.
	Approve bool
	// Call calls the tool with a JSON object. Its error means that the tool could not be reached,
	// or broke: ErrUnsent, if it has not got the call. Otherwise a tool that is not Once is called
	// again, a few times. The text is told to the model, so it has no secrets. Call returns when
	// ctx ends, and may be used from several goroutines.
	// [durable.Key] of ctx is the same at each attempt of one call.
	Call func(ctx context.Context, args json.RawMessage) (Result, error)
}

// Result is what a tool said. It is kept in the task's journal as JSON, and told to the model in
// each later round, so whoever makes it bounds it.
type Result struct {
	// Text is what the model reads.
	Text string `json:"text,omitempty"`
	// Parts are for the client: images, audio, files, structured content. They may be empty. The
	// model sees the images among them, if it can read images.
	Parts []*a2a.Part `json:"parts,omitempty"`
	// Failed says that the tool calls this a failure. It has answered, so it is not called again.
	Failed bool `json:"failed,omitempty"`
}

// IsName reports whether a tool can have the name: up to 64 letters, digits, - and _, which all
// providers of models take. It is no regular expression, which would take a fifth of a millisecond
// of each cold start to compile.
func IsName(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}
