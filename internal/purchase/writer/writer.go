// Package writer is an agent that writes what it is asked to write, word by word. The purchase
// agent has it write receipts.
package writer

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// Writer is an executor for the SDK. Pause is how long it takes for a word.
type Writer struct{ Pause time.Duration }

// Execute implements [a2asrv.AgentExecutor].
func (w Writer) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return w.write(ctx, ec, 0)
}

// Resume goes on with a task that was cut off.
func (w Writer) Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	n := 0
	for _, a := range ec.StoredTask.Artifacts {
		n += len(a.Parts)
	}
	return w.write(ctx, ec, n)
}

func (w Writer) write(ctx context.Context, ec *a2asrv.ExecutorContext, written int) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		words := Words(ec.Message)
		for i, word := range words {
			if i < written {
				continue
			}
			select {
			case <-time.After(w.Pause):
			case <-ctx.Done():
				return
			}
			chunk := a2a.NewArtifactUpdateEvent(ec, "receipt", a2a.NewTextPart(word))
			chunk.LastChunk = i == len(words)-1
			if !yield(chunk, nil) {
				return
			}
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	}
}

// Words returns the words that the writer writes for a message.
func Words(m *a2a.Message) []string {
	var text strings.Builder
	for _, p := range m.Parts {
		text.WriteString(p.Text())
	}
	order := strings.TrimSpace(text.String())
	if _, rest, ok := strings.Cut(order, ": "); ok {
		order = rest
	}
	return strings.SplitAfter("Receipt: "+order, " ")
}

// Cancel implements [a2asrv.AgentExecutor].
func (Writer) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(func(a2a.Event, error) bool) {}
}

// Card returns the agent's card without interfaces.
func Card() *a2a.AgentCard {
	return &a2a.AgentCard{
		Name:               "Writer",
		Description:        "Writes receipts, word by word",
		Version:            "1.0.0",
		DefaultInputModes:  []string{"text/plain"},
		DefaultOutputModes: []string{"text/plain"},
		Skills:             []a2a.AgentSkill{{ID: "receipt", Name: "Receipt", Description: "Writes a receipt", Tags: []string{"text"}}},
	}
}
