// Package model is an agent that answers with a large language model, and acts: it calls tools and
// other agents, asks its user before what cannot be undone, and remembers the conversation of a
// context. It is a durable agent: see [Agent]. The models are behind [Model], one package for each
// provider.
//
// # Files
//
// model.go and errors.go are what is between the loop and a provider. agent.go has the loop,
// answer.go one call of the model, speaker.go what of it clients see, call.go and peer.go the
// calls of tools and peers, approval.go the question before them. conversation.go, memory.go and
// files.go make what the model reads.
package model

import (
	"context"
	"encoding/json"

	"a2alambda/internal/tool"
)

// Model is a large language model behind a provider's API. It is safe for concurrent use.
type Model interface {
	// Answer has the model go on with a conversation. It calls say with each piece of the text as
	// it comes, never with "", from one goroutine. An error of say ends the answer, and is returned.
	//
	// Other errors are an [*Error], or the cause of ctx if that has ended: the call ends with it.
	// Their texts have no credentials. If text was said before, it is not whole.
	Answer(ctx context.Context, r *Request, say func(text string) error) (*Answer, error)

	// Reads reports whether the model takes files of a media type, which has no parameters.
	Reads(mediaType string) bool
}

// Request is a conversation to go on with.
type Request struct {
	// System is the system prompt. It may be empty.
	System string
	// Messages begin and end with the user's, and the roles alternate. Each call of an answer has
	// its result in the message after it.
	Messages []Message
	// Tools are what the model may call. If Messages have calls, there is at least one.
	Tools []tool.Tool
	// MaxTokens is the most tokens of the answer.
	MaxTokens int
}

// Role says whose a message is.
type Role string

// The roles.
const (
	User      Role = "user"
	Assistant Role = "assistant"
)

// Message is one message of a conversation.
type Message struct {
	Role  Role   `json:"role"`
	Parts []Part `json:"parts"`
}

// Part is a part of a message: one of its fields is set. A text is not blank.
type Part struct {
	Text   string  `json:"text,omitempty"`
	File   *File   `json:"file,omitempty"`   // of the user
	Call   *Call   `json:"call,omitempty"`   // of the assistant
	Result *Result `json:"result,omitempty"` // of the user
}

// File is a file that the model [Model.Reads].
type File struct {
	MediaType string `json:"mediaType"`
	Name      string `json:"name,omitempty"`
	Bytes     []byte `json:"bytes"`
}

// Call is a call of a tool that the model asks for.
type Call struct {
	// ID is unique in the conversation.
	ID   string `json:"id"`
	Name string `json:"name"`
	// Args is a JSON object, {} if the model gave none.
	Args json.RawMessage `json:"args"`
	// Malformed is what the model gave instead of a JSON object. Args is {} then.
	Malformed string `json:"malformed,omitempty"`
}

// Result is what came of a call.
type Result struct {
	ID     string `json:"id"` // of the call
	Text   string `json:"text"`
	Images []File `json:"images,omitempty"`
	Failed bool   `json:"failed,omitempty"`

	waits *waits // what the peer waits for that was called
}

// Answer is what the model said.
type Answer struct {
	Text string
	// Calls are empty unless Stop is StopTools.
	Calls []Call
	Stop  Stop
	Usage Usage
}

// Stop says why an answer ends.
type Stop string

// Why an answer ends. The names are Amazon Bedrock's, for all providers.
const (
	// StopEnd: the model has finished.
	StopEnd Stop = "end_turn"
	// StopTools: the model waits for the results of its calls.
	StopTools Stop = "tool_use"
	// StopTokens: the answer has MaxTokens.
	StopTokens Stop = "max_tokens"
	// StopWindow: the conversation is as long as the model can read.
	StopWindow Stop = "model_context_window_exceeded"
	// StopFiltered: a content filter or a guardrail has stopped it.
	StopFiltered Stop = "content_filtered"
)

// Usage is how many tokens a call of the model took. 0 if the provider does not say it.
type Usage struct {
	Input  int64 `json:"in,omitempty"`
	Output int64 `json:"out,omitempty"`
}
