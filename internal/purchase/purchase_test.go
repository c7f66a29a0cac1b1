package purchase_test

import (
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable/durabletest"
	"a2alambda/internal/purchase/shop"
)

// story is a way in which a purchase goes.
type story struct {
	item, answer string
	delivers     time.Duration
	cancel       bool // once it was sent
	state        a2a.TaskState
	books        map[string]int // how often what happens
	says         string         // part of the task's last words, or of its receipt
}

var stories = map[string]story{
	"bought":        {"a book", "yes", 24 * time.Hour, false, a2a.TaskStateCompleted, map[string]int{"charge": 1, "shipment": 1, "delivery": 1}, "delivered."},
	"refused":       {"a book", "no", 0, false, a2a.TaskStateRejected, nil, "I have bought nothing."},
	"not delivered": {"a book", "yes", -1, false, a2a.TaskStateCompleted, map[string]int{"charge": 1, "shipment": 1}, "not delivered within two days."},
	"canceled":      {"a book", "yes", 24 * time.Hour, true, a2a.TaskStateCanceled, map[string]int{"charge": 1, "shipment": 1, "refund": 1}, ""},
	"sold out":      {shop.SoldOut, "", 0, false, a2a.TaskStateFailed, nil, "The shop names no price for that."},
}

// of returns the case of a story.
func (st story) of(ss *scenes) durabletest.Case {
	ss.config.Slow, ss.config.Fails, ss.config.Delivers = 100*time.Millisecond, 3, st.delivers
	return durabletest.Case{
		Agent: ss.Agent, Peers: ss.Peers, LosesAnswers: true,
		AnyOrder: st.cancel, // the request may come at another step
		Script: func(w *durabletest.World) {
			w.Begin(st.item)
			if st.answer != "" {
				w.Answer(st.answer)
			}
			if st.cancel {
				w.Until("a shipment", func() bool { return len(ss.of(w).happened()["shipment"]) > 0 || w.Task().Status.State.Terminal() })
				w.Cancel()
			}
			w.AwaitEnd()
		},
		// It was killed between the promise to charge and the charge: the shop knows of none.
		Differs: func(w *durabletest.World) bool { return ss.of(w).failed("find the charge") },
		Check: func(t *testing.T, w *durabletest.World) {
			s := ss.of(w)
			s.judge(t)
			if st.books != nil && s.failed("find the charge") {
				if lines := s.happened(); w.State() != a2a.TaskStateFailed || len(lines["charge"])+len(lines["shipment"]) > 0 || len(lines["refund"]) != 1 {
					t.Errorf("nothing was charged, and the task is %s: %v", w.State(), lines)
				}
				return
			}
			if w.State() != st.state {
				t.Errorf("the task is %s, want %s", w.State(), st.state)
			}
			lines := s.happened()
			for _, what := range []string{"charge", "shipment", "delivery", "refund"} {
				if len(lines[what]) != st.books[what] {
					t.Errorf("the shop has %d of %s, want %d", len(lines[what]), what, st.books[what])
				}
			}
			if got := s.lastWords(); st.says != "" && !strings.Contains(got, st.says) {
				t.Errorf("it says %q, want %q", got, st.says)
			}
		},
	}
}

// TestPurchase has each story happen once, undisturbed.
func TestPurchase(t *testing.T) {
	for name, st := range stories {
		t.Run(name, func(t *testing.T) {
			durabletest.Run(t, st.of(new(scenes)))
		})
	}
}

// TestCrash kills the agent at each of its operations: of the store, of the shop, of the writer and
// of the callback; before it, after it, and with its answer lost. Undone by that may only be a
// purchase that was about to charge: then nothing is charged, and that is said.
func TestCrash(t *testing.T) {
	for name, st := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			durabletest.Test(t, st.of(new(scenes)))
		})
	}
}

// TestShort buys in invocations of 20 seconds, which are shorter than the shop and the writer might
// take.
func TestShort(t *testing.T) {
	c := stories["bought"].of(new(scenes))
	c.Invocation = 20 * time.Second
	durabletest.Run(t, c)
}
