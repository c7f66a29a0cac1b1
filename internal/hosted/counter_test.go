package hosted_test

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// Counter counts to ten, a second for each number.
type Counter struct{}

func (c Counter) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return c.count(ctx, ec, 0)
}

// Resume goes on with a task that was cut off: what was said is in ec.StoredTask.
func (c Counter) Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return c.count(ctx, ec, said(ec.StoredTask))
}

func said(t *a2a.Task) (n int) {
	for _, a := range t.Artifacts {
		n += len(a.Parts)
	}
	return n
}

func (Counter) count(ctx context.Context, ec *a2asrv.ExecutorContext, said int) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		for n := said + 1; n <= 10; n++ {
			select {
			case <-ctx.Done(): // the task is to be canceled, or time is up
				return
			case <-time.After(time.Second):
			}
			chunk := a2a.NewArtifactUpdateEvent(ec, "count", a2a.NewTextPart(fmt.Sprintln(n)))
			chunk.LastChunk = n == 10
			if !yield(chunk, nil) {
				return
			}
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	}
}

func (Counter) Cancel(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		text := fmt.Sprintf("Stopped after %d numbers.", said(ec.StoredTask))
		m := a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart(text))
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCanceled, m), nil)
	}
}
