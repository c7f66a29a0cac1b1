// Package openai is models behind an endpoint that speaks OpenAI's chat completions
// (https://platform.openai.com/docs/api-reference/chat/create), as OpenAI does, and Ollama, vLLM,
// llama.cpp and many others.
package openai

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"a2alambda/internal/model"
)

// Config says where the model is.
type Config struct {
	// URL is the base URL, such as http://localhost:11434/v1. Required.
	URL string
	// Key is the API key. It may be empty.
	Key string
	// Model is the model's name. Required.
	Model string
	// HTTP is for the requests. It may be nil.
	HTTP *http.Client
}

// Model is a [model.Model].
type Model struct {
	client *openai.Client
	config Config
}

const (
	// maxLines is how many lines without data may come in a row, such as comments that keep a
	// connection open while the model thinks.
	maxLines = 1 << 20

	// idle is how long a connection is kept: after a freeze, most are dead.
	idle = 45 * time.Second

	// maxResponse is the most bytes of a response.
	maxResponse = 64 << 20
)

// New returns a model.
func New(c Config) *Model {
	config := openai.DefaultConfig(c.Key)
	config.BaseURL, config.EmptyMessagesLimit = strings.TrimRight(c.URL, "/"), maxLines
	client := c.HTTP
	if client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.IdleConnTimeout = idle
		client = &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	config.HTTPClient = bounded{client}
	return &Model{openai.NewClientWithConfig(config), c}
}

// bounded reads no more than maxResponse of a response.
type bounded struct{ client *http.Client }

func (b bounded) Do(r *http.Request) (*http.Response, error) {
	resp, err := b.client.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 3 { // it would be read as an answer
		resp.Body.Close()
		return nil, &openai.RequestError{HTTPStatusCode: resp.StatusCode, Body: []byte("redirects are not followed")}
	}
	if after, ok := r.Context().Value(afterKey{}).(*time.Duration); ok && resp.StatusCode/100 != 2 {
		*after = model.RetryAfter(resp.Header)
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxResponse), resp.Body}
	return resp, nil
}

// Reads implements [model.Model]. A model that reads no images refuses the conversation.
func (m *Model) Reads(mediaType string) bool {
	return slices.Contains([]string{"image/png", "image/jpeg", "image/gif", "image/webp"}, mediaType)
}

// Answer implements [model.Model].
func (m *Model) Answer(ctx context.Context, r *model.Request, say func(string) error) (*model.Answer, error) {
	ctx, cancel := context.WithCancel(context.WithValue(ctx, afterKey{}, new(time.Duration)))
	defer cancel()
	stream, err := m.client.CreateChatCompletionStream(ctx, m.request(r))
	if err != nil {
		return nil, m.failure(ctx, err, false)
	}
	defer stream.Close()
	a := answer{most: r.MaxTokens}
	for {
		line, err := stream.RecvRaw()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, m.failure(ctx, err, true)
		}
		var c chunk
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, m.failure(ctx, fmt.Errorf("a line of the stream: %w", err), true)
		}
		if c.Error != nil {
			return nil, m.failure(ctx, c.Error, true)
		}
		text := a.take(&c)
		if a.size > maxAnswer {
			return nil, &model.Error{Kind: model.Denied, Err: fmt.Errorf("openai: %w", errTooMuch)}
		}
		if text != "" {
			if err := say(text); err != nil {
				return nil, err
			}
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	whole, err := a.whole()
	if err != nil {
		return nil, m.failure(ctx, err, true)
	}
	return whole, nil
}

// chunk is a chunk of a stream. Some endpoints put an error into one.
type chunk struct {
	openai.ChatCompletionStreamResponse
	Error *openai.APIError `json:"error"`
	// Usage is read apart: an answer that is whole does not fail for what is said of its tokens.
	Usage json.RawMessage `json:"usage"`
}

func (m *Model) request(r *model.Request) openai.ChatCompletionRequest {
	q := openai.ChatCompletionRequest{
		Model: m.config.Model, Stream: true, StreamOptions: &openai.StreamOptions{IncludeUsage: true},
	}
	if thinks(m.config.Model) {
		q.MaxCompletionTokens = r.MaxTokens
	} else {
		//lint:ignore SA1019 all endpoints know it, and many nothing else
		q.MaxTokens = r.MaxTokens
	}
	for _, t := range r.Tools {
		q.Tools = append(q.Tools, openai.Tool{Type: openai.ToolTypeFunction, Function: &openai.FunctionDefinition{
			Name: t.Name, Description: t.Description, Parameters: t.Schema,
		}})
	}
	if r.System != "" {
		q.Messages = append(q.Messages, openai.ChatCompletionMessage{Role: openai.ChatMessageRoleSystem, Content: r.System})
	}
	for _, message := range r.Messages {
		q.Messages = append(q.Messages, messages(message)...)
	}
	return q
}

// thinks reports whether a model is one of OpenAI's that refuse max_tokens.
func thinks(name string) bool {
	return slices.ContainsFunc([]string{"o1", "o3", "o4", "gpt-5", "gpt-6"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// messages returns a message: results of tools are messages of their own, before what the user
// says, and their images come after them, since such a message has text only.
func messages(message model.Message) (all []openai.ChatCompletionMessage) {
	var texts []string
	var parts []openai.ChatMessagePart
	var calls []openai.ToolCall
	hasFiles := false
	for _, p := range message.Parts {
		switch {
		case p.Result != nil:
			text := p.Result.Text
			if p.Result.Failed {
				text = "Error: " + text
			}
			all = append(all, openai.ChatCompletionMessage{Role: openai.ChatMessageRoleTool, ToolCallID: p.Result.ID, Content: text})
			for _, f := range p.Result.Images {
				parts, hasFiles = append(parts, textPart("An image in the result of "+p.Result.ID+":"), imagePart(&f)), true
			}
		case p.Call != nil:
			calls = append(calls, openai.ToolCall{ID: p.Call.ID, Type: openai.ToolTypeFunction, Function: openai.FunctionCall{
				Name: p.Call.Name, Arguments: string(p.Call.Args),
			}})
		case p.File != nil:
			parts, hasFiles = append(parts, imagePart(p.File)), true
		default:
			texts, parts = append(texts, p.Text), append(parts, textPart(p.Text))
		}
	}
	own := openai.ChatCompletionMessage{Role: string(message.Role), ToolCalls: calls}
	if hasFiles {
		own.MultiContent = parts
	} else {
		own.Content = strings.Join(texts, "\n") // which all endpoints take
	}
	if len(parts) > 0 || len(calls) > 0 {
		all = append(all, own)
	}
	return all
}

func textPart(text string) openai.ChatMessagePart {
	return openai.ChatMessagePart{Type: openai.ChatMessagePartTypeText, Text: text}
}

func imagePart(f *model.File) openai.ChatMessagePart {
	return openai.ChatMessagePart{Type: openai.ChatMessagePartTypeImageURL, ImageURL: &openai.ChatMessageImageURL{
		URL: "data:" + f.MediaType + ";base64," + base64.StdEncoding.EncodeToString(f.Bytes),
	}}
}
