package openai_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"a2alambda/internal/model"
	"a2alambda/internal/model/modeltest"
	"a2alambda/internal/model/openai"
	"a2alambda/internal/model/openai/openaitest"
	"a2alambda/internal/tool"
)

// TestModel has an endpoint that is played pass the suite.
func TestModel(t *testing.T) {
	modeltest.Test(t, func(t *testing.T) modeltest.Endpoint {
		s := openaitest.NewServer(t)
		return &endpoint{s, openai.New(openai.Config{URL: s.URL, Key: openaitest.Key, Model: "m"})}
	})
}

type endpoint struct {
	*openaitest.Server
	model *openai.Model
}

func (e *endpoint) Model() model.Model   { return e.model }
func (e *endpoint) Next() modeltest.Call { return call{e.Server.Next()} }

// Tries implements [modeltest.Endpoint].
func (e *endpoint) Tries(model.Kind) int { return 1 }

func (e *endpoint) Shut() {
	nobody := httptest.NewServer(nil)
	nobody.Close()
	e.model = openai.New(openai.Config{URL: nobody.URL, Key: openaitest.Key, Model: "m"})
}

type call struct{ *openaitest.Call }

func (c call) Gone() <-chan struct{} { return c.Call.Gone }

func (c call) End(stop model.Stop) {
	switch stop {
	case model.StopTools:
		c.Call.End("tool_calls")
	case model.StopTokens:
		c.EndAfter("length", 100)
	case model.StopWindow:
		c.Call.End("length")
	case model.StopFiltered:
		c.Call.End("content_filter")
	default:
		c.Call.End("stop")
	}
}

func (c call) Refuse(kind model.Kind) {
	switch kind {
	case model.Busy:
		c.Call.Refuse(429, "rate_limit_exceeded", "Too many requests")
	case model.TooLong:
		c.Call.Refuse(400, "context_length_exceeded", "This model's maximum context length is 8192 tokens.")
	case model.Refused:
		c.Call.Refuse(400, "invalid_value", "Invalid value")
	default:
		c.Call.Refuse(401, "invalid_api_key", "Incorrect API key provided: "+openaitest.Key)
	}
}

func (c call) Raise(kind model.Kind) {
	code := map[model.Kind]string{model.Busy: "rate_limit_exceeded", model.TooLong: "context_length_exceeded"}[kind]
	c.Send(map[string]any{"error": map[string]any{"message": "no", "code": code}})
	c.Close()
}

func (c call) CutInside() {
	c.Line(`data: {"choices":[{"ind`)
	c.Cut()
}

// Request implements [modeltest.Call].
func (c call) Request(t *testing.T) (r model.Request) {
	t.Helper()
	var body struct {
		Model         string
		Stream        bool
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
		MaxTokens int `json:"max_tokens"`
		Messages  []struct {
			Role       string
			Content    any
			ToolCallID string `json:"tool_call_id"`
			ToolCalls  []struct {
				ID, Type string
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		Tools []struct {
			Type     string
			Function struct {
				Name, Description string
				Parameters        json.RawMessage
			}
		}
	}
	if err := json.Unmarshal([]byte(c.Body), &body); err != nil {
		t.Fatal(err)
	}
	if body.Model != "m" || !body.Stream || !body.StreamOptions.IncludeUsage {
		t.Errorf("asked %s", c.Body)
	}
	r.MaxTokens = body.MaxTokens
	var results []model.Part
	for _, m := range body.Messages {
		if m.Role == "system" {
			r.System = m.Content.(string)
			continue
		}
		if m.Role == "tool" {
			text, failed := strings.CutPrefix(m.Content.(string), "Error: ")
			results = append(results, model.Part{Result: &model.Result{ID: m.ToolCallID, Text: text, Failed: failed}})
			continue
		}
		message := model.Message{Role: model.Role(m.Role)}
		switch content := m.Content.(type) {
		case string:
			message.Parts = append(message.Parts, model.Part{Text: content})
		case []any:
			for _, p := range content {
				p := p.(map[string]any)
				if text, ok := p["text"].(string); ok {
					message.Parts = append(message.Parts, model.Part{Text: text})
					continue
				}
				url := p["image_url"].(map[string]any)["url"].(string)
				mediaType, data, _ := strings.Cut(strings.TrimPrefix(url, "data:"), ";base64,")
				image, err := base64.StdEncoding.DecodeString(data)
				if err != nil {
					t.Error(err)
				}
				message.Parts = append(message.Parts, model.Part{File: &model.File{MediaType: mediaType, Bytes: image}})
			}
		}
		for _, tc := range m.ToolCalls {
			message.Parts = append(message.Parts, model.Part{Call: &model.Call{ID: tc.ID, Name: tc.Function.Name, Args: json.RawMessage(tc.Function.Arguments)}})
		}
		r.Messages = append(r.Messages, message)
	}
	if results != nil {
		r.Messages = append(r.Messages, model.Message{Role: model.User, Parts: results})
	}
	for _, f := range body.Tools {
		r.Tools = append(r.Tools, tool.Tool{Name: f.Function.Name, Description: f.Function.Description, Schema: f.Function.Parameters})
	}
	return r
}

// TestOthers answers as endpoints do that differ from OpenAI's.
func TestOthers(t *testing.T) {
	ask := func(t *testing.T, play func(c *openaitest.Call)) (*model.Answer, error) {
		t.Helper()
		s := openaitest.NewServer(t)
		m := openai.New(openai.Config{URL: s.URL + "/", Key: openaitest.Key, Model: "m"})
		go func() { play(s.Next()) }()
		r := &model.Request{Messages: []model.Message{{Role: model.User, Parts: []model.Part{{Text: "Hello"}}}}, MaxTokens: 10}
		return m.Answer(t.Context(), r, func(string) error { return nil })
	}
	toolCall := func(fields map[string]any, id, name, args string) map[string]any {
		fields["id"], fields["function"] = id, map[string]any{"name": name, "arguments": args}
		return map[string]any{"tool_calls": []any{fields}}
	}
	names := func(t *testing.T, a *model.Answer, err error) string {
		t.Helper()
		if err != nil || a.Stop != model.StopTools {
			t.Fatalf("got %+v, %v", a, err)
		}
		var all []string
		for _, c := range a.Calls {
			all = append(all, c.ID+" "+c.Name+string(c.Args))
		}
		return strings.Join(all, ", ")
	}
	const want = `a one{}, b two{"x":1}`
	t.Run("no indexes", func(t *testing.T) {
		a, err := ask(t, func(c *openaitest.Call) {
			c.Delta(toolCall(map[string]any{}, "a", "one", "{}"))
			c.Delta(toolCall(map[string]any{}, "b", "two", `{"x":1}`))
			c.End("stop")
		})
		if got := names(t, a, err); got != want {
			t.Errorf("got %s", got)
		}
	})
	t.Run("index 0 for all", func(t *testing.T) {
		a, err := ask(t, func(c *openaitest.Call) {
			c.Delta(toolCall(map[string]any{"index": 0}, "a", "one", "{}"))
			c.Delta(toolCall(map[string]any{"index": 0}, "b", "two", `{"x"`))
			c.Args(0, ":1}")
			c.End("tool_calls")
		})
		if got := names(t, a, err); got != want {
			t.Errorf("got %s", got)
		}
	})
	t.Run("comments", func(t *testing.T) {
		a, err := ask(t, func(c *openaitest.Call) {
			for range 1000 {
				c.Line(": still thinking\n\n")
			}
			c.Answer("Hi")
		})
		if err != nil || a.Text != "Hi" {
			t.Errorf("got %+v, %v", a, err)
		}
	})
	t.Run("no usage", func(t *testing.T) {
		a, err := ask(t, func(c *openaitest.Call) {
			c.Send(map[string]any{"choices": []any{map[string]any{"delta": map[string]any{"content": "Hi"}, "finish_reason": "stop"}}})
			c.Close()
		})
		if err != nil || a.Text != "Hi" || a.Usage != (model.Usage{}) {
			t.Errorf("got %+v, %v", a, err)
		}
	})
	for name, test := range map[string]struct {
		status int
		body   string
		want   model.Kind
	}{
		"no JSON":     {502, "<html>bad gateway " + openaitest.Key + "</html>", model.Busy},
		"no model":    {404, `{"error":{"message":"model 'm' not found","type":"not_found_error","param":null,"code":null}}`, model.Denied},
		"no money":    {429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, model.Denied},
		"llama.cpp":   {400, `{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}`, model.TooLong},
		"Azure":       {400, `{"error":{"message":"The response was filtered","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`, model.Withheld},
		"a redirect":  {307, ``, model.Denied},
		"a long text": {422, `{"error":{"message":"` + strings.Repeat("x", 10000) + `"}}`, model.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t, func(c *openaitest.Call) { c.RefuseAs(test.status, test.body) })
			if err == nil || model.KindOf(err.Error()) != test.want || strings.Contains(err.Error(), openaitest.Key) || len(err.Error()) > 2000 {
				t.Errorf("got %.3000v, want the kind %s", err, test.want)
			}
		})
	}
}
