package browser

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
)

// shownSteps are the steps that the page shows, without times.
const shownSteps = `[...document.querySelectorAll('.steps:not([hidden]) .step')].map((e) =>
	e.querySelector('.name').textContent + ': ' + e.querySelector('.label').textContent.replace(/until .*/, 'until …'))`

// TestPageSteps shows the steps of a durable agent's task as it goes on, and again after a reload. A
// keyboard can fold them.
func TestPageSteps(t *testing.T) {
	t.Parallel()
	x := newPaced(t)
	base := servePage(t, durable.New(func(ctx context.Context, task *durable.Task) error {
		if _, err := durable.Do(ctx, "quote", func(ctx context.Context) (string, error) {
			err := durable.Yield(ctx, a2a.NewStatusUpdateEvent(task, a2a.TaskStateWorking, nil))
			return "a secret of the step", errors.Join(err, x.wait(ctx))
		}); err != nil {
			return err
		}
		_, err := durable.Do(ctx, "charge", func(context.Context) (string, error) { return "", errors.New("a secret, too") })
		if err == nil {
			return errors.New("charged")
		}
		g := durable.NewGroup(ctx)
		g.Go("later", func(ctx context.Context) error { return durable.Sleep(ctx, "nap", 30*time.Minute) })
		g.Go("now", func(ctx context.Context) error {
			_, err := durable.Ask(ctx, "which card?", a2a.NewTextPart("Which card?"))
			return err
		})
		return g.Wait()
	})).URL
	b := visit(t, base)
	b.send("Buy it")
	b.becomes(shownSteps, `["quote: running"]`)
	x.step(t, 1)
	const all = `["quote: done","charge: failed","later/nap: waits, until …","now/which card?: waits"]`
	b.becomes(shownSteps, all)
	b.becomes(`document.querySelector('.steps .count').textContent`, `"4"`)
	b.equal(`document.body.textContent.includes('a secret')`, "false")
	b.equal(`document.querySelector('.steps ol').ariaLabel`, `"Steps"`)
	b.activate("Steps 4", true)
	b.wait(`!document.querySelector('.steps').open`)
	b.reload()
	b.becomes(shownSteps, all)
	b.checkClean(base)
}

// TestPageWithoutSteps does not ask for steps of an agent that has none.
func TestPageWithoutSteps(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	b := visit(t, servePage(t, x).URL)
	b.send("Go")
	x.status(t, a2a.TaskStateCompleted)
	b.wait(state + ` === 'Completed'`)
	b.equal(`performance.getEntriesByType('resource').some(({ name }) => name.includes('/steps'))`, "false")
	b.equal(shownSteps, `[]`)
}
