// Package bedrock is models on Amazon Bedrock, by ConverseStream
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html).
package bedrock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"a2alambda/internal/model"
)

// Model is a [model.Model]. Client and ID are required.
type Model struct {
	// Client comes from [NewClient]. Its retryer repeats calls that Bedrock was too busy for,
	// before an answer has begun.
	Client *bedrockruntime.Client
	// ID is the id or the ARN of a model or an inference profile.
	ID string
	// Guardrail is the id or the ARN of a guardrail, and GuardrailVersion its version. Both may be
	// empty.
	Guardrail, GuardrailVersion string
}

// Answer implements [model.Model].
func (m *Model) Answer(ctx context.Context, r *model.Request, say func(string) error) (*model.Answer, error) {
	input, err := m.input(r)
	if err != nil {
		return nil, &model.Error{Kind: model.Refused, Err: err}
	}
	output, err := m.Client.ConverseStream(ctx, input)
	if err != nil {
		return nil, failure(ctx, err, false)
	}
	stream := output.GetStream()
	defer func() {
		stream.Close()
		for range stream.Events() { // until its reader has ended: no goroutine outlives a call
		}
	}()
	var a answer
	for e := range stream.Events() {
		if text := a.take(e); text != "" {
			if err := say(text); err != nil {
				return nil, err
			}
		}
	}
	if a.stop == "" { // the connection ended, but not the answer
		return nil, failure(ctx, cmp.Or(stream.Err(), errCut), true)
	}
	return a.whole()
}

// answer is an answer that comes.
type answer struct {
	text  strings.Builder
	calls []*call
	stop  types.StopReason
	usage model.Usage
}

// call is a call of a tool that comes.
type call struct {
	block    int32
	id, name string
	args     strings.Builder
}

// take takes an event, and returns the text in it.
func (a *answer) take(e types.ConverseStreamOutput) string {
	switch e := e.(type) {
	case *types.ConverseStreamOutputMemberContentBlockStart:
		if tool, ok := e.Value.Start.(*types.ContentBlockStartMemberToolUse); ok {
			a.calls = append(a.calls, &call{block: deref(e.Value.ContentBlockIndex), id: deref(tool.Value.ToolUseId), name: deref(tool.Value.Name)})
		}
	case *types.ConverseStreamOutputMemberContentBlockDelta:
		// Other deltas are what the model thinks, not its answer.
		switch d := e.Value.Delta.(type) {
		case *types.ContentBlockDeltaMemberText:
			a.text.WriteString(d.Value)
			return d.Value
		case *types.ContentBlockDeltaMemberToolUse:
			block := deref(e.Value.ContentBlockIndex)
			if i := slices.IndexFunc(a.calls, func(c *call) bool { return c.block == block }); i >= 0 {
				a.calls[i].args.WriteString(deref(d.Value.Input))
			}
		}
	case *types.ConverseStreamOutputMemberMessageStop:
		a.stop = e.Value.StopReason
	case *types.ConverseStreamOutputMemberMetadata:
		if u := e.Value.Usage; u != nil {
			a.usage = model.Usage{Input: int64(deref(u.InputTokens)), Output: int64(deref(u.OutputTokens))}
		}
	}
	return ""
}

// whole returns the answer, at its end.
func (a *answer) whole() (*model.Answer, error) {
	whole := &model.Answer{Text: a.text.String(), Usage: a.usage}
	switch a.stop {
	case types.StopReasonEndTurn, types.StopReasonStopSequence, types.StopReasonToolUse:
		whole.Stop = model.StopEnd
		for _, c := range a.calls {
			whole.Calls = append(whole.Calls, model.NewCall(c.id, c.name, c.args.String()))
			whole.Stop = model.StopTools
		}
	case types.StopReasonMaxTokens:
		whole.Stop = model.StopTokens
	case types.StopReasonModelContextWindowExceeded:
		whole.Stop = model.StopWindow
	case types.StopReasonContentFiltered, types.StopReasonGuardrailIntervened:
		whole.Stop = model.StopFiltered
	default:
		return nil, &model.Error{Kind: model.Broken, Err: fmt.Errorf("bedrock: the model stopped with %q", a.stop)}
	}
	return whole, nil
}

var errCut = errors.New("bedrock: the stream ended before the answer did")

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
