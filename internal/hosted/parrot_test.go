package hosted_test

import (
	"context"
	"iter"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// Parrot says what it is told, word by word.
type Parrot struct{}

func (Parrot) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		words := strings.Fields(ec.Message.Parts[0].Text())
		for i, word := range words {
			chunk := a2a.NewArtifactUpdateEvent(ec, "echo", a2a.NewTextPart(word+" "))
			chunk.LastChunk = i == len(words)-1
			if !yield(chunk, nil) {
				return
			}
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	}
}

func (Parrot) Cancel(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {} // it has nothing to say to that
}
