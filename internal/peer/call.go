package peer

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
)

// The methods return a [*Error], or the cause of ctx if it has ended.

// Send sends a message. A peer that can is told not to wait for the end of the task: the answer is
// the task as it is, or the message with which the peer answers. PushURL gets the task's push
// notifications, if it is not "" and the peer sends some.
func (p *Peer) Send(ctx context.Context, m *a2a.Message, push *a2a.PushConfig) (a2a.SendMessageResult, error) {
	none := 0
	config := &a2a.SendMessageConfig{ReturnImmediately: true, HistoryLength: &none}
	return call(ctx, p, true, func(ctx context.Context, c *a2aclient.Client) (a2a.SendMessageResult, error) {
		if p.Pushes() {
			config.PushConfig = push
		}
		return c.SendMessage(ctx, &a2a.SendMessageRequest{Message: m, Config: config})
	})
}

// Pushes reports whether the peer's card says that it sends push notifications. It is false before
// the first request.
func (p *Peer) Pushes() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pushes
}

// Streams reports whether the peer's card says that it streams, as Pushes does.
func (p *Peer) Streams() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.streams
}

// Task returns a task, with as many messages of its history.
func (p *Peer) Task(ctx context.Context, id a2a.TaskID, history int) (*a2a.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return call(ctx, p, false, func(ctx context.Context, c *a2aclient.Client) (*a2a.Task, error) {
		return c.GetTask(ctx, &a2a.GetTaskRequest{ID: id, HistoryLength: &history})
	})
}

// maxFound is the most tasks of a context that Find looks at.
const maxFound = 50

// Find returns the task that a message has begun, or nil if the peer has none: the only one of the
// context, if the context is the message's own, or one that has the message in its history.
func (p *Peer) Find(ctx context.Context, m *a2a.Message, own bool) (*a2a.Task, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	history := maxFound
	resp, err := call(ctx, p, false, func(ctx context.Context, c *a2aclient.Client) (*a2a.ListTasksResponse, error) {
		return c.ListTasks(ctx, &a2a.ListTasksRequest{ContextID: m.ContextID, PageSize: maxFound, HistoryLength: &history})
	})
	if err != nil {
		return nil, err
	}
	for _, t := range resp.Tasks {
		if t != nil && t.ContextID == m.ContextID && (own || Has(t, m.ID)) {
			return t, nil
		}
	}
	return nil, nil
}

// Has reports whether a task has a message in its history.
func Has(t *a2a.Task, id string) bool {
	return slices.ContainsFunc(t.History, func(m *a2a.Message) bool { return m != nil && m.ID == id })
}

// Cancel asks the peer to cancel a task.
func (p *Peer) Cancel(ctx context.Context, id a2a.TaskID) error {
	_, err := call(ctx, p, false, func(ctx context.Context, c *a2aclient.Client) (*a2a.Task, error) {
		return c.CancelTask(ctx, &a2a.CancelTaskRequest{ID: id})
	})
	return err
}

// Events returns the events of a task from now on. They end with the stream, or with an error.
func (p *Peer) Events(ctx context.Context, id a2a.TaskID) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		ctx = context.WithValue(ctx, seenKey{}, new(seen))
		c, err := p.connect(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		c.SubscribeToTask(ctx, &a2a.SubscribeToTaskRequest{ID: id})(yield)
	}
}

// call makes one request.
func call[T any](ctx context.Context, p *Peer, fresh bool, f func(context.Context, *a2aclient.Client) (T, error)) (T, error) {
	var none T
	c, err := p.connect(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return none, context.Cause(ctx)
		}
		return none, err
	}
	s := new(seen)
	inner := context.WithValue(ctx, seenKey{}, s)
	if fresh {
		inner = context.WithValue(inner, freshKey{}, true)
	}
	result, err := f(inner, c)
	switch {
	case err == nil:
		return result, nil
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return none, context.Cause(ctx)
	}
	return none, p.failed(ctx, s, err)
}
