package purchase

import (
	"context"
	"errors"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/purchase/shop"
)

// Card returns the agent's card without interfaces.
func Card() *a2a.AgentCard {
	return &a2a.AgentCard{
		Name:               "Purchase Agent",
		Description:        "Buys what you name, if you approve of the price, and gives you the receipt when it is there",
		Version:            "1.0.0",
		DefaultInputModes:  []string{"text/plain"},
		DefaultOutputModes: []string{"text/plain"},
		Skills: []a2a.AgentSkill{{
			ID: "buy", Name: "Buy", Description: "Buys something. Canceled before it is there, it gives the money back.",
			Tags: []string{"purchase", "input-required"}, Examples: []string{"a teapot"},
		}},
	}
}

// say emits a status with a text.
func say(ctx context.Context, t *durable.Task, state a2a.TaskState, text string) error {
	m := a2a.NewMessageForTask(a2a.MessageRoleAgent, t, a2a.NewTextPart(text))
	return durable.Yield(ctx, a2a.NewStatusUpdateEvent(t, state, m))
}

// refused makes the shop's refusals permanent: to ask again does not help.
func refused[T any](v T, err error) (T, error) {
	if answer := (*shop.Error)(nil); errors.As(err, &answer) && answer.Refused() {
		err = durable.Permanent(err)
	}
	return v, err
}

// text returns the text of parts.
func text(parts []*a2a.Part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text())
	}
	return strings.TrimSpace(b.String())
}

// said returns what an agent has answered: its artifacts, or its last words.
func said(r durable.Reply) (parts []*a2a.Part) {
	m := r.Message
	if r.Task != nil {
		for _, a := range r.Task.Artifacts {
			parts = append(parts, a.Parts...)
		}
		m = r.Task.Status.Message
	}
	if len(parts) == 0 && m != nil {
		parts = m.Parts
	}
	if len(parts) == 0 {
		parts = []*a2a.Part{a2a.NewTextPart("There is no receipt: the writer had nothing to say.")}
	}
	return parts
}
