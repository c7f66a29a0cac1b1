// Package bedrock is an agent that answers with a large language model on Amazon Bedrock, by
// ConverseStream
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html), and
// streams the text as it comes. It remembers the conversation, and knows nothing of HTTP or
// storage.
package bedrock

import (
	"cmp"
	"context"
	"fmt"
	"iter"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
)

// Executor answers each message with a task of its own. It is an [a2asrv.AgentExecutor] and a
// run.Resumer. Only System may be empty.
type Executor struct {
	// Client comes from [NewClient]. Its retryer repeats calls that Bedrock was too busy for,
	// before an answer has begun.
	Client *bedrockruntime.Client
	// Model is the id or the ARN of a model or an inference profile.
	Model string
	// System is the system prompt.
	System string
	// MaxTokens is the most tokens in an answer.
	MaxTokens int32
	// Earlier returns the last ended tasks of the conversation, n at most, the oldest first.
	Earlier func(ctx context.Context, n int) ([]*a2a.Task, error)
}

// answerID and answerName are a task's one artifact. Its last chunk is empty. That chunk's metadata
// has the reason why the model stopped, and the tokens to pay for.
const (
	answerID   = "answer"
	answerName = "answer"

	metaStop   = "stopReason"
	metaInput  = "inputTokens"
	metaOutput = "outputTokens"
)

// What a client sees.
const (
	textNoText    = "Please send text, and nothing else: this agent reads no files or data."
	textBusy      = "The model is busy. Try again in a minute."
	textRefused   = "The model does not take this conversation. It may be too long: try again with less, or in a new context."
	textBrokenOff = "The model broke off in the middle of its answer. Try again."
	textWithheld  = "The answer was withheld by a content filter."
	textCut       = "The answer was cut off after %d tokens, the most that it may have. Ask to go on in the same context."
	textFull      = "The answer was cut off: the conversation is as long as the model can read. Go on in a new context."
	textNoAnswer  = "The model stopped without finishing its answer."
)

// Execute implements [a2asrv.AgentExecutor]: a new task, working, the chunks of the answer, and how
// it ended.
func (x *Executor) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		if ec.StoredTask == nil && !yield(a2a.NewSubmittedTask(ec, ec.Message), nil) {
			return
		}
		x.answer(ctx, ec, "", yield)
	}
}

// Resume implements run.Resumer: the model goes on from what it has said. A message asks it to,
// since not all models complete the beginning of an answer.
func (x *Executor) Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		for _, a := range ec.StoredTask.Artifacts {
			if stop, ok := a.Metadata[metaStop].(string); ok && a.ID == answerID {
				yield(x.end(ec, types.StopReason(stop)), nil)
				return
			}
		}
		x.answer(ctx, ec, answerIn(ec.StoredTask), yield)
	}
}

// Cancel implements [a2asrv.AgentExecutor]. The model's call has ended with the run's context.
func (x *Executor) Cancel(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCanceled, nil), nil)
	}
}

// answer yields an answer, without its beginning if some of it was said before.
func (x *Executor) answer(ctx context.Context, ec *a2asrv.ExecutorContext, said string, yield func(a2a.Event, error) bool) {
	question, ok := textOf(ec.Message.Parts)
	if !ok {
		yield(status(ec, a2a.TaskStateRejected, textNoText), nil)
		return
	}
	if !yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil) {
		return
	}
	if err := x.stream(ctx, ec, question, said, yield); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // which says what this means for the task
		}
		yield(nil, err)
	}
}

// stream calls the model and yields what it says, up to the end of the task.
func (x *Executor) stream(
	ctx context.Context, ec *a2asrv.ExecutorContext, question, said string, yield func(a2a.Event, error) bool,
) error {
	earlier, err := x.Earlier(ctx, memoryTasks)
	if err != nil {
		return fmt.Errorf("bedrock: remembering the conversation: %w", err)
	}
	input := &bedrockruntime.ConverseStreamInput{
		ModelId:         &x.Model,
		Messages:        conversation(earlier, question, said),
		InferenceConfig: &types.InferenceConfiguration{MaxTokens: &x.MaxTokens},
	}
	if x.System != "" {
		input.System = []types.SystemContentBlock{&types.SystemContentBlockMemberText{Value: x.System}}
	}
	output, err := x.Client.ConverseStream(ctx, input)
	if err != nil {
		return failure(err, false)
	}
	stream := output.GetStream()
	defer func() {
		stream.Close()
		for range stream.Events() { // until its reader has ended: no goroutine outlives a run
		}
	}()
	begun := said != ""
	chunk := func(text string) *a2a.TaskArtifactUpdateEvent {
		e := a2a.NewArtifactUpdateEvent(ec, answerID, a2a.NewTextPart(text))
		e.Artifact.Name, e.Append = answerName, begun
		begun = true
		return e
	}
	var stop types.StopReason
	last := map[string]any{}
	for e := range stream.Events() {
		switch e := e.(type) {
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			// Other deltas are what the model thinks, not its answer.
			if text, ok := e.Value.Delta.(*types.ContentBlockDeltaMemberText); ok && text.Value != "" && !yield(chunk(text.Value), nil) {
				return nil
			}
		case *types.ConverseStreamOutputMemberMessageStop:
			stop = e.Value.StopReason
			last[metaStop] = string(stop)
		case *types.ConverseStreamOutputMemberMetadata:
			if u := e.Value.Usage; u != nil && u.InputTokens != nil && u.OutputTokens != nil {
				last[metaInput], last[metaOutput] = *u.InputTokens, *u.OutputTokens
			}
		}
	}
	if stop == "" { // the connection ended, but not the answer
		return failure(cmp.Or(stream.Err(), errCut), true)
	}
	if begun {
		e := chunk("")
		e.LastChunk, e.Artifact.Metadata = true, last
		if !yield(e, nil) {
			return nil
		}
	}
	yield(x.end(ec, stop), nil)
	return nil
}
