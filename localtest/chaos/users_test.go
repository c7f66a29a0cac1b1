package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Each kind of user returns when it has seen the end of its task, or ctx is done.

// streams sends a message and follows its task from stream to stream. With watch, it already knows
// the task.
func (c *client) streams(ctx context.Context, text string, watch bool) {
	rest := func(id a2a.TaskID) error {
		return c.stream(ctx, "SubscribeToTask", fmt.Sprintf(`{"id":%q}`, id), max(1, c.last))
	}
	for !c.state.Terminal() {
		var err error
		switch id := c.task(); {
		case id == "" && watch:
			// The sender does not know its task yet.
		case c.state == a2a.TaskStateInputRequired:
			// It is refused with "unsupported" if the turn that it began is running, or if an
			// instance is still ending the turn before.
			err = c.stream(ctx, "SendStreamingMessage", message(c.record.name+"-answer", c.answer, id, ""), 0, codeUnsupported)
			if err != nil { // the answer may be lost, and the turn be running
				err = rest(id)
			}
		case id == "" || c.forgets && !watch && c.random.IntN(2) == 0:
			// A message that is sent again joins its task, from the first event.
			err = c.stream(ctx, "SendStreamingMessage", message(c.record.name, text, "", ""), 0)
		case c.forgets:
			// It is refused with "unsupported" when the task has ended.
			err = c.stream(ctx, "SubscribeToTask", fmt.Sprintf(`{"id":%q}`, id), 0, codeUnsupported)
			if err != nil {
				err = rest(id)
			}
		default:
			err = rest(id)
		}
		if (err != nil || c.task() == "" || c.random.IntN(3) == 0) && !c.rest(ctx) {
			return
		}
	}
}

// sends sends a message whose answer is the task, until that has ended.
func (c *client) sends(ctx context.Context, text, configuration string) {
	for {
		result, err := c.call(ctx, "SendMessage", message(c.record.name, text, "", configuration))
		var r struct{ Task json.RawMessage }
		if err == nil && json.Unmarshal(result, &r) == nil && c.answered(r.Task).Terminal() || !c.rest(ctx) {
			return
		}
	}
}

// gets asks for the task until it has ended.
func (c *client) gets(ctx context.Context) {
	for c.rest(ctx) {
		if id := c.task(); id != "" {
			if result, err := c.call(ctx, "GetTask", fmt.Sprintf(`{"id":%q}`, id)); err == nil && c.answered(result).Terminal() {
				return
			}
		}
	}
}

func (c *client) cancels(ctx context.Context, after time.Duration) {
	select {
	case <-time.After(after):
	case <-ctx.Done():
	}
	for c.rest(ctx) {
		id := c.task()
		if id == "" {
			continue
		}
		// It may have ended before, perhaps by the same call, whose answer was lost.
		result, err := c.call(ctx, "CancelTask", fmt.Sprintf(`{"id":%q}`, id), codeNotCancelable)
		if err == nil {
			state := c.answered(result)
			if !state.Terminal() {
				continue // the invocation ended before the cancellation: ask again
			}
			if state != a2a.TaskStateCanceled {
				c.complain(fmt.Errorf("%s: the canceled task is %s", c.name, result))
			}
			return
		}
		if result, err = c.call(ctx, "GetTask", fmt.Sprintf(`{"id":%q}`, id)); err == nil && c.answered(result).Terminal() {
			return
		}
	}
}

// answered records the task in an answer, and returns its state.
func (c *client) answered(task []byte) a2a.TaskState {
	var t a2a.Task
	if err := json.Unmarshal(task, &t); err != nil || t.ID == "" {
		c.complain(fmt.Errorf("%s: the task is %s", c.name, task))
		return ""
	}
	c.found(t.ID)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tasks = append(c.tasks, task)
	return t.Status.State
}
