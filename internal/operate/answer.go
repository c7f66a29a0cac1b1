package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/tasklog"
)

// Answer gives a step its result, in place of what the step waits for or of its recorded error. A
// question gets it as a message of the user: a string as text, other JSON as data. A callback gets
// it as the body of a delivery. Other steps get it as their result, which must be one that the code
// can read: otherwise the task is parked, and an answer can be given once more. Anyway is as in
// Retry.
func (o *Operator) Answer(ctx context.Context, id a2a.TaskID, step string, value json.RawMessage, anyway bool) (next string, err error) {
	switch {
	case !json.Valid(value):
		return "", fmt.Errorf("the answer is no JSON: %.40q (a text needs quotes)", value)
	case len(value) > durable.MaxResult:
		return "", fmt.Errorf("the answer has %d bytes: at most %d can be recorded", len(value), durable.MaxResult)
	}
	var give func(*held) error
	h, err := o.hold(ctx, id, func(t *Task) error {
		if durable.AsksNow(t.now, step) {
			give = func(h *held) error { return h.say(step, value) }
			return t.settled()
		}
		info, next, err := t.find(step)
		if err != nil {
			return err
		}
		if info.Type == durable.TypeCallback && info.State == durable.StepWaiting {
			give = func(h *held) error { return h.deliver(info, value) }
			return errors.Join(o.checkDelivery(ctx, id, step, value), t.settled())
		}
		if err := checkAnswer(info, next, value, anyway); err != nil {
			return err
		}
		give = func(h *held) error { return h.record(info.Entry(durable.Done, o.By, value)) }
		return t.settled()
	})
	if err != nil {
		return "", err
	}
	return h.end(give(h))
}

// checkAnswer returns an error if the value cannot be recorded as the result of the step.
func checkAnswer(info durable.StepInfo, next string, value json.RawMessage, anyway bool) error {
	name := info.Name
	switch {
	case info.State == durable.StepDone && info.By == "", info.State == durable.StepCanceled:
		return fmt.Errorf("the step %q is %s: that is final", name, info.State)
	case info.Type == durable.TypeCallback:
		return fmt.Errorf("the callback %q is over: that is final", name)
	case info.Type == durable.TypeVersion:
		return fmt.Errorf("%q is the version of a change: it takes no answer", name)
	case next != "" && !anyway:
		return goneOn(name, next)
	}
	if info.Type == durable.TypeCall {
		var r durable.Reply
		d := json.NewDecoder(bytes.NewReader(value))
		if err := d.Decode(&r); err != nil || r.Task == nil && r.Message == nil {
			return fmt.Errorf(`the answer to the call %q of another agent must be {"message": a message} or {"task": a task}, as A2A 1.0 has them`, name)
		}
	}
	if info.Type == durable.TypeSleep && string(value) != "{}" {
		return fmt.Errorf("%q sleeps: its result is {}", name)
	}
	return nil
}

// say puts the answer to a question into the log, as the server does with a message.
func (h *held) say(step string, value json.RawMessage) error {
	if err := h.operated("answer", step, 0); err != nil {
		return err
	}
	var decoded any
	if err := json.Unmarshal(value, &decoded); err != nil {
		return err
	}
	part := a2a.NewDataPart(decoded)
	if text, ok := decoded.(string); ok {
		part = a2a.NewTextPart(text)
	}
	m := a2a.NewMessageForTask(a2a.MessageRoleUser, h.Task.Snapshot.Task, part)
	m.Metadata = map[string]any{"operator": true} // who it was is in the journal
	err := h.append(a2a.NewStatusUpdateEvent(h.Task.Snapshot.Task, a2a.TaskStateSubmitted, m))
	if err == nil {
		h.now.State = a2a.TaskStateSubmitted // the turn has begun
	}
	return err
}

func (o *Operator) checkDelivery(ctx context.Context, id a2a.TaskID, step string, value json.RawMessage) error {
	if len(value) > tasklog.MaxDelivery {
		return fmt.Errorf("the answer has %d bytes: a callback takes %d", len(value), tasklog.MaxDelivery)
	}
	w, err := o.Store.Wait(ctx, id, step)
	if err == nil && w.State != tasklog.WaitOpen {
		err = fmt.Errorf("the callback %q is %s: nothing else can come", step, w.State)
	}
	return err
}

// deliver delivers the value to a callback.
func (h *held) deliver(info durable.StepInfo, value json.RawMessage) error {
	if err := h.operated("answer", info.Name, 0); err != nil {
		return err
	}
	err := h.operator.Store.Deliver(h.ctx, h.Head.ID, info.Name, tasklog.Delivery{
		Body: value, ContentType: "application/json", Time: time.Now().Truncate(time.Millisecond),
	})
	if errors.Is(err, tasklog.ErrDelivered) || errors.Is(err, tasklog.ErrWaitClosed) {
		return fmt.Errorf("the callback %q was faster: %w", info.Name, err)
	}
	return err
}
