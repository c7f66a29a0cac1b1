package peer

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
)

// The methods return a [*Error], or the cause of ctx if it was canceled. A limit of ctx that has
// passed is an [*Error], too: whether something was sent matters then.

// Ready returns no error if the peer can be reached and used, as far as its card says.
func (p *Peer) Ready(ctx context.Context) error {
	if _, err := p.connect(ctx); err != nil {
		return ended(ctx, err)
	}
	return nil
}

// Send sends a message. The peer is asked not to wait for the end of the task: the answer is the
// task as it is, or the message with which the peer answers.
func (p *Peer) Send(ctx context.Context, m *a2a.Message) (a2a.SendMessageResult, error) {
	return call(ctx, p, true, func(ctx context.Context, c *a2aclient.Client) (a2a.SendMessageResult, error) {
		return c.SendMessage(ctx, request(m))
	})
}

// Stream sends a message, and returns what the peer says to it until the stream ends. An error
// before the first event says what is known of the message, as that of Send does.
func (p *Peer) Stream(ctx context.Context, m *a2a.Message) iter.Seq2[a2a.Event, error] {
	return p.stream(ctx, true, func(ctx context.Context, c *a2aclient.Client) iter.Seq2[a2a.Event, error] {
		return c.SendStreamingMessage(ctx, request(m))
	})
}

func request(m *a2a.Message) *a2a.SendMessageRequest {
	none := 0
	return &a2a.SendMessageRequest{Message: m, Config: &a2a.SendMessageConfig{ReturnImmediately: true, HistoryLength: &none}}
}

// Notify has the peer post something to a URL whenever something happens to a task.
func (p *Peer) Notify(ctx context.Context, id a2a.TaskID, url, key string) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := call(ctx, p, false, func(ctx context.Context, c *a2aclient.Client) (*a2a.PushConfig, error) {
		return c.CreateTaskPushConfig(ctx, &a2a.PushConfig{TaskID: id, ID: key, URL: url})
	})
	return err
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

// Events returns the events of a task from now on, until the stream ends.
func (p *Peer) Events(ctx context.Context, id a2a.TaskID) iter.Seq2[a2a.Event, error] {
	return p.stream(ctx, false, func(ctx context.Context, c *a2aclient.Client) iter.Seq2[a2a.Event, error] {
		return c.SubscribeToTask(ctx, &a2a.SubscribeToTaskRequest{ID: id})
	})
}

func (p *Peer) stream(
	ctx context.Context, fresh bool, f func(context.Context, *a2aclient.Client) iter.Seq2[a2a.Event, error],
) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		c, err := p.connect(ctx)
		if err != nil {
			yield(nil, ended(ctx, err))
			return
		}
		inner, s := watched(ctx, fresh)
		for event, err := range f(inner, c) {
			if err != nil {
				yield(nil, ended(ctx, p.failed(ctx, s, err)))
				return
			}
			if event != nil && !yield(event, nil) {
				return
			}
		}
	}
}

// call makes one request.
func call[T any](ctx context.Context, p *Peer, fresh bool, f func(context.Context, *a2aclient.Client) (T, error)) (T, error) {
	var none T
	c, err := p.connect(ctx)
	if err != nil {
		return none, ended(ctx, err)
	}
	inner, s := watched(ctx, fresh)
	result, err := f(inner, c)
	if err != nil {
		return none, ended(ctx, p.failed(ctx, s, err))
	}
	return result, nil
}

// watched returns a context for one request, and what will be seen of it. A fresh one has a
// connection of its own.
func watched(ctx context.Context, fresh bool) (context.Context, *seen) {
	s := new(seen)
	ctx = context.WithValue(ctx, seenKey{}, s)
	if fresh {
		ctx = context.WithValue(ctx, freshKey{}, true)
	}
	return ctx, s
}

// ended returns the cause of a context that somebody has ended, or else err.
func ended(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Cause(ctx)
	}
	return err
}
