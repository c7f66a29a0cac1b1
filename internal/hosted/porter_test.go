package hosted_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/run"
)

// Porter asks who is there, and knows them when they come again.
type Porter struct{}

func (Porter) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		say := func(state a2a.TaskState, text string) {
			m := a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart(text))
			yield(a2a.NewStatusUpdateEvent(ec, state, m), nil)
		}
		if ec.StoredTask != nil { // this message continues the task
			say(a2a.TaskStateCompleted, "Welcome, "+ec.Message.Parts[0].Text()+"!")
			return
		}
		earlier, err := run.Earlier(ctx, 10)
		if err != nil {
			yield(nil, &run.Failure{Text: "I can't find my book. Try again.", Err: fmt.Errorf("porter: %w", err)})
			return
		}
		for _, t := range earlier {
			if t.Status.State == a2a.TaskStateCompleted {
				say(a2a.TaskStateCompleted, "Again: "+t.Status.Message.Parts[0].Text())
				return
			}
		}
		say(a2a.TaskStateInputRequired, "Who are you?")
	}
}

func (Porter) Cancel(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {}
}
