package hosted_test

import (
	"context"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/run"
)

// Remind reminds its user of something: it asks when, sleeps until then, and says it.
func Remind(ctx context.Context, t *durable.Task) error {
	answer, err := durable.Ask(ctx, "when", a2a.NewTextPart("In how long? Say 90s, 20m or 48h."))
	if err != nil {
		return err
	}
	wait, err := time.ParseDuration(answer.Parts[0].Text())
	if err != nil {
		return &run.Failure{Text: "That is no time.", Err: err}
	}
	if err := durable.Sleep(ctx, "until then", wait); err != nil {
		return err
	}
	return durable.Yield(ctx, a2a.NewArtifactUpdateEvent(t, "reminder", t.Message.Parts...))
}

func Card() *a2a.AgentCard {
	return &a2a.AgentCard{
		Name:               "Reminder",
		Description:        "Reminds you of something",
		Version:            "1.0.0",
		DefaultInputModes:  []string{"text/plain"},
		DefaultOutputModes: []string{"text/plain"},
		Skills:             []a2a.AgentSkill{{ID: "remind", Name: "Remind", Description: "Reminds you", Tags: []string{"text"}}},
	}
}
