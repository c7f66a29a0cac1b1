package modeltest

import (
	"context"

	"a2alambda/internal/model"
)

// Payer is a model that calls the tool "pay", and then says what it was told.
type Payer struct {
	ID        string // of the call
	Arguments string // JSON
}

// Reads implements [model.Model].
func (Payer) Reads(string) bool { return false }

// Answer implements [model.Model].
func (p Payer) Answer(_ context.Context, r *model.Request, say func(string) error) (*model.Answer, error) {
	last := r.Messages[len(r.Messages)-1].Parts[0]
	if last.Result == nil {
		return &model.Answer{Stop: model.StopTools, Calls: []model.Call{model.NewCall(p.ID, "pay", p.Arguments)}}, nil
	}
	text := "Paid."
	if last.Result.Failed {
		text = "Not paid."
	}
	return &model.Answer{Text: text, Stop: model.StopEnd}, say(text)
}
