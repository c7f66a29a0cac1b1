package durable_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
)

// purchase asks, charges, ships, and waits for the delivery.
func purchase(w *durabletest.World) durable.Func {
	return func(ctx context.Context, t *durable.Task) error {
		quote, err := durable.Do(ctx, "quote", effect(w, "quote"))
		if err != nil {
			return err
		}
		answer, err := durable.Ask(ctx, "approval", a2a.NewTextPart(quote+": buy it?"))
		if err != nil {
			return err
		}
		if answer.Parts[0].Text() != "yes" {
			return durable.Yield(ctx, a2a.NewStatusUpdateEvent(t, a2a.TaskStateRejected, nil))
		}
		_, err = durable.Do(ctx, "charge", effect(w, "charge"), durable.Once())
		if step := (*durable.StepError)(nil); errors.Is(err, durable.ErrInterrupted) && errors.As(err, &step) {
			_, err = durable.Do(ctx, "find the charge", func(ctx context.Context) (string, error) {
				if err := w.Effect(ctx, "find"); err != nil {
					return "", err
				}
				if w.Ledger()["charge"] == 0 {
					return "", w.Effect(ctx, "charge") // with the key
				}
				return "found", nil
			})
		}
		if err != nil {
			return err
		}
		delivered, err := durable.NewCallback(ctx, "delivered", 2*time.Hour)
		if err != nil {
			return err
		}
		if _, err := durable.Do(ctx, "ship", func(ctx context.Context) (string, error) {
			return delivered.URL, w.Effect(ctx, "ship")
		}); err != nil {
			return err
		}
		note := "delivered: "
		d, err := delivered.Wait(ctx)
		if errors.Is(err, durable.ErrTimeout) {
			note = "not delivered"
		} else if err != nil {
			return err
		}
		if _, err := durable.Ask(ctx, "rating", a2a.NewTextPart("how was it?")); err != nil {
			return err
		}
		return durable.Yield(ctx, chunk(t, "receipt", note+string(d.Body)))
	}
}

// TestPurchase kills a purchase at each operation. What is delivered comes at once, or late, or
// never; the invocation that follows it is lost.
func TestPurchase(t *testing.T) {
	for _, late := range []time.Duration{0, 3 * time.Millisecond, time.Hour, -1} {
		t.Run(fmt.Sprint(late), func(t *testing.T) {
			durabletest.Test(t, durabletest.Case{Agent: purchase, Script: func(w *durabletest.World) {
				w.Begin("a book")
				w.Answer("yes")
				if late >= 0 {
					for w.Ledger()["ship"] == 0 {
						time.Sleep(time.Millisecond)
					}
					time.Sleep(late)
					if err := w.Deliver("delivered", "here"); err != nil {
						t.Error(err)
					}
					begun := time.Now()
					w.Until("the second question", func() bool { return w.Task().Status.State == a2a.TaskStateInputRequired })
					// Its wake-up comes within a minute, and so does a lease that has to end before it.
					if took := w.Task().Status.Timestamp.Sub(begun); took > 3*time.Minute {
						t.Errorf("the task noticed the delivery after %v", took)
					}
				}
				w.Answer("good")
				w.AwaitEnd()
			}, Check: func(t *testing.T, w *durabletest.World) {
				if w.State() != a2a.TaskStateCompleted {
					t.Errorf("the task is %s", w.State())
				}
				atLeast(t, w, map[string]int{"quote": 1, "ship": 1})
				if n := w.Ledger()["charge"]; n != 1 {
					t.Errorf("charged %d times", n)
				}
				questions := 0
				for _, m := range w.Task().History {
					if m.Role == a2a.MessageRoleAgent {
						questions++
					}
				}
				if questions != 2 {
					t.Errorf("%d questions", questions)
				}
				text := w.Task().Artifacts[0].Parts[0].Text()
				if want := map[bool]string{true: "delivered: here", false: "not delivered"}[late >= 0]; text != want {
					t.Errorf("the receipt says %q, want %q", text, want)
				}
			}})
		})
	}
}
