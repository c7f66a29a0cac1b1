package aimock

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"a2alambda/internal/model"
	"a2alambda/internal/model/bedrock"
	"a2alambda/internal/model/openai"
	"a2alambda/internal/tool"
)

const fixtures = `{"fixtures": [
	{"match": {"userMessage": "hello"}, "response": {"content": "Hello! How can I help you today? 🌍"}},
	{"match": {"userMessage": "multiply", "hasToolResult": false}, "response": {"content": "Let me see.", "toolCalls": [
		{"name": "multiply", "arguments": {"a": 3, "b": 4}}, {"name": "now", "arguments": {}}]}},
	{"match": {"userMessage": "multiply", "hasToolResult": true}, "response": {"content": "It is twelve."}},
	{"match": {"userMessage": "long"}, "response": {"content": "Once upon a", "finishReason": "length"}},
	{"match": {"userMessage": "busy"}, "response": {"error": {"message": "Slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}, "status": 429}},
	{"match": {"userMessage": "bad"}, "response": {"error": {"message": "No such key", "type": "authentication_error", "code": "invalid_api_key"}, "status": 401}}
]}`

// TestProviders has both providers talk to a mock that was not written here: text in pieces, calls
// of tools and their results, an answer that was cut off, and errors.
func TestProviders(t *testing.T) {
	s := Start(t, fixtures)
	for name, m := range map[string]model.Model{
		"openai": openai.New(openai.Config{URL: s.URL + "/v1", Key: "sk-1", Model: "gpt-4o"}),
		"bedrock": &bedrock.Model{ID: "us.amazon.nova-lite-v1:0", Client: bedrock.NewClient(aws.Config{
			Region: "us-east-1", BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
			Retryer: func() aws.Retryer {
				return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
			},
		})},
	} {
		t.Run(name, func(t *testing.T) {
			tools := []tool.Tool{
				{Name: "multiply", Description: "Multiplies", Schema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}}}`)},
				{Name: "now", Schema: json.RawMessage(`{"type":"object"}`)},
			}
			ask := func(messages ...model.Message) (*model.Answer, int, error) {
				pieces := 0
				a, err := m.Answer(t.Context(), &model.Request{System: "Be brief.", Messages: messages, Tools: tools, MaxTokens: 100},
					func(string) error { pieces++; return nil })
				return a, pieces, err
			}
			user := func(text string) model.Message {
				return model.Message{Role: model.User, Parts: []model.Part{{Text: text}}}
			}
			a, pieces, err := ask(user("hello"))
			if err != nil || a.Text != "Hello! How can I help you today? 🌍" || a.Stop != model.StopEnd || pieces < 3 {
				t.Fatalf("got %+v in %d pieces, %v", a, pieces, err)
			}
			question := user("multiply 3 by 4")
			a, _, err = ask(question)
			if err != nil || a.Stop != model.StopTools || a.Text != "Let me see." || len(a.Calls) != 2 ||
				a.Calls[0].Name != "multiply" || string(a.Calls[0].Args) != `{"a":3,"b":4}` || a.Calls[1].Name != "now" || string(a.Calls[1].Args) != "{}" {
				t.Fatalf("got %+v, %v", a, err)
			}
			a, _, err = ask(question,
				model.Message{Role: model.Assistant, Parts: []model.Part{{Text: a.Text}, {Call: &a.Calls[0]}, {Call: &a.Calls[1]}}},
				model.Message{Role: model.User, Parts: []model.Part{
					{Result: &model.Result{ID: a.Calls[0].ID, Text: "twelve"}}, {Result: &model.Result{ID: a.Calls[1].ID, Text: "noon"}},
				}})
			if err != nil || a.Text != "It is twelve." || a.Stop != model.StopEnd || a.Calls != nil {
				t.Fatalf("got %+v, %v", a, err)
			}
			for text, kind := range map[string]model.Kind{"busy": model.Busy, "bad": model.Denied} {
				var e *model.Error
				if a, _, err := ask(user(text)); !errors.As(err, &e) || e.Kind != kind {
					t.Errorf("%s: got %+v, %v", text, a, err)
				}
			}
			if a, _, err := ask(user("long")); err != nil || a.Stop != model.StopTokens && a.Stop != model.StopWindow {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
	asked := strings.Join(s.Asked(), "\n")
	if !strings.Contains(asked, "multiply 3 by 4") {
		t.Errorf("aimock's journal has %s", asked)
	}
}
