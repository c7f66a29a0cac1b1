package durable

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Ask asks the user a question, and returns the answer. The task is then in the state
// input-required, and its turn is over: nothing runs, however long the answer takes. The question
// goes out when all other branches wait, and one question is open at a time, in the order of
// [Group.Go]. A pause of up to a minute between two attempts of a step is no wait. A [Sleep] is one: a
// branch that sleeps goes on after the answer.
//
// The answer is the first message of the user after the question. It is the same in every run.
func Ask(ctx context.Context, name string, question ...*a2a.Part) (*a2a.Message, error) {
	if len(question) == 0 {
		return nil, fmt.Errorf("durable: %q asks nothing", name)
	}
	c, err := begin(ctx, TypeAsk, name)
	if err != nil {
		return nil, err
	}
	defer c.end()
	if answer, err, ok := replayed[*a2a.Message](c); ok {
		return answer, err
	}
	asked, answer := c.engine.answerTo(c.questionID())
	if answer != nil {
		return finished(c, answer)
	}
	return nil, c.park(wait{ask: func(context.Context) error {
		if asked {
			return nil // and the turn is over again
		}
		t := c.engine.Task
		m := a2a.NewMessageForTask(a2a.MessageRoleAgent, t, question...)
		m.ID = c.questionID()
		return c.put(a2a.NewStatusUpdateEvent(t, a2a.TaskStateInputRequired, m))
	}})
}

// questionID returns the id of the call's question: the same in every run.
func (c *call) questionID() string { return QuestionID(c.engine.Task.ID, c.full) }

// QuestionID returns the message id of the question of a task's step.
func QuestionID(id a2a.TaskID, step string) string {
	sum := sha256.Sum256([]byte("durable question\x00" + string(id) + "\x00" + step))
	return hex.EncodeToString(sum[:16])
}

// answerTo reports whether a question is in the log, and returns its answer: the first message of
// the user after it.
func (e *engine) answerTo(question string) (asked bool, answer *a2a.Message) {
	if e.Stored == nil {
		return false, nil
	}
	for _, m := range e.Stored.History {
		switch {
		case m.ID == question && m.Role == a2a.MessageRoleAgent:
			asked = true
		case asked && m.Role == a2a.MessageRoleUser:
			return true, m
		}
	}
	m := e.Stored.Status.Message
	return asked || m != nil && m.ID == question, nil
}
