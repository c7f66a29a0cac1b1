// Package purchase is a durable agent that buys what its user names. It asks a shop for a price and
// the user for approval, pays, has the thing sent, waits until it is there, and has another agent
// write the receipt. That takes a week or a minute, survives every crash, and pays once.
//
// The shop is an HTTP API: see package shop. The other agent is the peer "writer".
package purchase

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/purchase/shop"
	"a2alambda/internal/run"
)

// Writer is the name of the peer that writes the receipt.
const Writer = "writer"

// Agent returns the agent. The options are those of the call that has the receipt written.
func Agent(s *shop.Client, writing ...durable.Option) durable.Func {
	return func(ctx context.Context, t *durable.Task) error {
		again := durable.Retry(8, time.Second)
		quote, err := durable.Do(ctx, "quote", func(ctx context.Context) (shop.Quote, error) {
			return refused(s.Quote(ctx, text(t.Message.Parts)))
		}, again)
		if err != nil {
			return &run.Failure{Text: "The shop names no price for that.", Err: err}
		}
		answer, err := durable.Ask(ctx, "approval", a2a.NewTextPart(fmt.Sprintf("%s costs %s. Shall I buy it?", quote.Item, quote.Price)))
		if err != nil {
			return err
		}
		if !strings.EqualFold(text(answer.Parts), "yes") {
			return say(ctx, t, a2a.TaskStateRejected, "I have bought nothing.")
		}
		delivered, err := durable.NewCallback(ctx, "delivered", 48*time.Hour)
		if err != nil {
			return err
		}
		charge, err := durable.Do(ctx, "charge", func(ctx context.Context) (shop.Charge, error) {
			return s.Charge(ctx, durable.Key(ctx), quote)
		}, durable.Once())
		key := charge.Key
		if step := (*durable.StepError)(nil); errors.As(err, &step) {
			key = step.Key
		}
		if err != nil && !errors.Is(err, durable.ErrCanceled) { // interrupted, or without an answer: the shop knows
			charge, err = durable.Do(ctx, "find the charge", func(ctx context.Context) (shop.Charge, error) {
				return refused(s.Find(ctx, key))
			}, again)
		}
		if err == nil {
			_, err = durable.Do(ctx, "ship", func(ctx context.Context) (shop.Shipment, error) {
				return refused(s.Ship(ctx, durable.Key(ctx), charge, delivered.URL))
			}, again)
		}
		if err == nil {
			err = say(ctx, t, a2a.TaskStateWorking, "Paid. It is on its way.")
		}
		if err == nil {
			_, err = delivered.Wait(ctx)
		}
		outcome := "delivered"
		if errors.Is(err, durable.ErrTimeout) {
			outcome = "not delivered within two days"
		} else if err != nil {
			return undo(ctx, t, s, key, err)
		}
		order := fmt.Sprintf("Write a receipt: %s, %s, charge %s, %s.", charge.Item, charge.Price, charge.Number, outcome)
		reply, err := durable.Call(ctx, "write the receipt", Writer, a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(order)), writing...)
		if err != nil {
			return err
		}
		return durable.Yield(ctx, a2a.NewArtifactUpdateEvent(t, "receipt", said(reply)...))
	}
}

// undo gives the money back: the user has canceled the task, or the shop has failed. The shop
// takes no charge with the key any more, should one be late.
func undo(ctx context.Context, t *durable.Task, s *shop.Client, key string, cause error) error {
	_, err := durable.Do(ctx, "refund", func(ctx context.Context) (shop.Refund, error) {
		return refused(s.Refund(ctx, key))
	}, durable.Retry(8, time.Second))
	if err != nil {
		return err
	}
	if errors.Is(cause, durable.ErrCanceled) {
		return say(ctx, t, a2a.TaskStateWorking, "Nothing is charged any more.")
	}
	return &run.Failure{Text: "The shop has failed. Nothing is charged.", Err: cause}
}
