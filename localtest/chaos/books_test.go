package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/purchase/shop"
)

// journal returns the entries that end a step, by its name.
func (s *system) journal(ctx context.Context, id a2a.TaskID) (map[string]durable.Entry, error) {
	steps := map[string]durable.Entry{}
	for after := int64(0); ; {
		page, more, err := s.log.Steps(ctx, id, after, true)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			e, err := durable.Decode(p.JSON)
			if err != nil {
				return nil, fmt.Errorf("entry %d is %s: %w", p.Place, p.JSON, err)
			}
			if e.Kind == durable.Done || e.Kind == durable.Failed {
				if before, twice := steps[e.Name]; twice {
					return nil, fmt.Errorf("entry %d ends %q again, which is %s", p.Place, e.Name, before.Kind)
				}
				steps[e.Name] = e
			}
			after = p.Place
		}
		if !more {
			return steps, nil
		}
	}
}

// givenUp reports whether a task failed because five holders in a row crashed without an entry in its
// journal. Its agent could not undo what it had done.
func givenUp(t *a2a.Task) bool {
	m := t.Status.Message
	return t.Status.State == a2a.TaskStateFailed && m != nil && text(&a2a.Artifact{Parts: m.Parts}) == "The agent was interrupted and cannot resume."
}

// checkBooks compares the shop's lines of a purchase with its journal, and with how its task ended.
func checkBooks(state a2a.TaskState, givenUp bool, steps map[string]durable.Entry, lines []shop.Line) error {
	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	count := map[string]int{}
	for _, l := range lines {
		if count[l.What]++; count[l.What] > 1 {
			complain("books: a second %s: %+v", l.What, lines)
		}
		if l.What == "charge" && l.Requests > 1 {
			complain("books: the charge was asked for %d times", l.Requests)
		}
	}
	for step, what := range map[string]string{"charge": "charge", "find the charge": "charge", "ship": "shipment", "delivered/wait": "delivery"} {
		if e, ok := steps[step]; ok && e.Kind == durable.Done && count[what] == 0 {
			complain("journal: %q is done, and the books have no %s", step, what)
		}
	}
	paid := count["charge"] > 0 && count["refund"] == 0
	switch {
	case state == a2a.TaskStateCompleted && (!paid || count["shipment"] == 0):
		complain("books: it is completed, with %+v", lines)
	case state == a2a.TaskStateRejected && len(lines) > 0:
		complain("books: it was rejected, with %+v", lines)
	case state != a2a.TaskStateCompleted && !givenUp && paid && steps["delivered/wait"].Kind != durable.Done:
		complain("books: it is %s, and was not paid back: %+v", state, lines)
	}
	return errors.Join(errs...)
}

// checkSaid compares what clients have seen of the receipt with what was recorded of it.
func checkSaid(task *a2a.Task, steps map[string]durable.Entry) error {
	e, ok := steps["write the receipt"]
	if !ok || e.Kind != durable.Done {
		return nil
	}
	var reply durable.Reply
	if err := json.Unmarshal(e.Result, &reply); err != nil || reply.Task == nil {
		return fmt.Errorf("the reply is %s, %w", e.Result, err)
	}
	recorded := text(reply.Task.Artifacts...)
	for _, a := range task.Artifacts {
		if got := text(a); got != recorded {
			return fmt.Errorf("clients have seen %q as %s, and recorded is %q", got, a.ID, recorded)
		}
	}
	return nil
}

func text(artifacts ...*a2a.Artifact) (text string) {
	for _, a := range artifacts {
		for _, p := range a.Parts {
			text += p.Text()
		}
	}
	return text
}
