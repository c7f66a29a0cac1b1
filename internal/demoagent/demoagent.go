// Package demoagent is the streaming demo agent: it says what it is doing, step by step, and then
// delivers a result. It knows nothing of HTTP, AWS or storage.
package demoagent

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// Step is one thing the agent says.
type Step struct {
	Content string
	// Done makes this the result, NeedsInput a question to the user. Either ends the turn.
	Done, NeedsInput bool
}

// Agent answers queries.
type Agent struct {
	Steps []string      // what it says while it works
	Delay time.Duration // how long it works after each
}

// New returns the agent with its three steps, a second each.
func New() *Agent {
	return &Agent{
		Steps: []string{
			"Starting to process your request...",
			"Analyzing your query...",
			"Generating response...",
		},
		Delay: time.Second,
	}
}

// Stream answers one query, which may be empty, without the first said steps, of which the last was
// said some time ago. The only error is the cause of a context that is done.
func (a *Agent) Stream(ctx context.Context, query string, said int, ago time.Duration) iter.Seq2[Step, error] {
	return func(yield func(Step, error) bool) {
		if strings.TrimSpace(query) == "" {
			yield(Step{Content: "What should I process?", NeedsInput: true}, nil)
			return
		}
		for i, s := range a.Steps {
			if i < said-1 {
				continue
			}
			if i >= said && !yield(Step{Content: s}, nil) {
				return
			}
			delay := a.Delay
			if i == said-1 { // whoever waits has waited since then
				delay -= min(max(ago, 0), delay)
			}
			select {
			case <-ctx.Done():
				yield(Step{}, context.Cause(ctx))
				return
			case <-work(i, delay):
			}
		}
		yield(Step{Content: fmt.Sprintf("Your query '%s' has been processed successfully!", query), Done: true}, nil)
	}
}

// Executor yields an agent's steps as A2A events. It is an [a2asrv.AgentExecutor], and a
// run.Resumer: the steps that have been said are in the task.
type Executor struct {
	// Stream is [Agent.Stream], or another agent's.
	Stream func(ctx context.Context, query string, said int, ago time.Duration) iter.Seq2[Step, error]
}

const resultName = "streaming_result"

// Execute implements [a2asrv.AgentExecutor]: a new task, a working status for each step, then the
// artifact streaming_result and completed; or input-required; or failed.
func (x *Executor) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		if ec.StoredTask == nil && !yield(a2a.NewSubmittedTask(ec, ec.Message), nil) {
			return
		}
		x.stream(ctx, ec, 0, 0, yield)
	}
}

// Resume implements run.Resumer.
func (x *Executor) Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		for _, a := range ec.StoredTask.Artifacts {
			if a.Name == resultName {
				yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
				return
			}
		}
		var ago time.Duration
		if at := ec.StoredTask.Status.Timestamp; at != nil {
			ago = time.Since(*at) // roughly, since it was another machine's clock
		}
		x.stream(ctx, ec, said(ec.StoredTask), ago, yield)
	}
}

// said returns how many steps of its turn a task has.
func said(t *a2a.Task) (n int) {
	messages := t.History
	if m := t.Status.Message; m != nil {
		messages = append(messages[:len(messages):len(messages)], m)
	}
	for _, m := range messages {
		if n++; m.Role == a2a.MessageRoleUser {
			n = 0
		}
	}
	return n
}

// stream yields the events after the first said steps.
func (x *Executor) stream(
	ctx context.Context, ec *a2asrv.ExecutorContext, said int, ago time.Duration, yield func(a2a.Event, error) bool,
) {
	status := func(state a2a.TaskState, text string) bool {
		return yield(a2a.NewStatusUpdateEvent(ec, state, message(ec, text)), nil)
	}
	for step, err := range x.Stream(ctx, text(ec.Message), said, ago) {
		switch {
		case err != nil && ctx.Err() != nil:
			yield(nil, err) // the cause says what this means for the task
			return
		case err != nil:
			status(a2a.TaskStateFailed, "Error occurred: "+err.Error())
			return
		case step.NeedsInput:
			status(a2a.TaskStateInputRequired, step.Content)
			return
		case step.Done:
			artifact := a2a.NewArtifactEvent(ec, a2a.NewTextPart(step.Content))
			artifact.Artifact.Name, artifact.LastChunk = resultName, true
			if yield(artifact, nil) {
				yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
			}
			return
		default:
			if !status(a2a.TaskStateWorking, step.Content) {
				return
			}
		}
	}
}

// Cancel implements [a2asrv.AgentExecutor].
func (x *Executor) Cancel(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCanceled, message(ec, "Streaming operation cancelled")), nil)
	}
}

func message(ec *a2asrv.ExecutorContext, text string) *a2a.Message {
	return a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart(text))
}

func text(m *a2a.Message) string {
	var lines []string
	for _, p := range m.Parts {
		if t, ok := p.Content.(a2a.Text); ok {
			lines = append(lines, string(t))
		}
	}
	return strings.Join(lines, "\n")
}

// NewExecutor returns the executor of the demo agent.
func NewExecutor() *Executor { return &Executor{Stream: New().Stream} }
