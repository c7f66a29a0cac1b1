package durable_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
	"a2alambda/internal/tasklog"
)

// said returns the texts of the task's messages, in order.
func said(w *durabletest.World) (texts []string) {
	t := w.Task()
	for _, m := range t.History {
		texts = append(texts, m.Parts[0].Text())
	}
	if m := t.Status.Message; m != nil {
		texts = append(texts, m.Parts[0].Text())
	}
	return texts
}

// seen notes what differs between runs and should not.
type seen struct {
	mu     sync.Mutex
	values []string
}

func (s *seen) add(v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.values, v) {
		s.values = append(s.values, v)
	}
}

// TestAsk kills an agent that asks three questions at each operation. There is one event of each
// question, each gets its own answer, and what the agent is given never changes.
func TestAsk(t *testing.T) {
	var given *seen
	durabletest.Test(t, durabletest.Case{
		Agent: func(w *durabletest.World) durable.Func {
			given = new(seen)
			return func(ctx context.Context, t *durable.Task) error {
				given.add(t.Message.ID + t.Message.Parts[0].Text())
				answers := ""
				for i := range 3 {
					q := fmt.Sprint("question ", i)
					answer, err := durable.Ask(durable.Scope(ctx, q), "ask", a2a.NewTextPart(q))
					if err != nil {
						return err
					}
					answers += answer.Parts[0].Text() + ";"
					if _, err := durable.Do(ctx, fmt.Sprint("act ", i), effect(w, "act")); err != nil {
						return err
					}
				}
				return durable.Yield(ctx, chunk(t, "answers", answers))
			}
		},
		Script: func(w *durabletest.World) {
			w.Begin("hello")
			for i := range 3 {
				w.Answer(fmt.Sprint("answer ", i))
				w.Until("its acceptance", func() bool { return slices.Contains(said(w), fmt.Sprint("answer ", i)) })
			}
			w.AwaitEnd()
		},
		Check: func(t *testing.T, w *durabletest.World) {
			want := []string{"hello", "question 0", "answer 0", "question 1", "answer 1", "question 2", "answer 2"}
			if got := said(w); !slices.Equal(got, want) {
				t.Errorf("the conversation is %q", got)
			}
			if got := w.Task().Artifacts[0].Parts[0].Text(); got != "answer 0;answer 1;answer 2;" {
				t.Errorf("the answers are %q", got)
			}
			if len(given.values) != 1 {
				t.Errorf("the agent was given %q", given.values)
			}
		},
	})
}

// TestCallbackURL kills an agent that hands out a callback's URL at each operation: everybody who
// has got it has got the same, and it works.
func TestCallbackURL(t *testing.T) {
	var urls *seen
	durabletest.Test(t, durabletest.Case{
		Agent: func(w *durabletest.World) durable.Func {
			urls = new(seen)
			return func(ctx context.Context, t *durable.Task) error {
				c, err := durable.NewCallback(ctx, "delivered", 10*24*time.Hour)
				if err != nil {
					return err
				}
				if _, err := durable.Do(ctx, "ship", func(ctx context.Context) (int, error) {
					urls.add(c.URL)
					return 0, w.Effect(ctx, "ship")
				}); err != nil {
					return err
				}
				var d durable.Delivery
				g := durable.NewGroup(ctx)
				g.Go("waits", func(ctx context.Context) (err error) {
					d, err = c.Wait(ctx)
					return err
				})
				g.Go("sleeps", func(ctx context.Context) error { return durable.Sleep(ctx, "a day", 24*time.Hour) })
				if err := g.Wait(); err != nil {
					return err
				}
				return durable.Yield(ctx, chunk(t, "came", string(d.Body)))
			}
		},
		Script: func(w *durabletest.World) {
			w.Begin("ship it")
			w.Until("shipping", func() bool { return w.Ledger()["ship"] > 0 })
			time.Sleep(time.Hour)
			for range 2 { // the second one is the same again
				if err := w.Deliver("delivered", "here"); err != nil {
					t.Error(err)
				}
			}
			if err := w.Deliver("delivered", "there"); !errors.Is(err, tasklog.ErrDelivered) {
				t.Errorf("another delivery: %v", err)
			}
			w.AwaitEnd()
		},
		Check: func(t *testing.T, w *durabletest.World) {
			if w.State() != a2a.TaskStateCompleted || w.Task().Artifacts[0].Parts[0].Text() != "here" {
				t.Errorf("the task is %s", w.State())
			}
			if len(urls.values) != 1 {
				t.Errorf("the URLs are %q", urls.values)
			}
		},
	})
}

// TestAskBetweenAttempts asks once a step of another branch has made its attempts, and not in a short
// pause between two of them.
func TestAskBetweenAttempts(t *testing.T) {
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, task *durable.Task) error {
			g := durable.NewGroup(ctx)
			g.Go("asks", func(ctx context.Context) error {
				_, err := durable.Ask(ctx, "q", a2a.NewTextPart("Well?"))
				return err
			})
			g.Go("works", func(ctx context.Context) error {
				_, err := durable.Do(ctx, "busy", func(ctx context.Context) (int, error) {
					err := w.Effect(ctx, "try")
					if durable.Attempt(ctx) < 4 {
						err = errors.New("busy")
					}
					return 0, err
				}, durable.Retry(5, time.Second))
				return err
			})
			return g.Wait()
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		w.Await(a2a.TaskStateInputRequired)
		if n := w.Ledger()["try"]; n != 4 {
			t.Errorf("%d attempts before the question\n%s", n, w.Story())
		}
		w.Answer("yes")
		ends(t, w, a2a.TaskStateCompleted)
	})
}

// TestCancelAsking cancels a task that asks, while another branch sleeps. What it did is undone, also
// if the process dies at any operation of it.
func TestCancelAsking(t *testing.T) {
	durabletest.Test(t, durabletest.Case{Agent: func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, task *durable.Task) error {
			if _, err := durable.Do(ctx, "buy", effect(w, "buy")); err != nil {
				return err
			}
			g := durable.NewGroup(ctx)
			g.Go("sleeps", func(ctx context.Context) error { return durable.Sleep(ctx, "night", 8*time.Hour) })
			g.Go("asks", func(ctx context.Context) error {
				_, err := durable.Ask(ctx, "q", a2a.NewTextPart("Well?"))
				return err
			})
			if err := g.Wait(); !errors.Is(err, durable.ErrCanceled) {
				return err
			}
			_, err := durable.Do(ctx, "give back", func(ctx context.Context) (string, error) {
				if state := w.Task().Status.State; state != a2a.TaskStateWorking {
					t.Errorf("the task is %s while it undoes: nobody would go on", state)
				}
				return effect(w, "give back")(ctx)
			})
			return err
		}
	}, Script: func(w *durabletest.World) {
		w.Begin("hello")
		w.Await(a2a.TaskStateInputRequired)
		w.Cancel()
		w.AwaitEnd()
	}, Check: func(t *testing.T, w *durabletest.World) {
		if w.State() != a2a.TaskStateCanceled || w.Ledger()["give back"] < 1 {
			t.Errorf("the task is %s, %v", w.State(), w.Ledger())
		}
	}})
}
