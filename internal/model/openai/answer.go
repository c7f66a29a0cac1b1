package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	openai "github.com/sashabaranov/go-openai"

	"a2alambda/internal/model"
)

const (
	// maxAnswer is the most bytes of an answer's text and arguments: some million tokens. An endpoint
	// that gives more does not keep to max_tokens.
	maxAnswer = 4 << 20

	// maxCalls is how many calls of an answer are read.
	maxCalls = 256
)

var errTooMuch = fmt.Errorf("the answer has more than %d MB, whatever its max_tokens", maxAnswer>>20)

// answer is an answer that comes.
type answer struct {
	most  int // tokens
	text  strings.Builder
	calls []*call
	stop  openai.FinishReason
	usage model.Usage
	size  int // bytes so far
}

// call is a call of a tool that comes.
type call struct {
	index    int
	id, name string
	args     strings.Builder
}

// take takes a chunk, and returns the text in it.
func (a *answer) take(c *chunk) string {
	var used struct {
		Prompt     float64 `json:"prompt_tokens"`
		Completion float64 `json:"completion_tokens"`
	}
	if json.Unmarshal(c.Usage, &used) == nil && used.Prompt+used.Completion != 0 {
		a.usage = model.Usage{Input: tokens(used.Prompt), Output: tokens(used.Completion)}
	}
	text := ""
	for _, choice := range c.Choices {
		if choice.Index != 0 {
			continue
		}
		text += choice.Delta.Content + choice.Delta.Refusal
		for _, t := range choice.Delta.ToolCalls {
			a.tool(t)
		}
		if choice.FinishReason != "" && choice.FinishReason != openai.FinishReasonNull {
			a.stop = choice.FinishReason
		}
	}
	a.size += len(text)
	a.text.WriteString(text)
	return text
}

// tokens returns a number of tokens: none is more than 1 << 40.
func tokens(n float64) int64 { return int64(min(max(n, 0), 1<<40)) }

// tool takes a piece of a call. By the index it belongs to a call, but some endpoints give none, or
// 0 for all: there another id begins another call.
func (a *answer) tool(t openai.ToolCall) {
	var c *call
	for _, known := range a.calls {
		if t.Index == nil || known.index == *t.Index {
			c = known // the last one
		}
	}
	if c == nil || t.ID != "" && c.id != "" && t.ID != c.id {
		if len(a.calls) == maxCalls {
			return
		}
		c = new(call)
		if t.Index != nil {
			c.index = *t.Index
		}
		a.calls = append(a.calls, c)
	}
	if c.id == "" {
		c.id = t.ID
	}
	if c.name == "" {
		c.name = t.Function.Name
	}
	a.size += len(t.Function.Arguments)
	c.args.WriteString(t.Function.Arguments)
}

var errCut = errors.New("the stream ended before the answer did")

// whole returns the answer, at its end.
func (a *answer) whole() (*model.Answer, error) {
	whole := &model.Answer{Text: a.text.String(), Usage: a.usage}
	switch a.stop {
	case openai.FinishReasonStop, openai.FinishReasonToolCalls, openai.FinishReasonFunctionCall:
		whole.Stop = model.StopEnd
		for _, c := range a.calls { // some endpoints stop with "stop" there, too
			whole.Calls = append(whole.Calls, model.NewCall(c.id, c.name, c.args.String()))
			whole.Stop = model.StopTools
		}
	case openai.FinishReasonLength:
		whole.Stop = model.StopTokens
		if a.usage.Output > 0 && a.usage.Output < int64(a.most) {
			whole.Stop = model.StopWindow
		}
	case openai.FinishReasonContentFilter:
		whole.Stop = model.StopFiltered
	case "":
		return nil, errCut
	default:
		return nil, fmt.Errorf("the model stopped with %q", a.stop)
	}
	return whole, nil
}
