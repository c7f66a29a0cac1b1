package server_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
)

// listener asks on, and notes the conversation that each turn is given.
type listener struct {
	asker
	given [][]string
}

func (l *listener) Execute(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		if ec.StoredTask != nil {
			var said []string
			for _, m := range ec.StoredTask.History {
				said = append(said, m.Parts[0].Text())
			}
			l.given = append(l.given, append(said, "status: "+ec.StoredTask.Status.Message.Parts[0].Text()))
		}
		q := a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart("What after "+ec.Message.Parts[0].Text()+"?"))
		event := a2a.Event(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateInputRequired, q))
		if ec.Message.Parts[0].Text() == "two" { // some executors keep the history themselves
			event = &a2a.Task{ID: ec.TaskID, ContextID: ec.ContextID, Status: a2a.TaskStatus{State: a2a.TaskStateInputRequired, Message: q},
				History: append(slices.Clone(ec.StoredTask.History), q)}
		}
		yield(event, nil)
	}
}

// TestConversation gives an executor of the SDK the conversation in order: what the agent has asked
// included, the new message once, and the question still in the status, too.
func TestConversation(t *testing.T) {
	l, x := new(memlog.Log), new(listener)
	s := instance(l, l, x)
	task := send(t, s, message("", "one"), a2a.TaskStateInputRequired)
	for _, text := range []string{"two", "three", "four"} {
		req := message(task.ID, text)
		send(t, s, req, a2a.TaskStateInputRequired)
		send(t, s, req, a2a.TaskStateInputRequired) // sent again
	}
	const q1, q2, q3 = "What after one?", "What after two?", "What after three?"
	want := [][]string{
		{"one", q1, "two", "status: " + q1},
		{"one", q1, "two", q2, "three", "status: " + q2},
		{"one", q1, "two", q2, "three", q3, "four", "status: " + q3},
	}
	if fmt.Sprint(x.given) != fmt.Sprint(want) {
		t.Errorf("the executor was given\n%q, want\n%q", x.given, want)
	}
}
