package operate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/memlog"
	"a2alambda/internal/operate"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest/dynamodblocal"
)

// shop is a server of a durable agent with an operator. A worker runs while it is asked for: when a
// call returns, the task has ended, asks, or is suspended.
type shop struct {
	*testing.T
	*operate.Operator
	server *server.Server
	agent  func(context.Context, *durable.Task) error // may be changed

	mu    sync.Mutex
	calls map[string]int
}

// eachStore runs a test with a shop in memory, and with one in DynamoDB.
func eachStore(t *testing.T, test func(*testing.T, *shop)) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, newShop(t, new(memlog.Log)))
	})
	t.Run("DynamoDB", func(t *testing.T) {
		t.Parallel()
		test(t, newShop(t, dynamolog.New(dynamodblocal.Table(t))))
	})
}

func newShop(t *testing.T, store tasklog.Store) *shop {
	s := &shop{T: t, Operator: &operate.Operator{Store: store, By: "ann@desk"}, calls: map[string]int{}}
	var r *run.Runner
	s.Invoke = func(ctx context.Context, id a2a.TaskID) error { return r.Work(ctx, id) }
	r = run.New(run.Config{
		Store: store, Executor: durable.New(func(ctx context.Context, t *durable.Task) error { return s.agent(ctx, t) }),
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Invoke: s.Invoke, Callbacks: "http://callbacks.example/",
	})
	s.server = server.New(server.Config{Store: store, Runner: r, Retention: 30 * 24 * time.Hour, Card: new(a2a.AgentCard)})
	return s
}

// begin sends a message, and returns the task once it does nothing more by itself.
func (s *shop) begin(agent func(context.Context, *durable.Task) error) a2a.TaskID {
	s.Helper()
	s.agent = agent
	task, err := s.server.SendMessage(s.Context(), server.Caller{Version: "1.0"}, &a2a.SendMessageRequest{
		Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go")),
	})
	s.must(err)
	return task.ID
}

func (s *shop) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// does checks that a command is done, and what it says.
func (s *shop) does(next string, err error) {
	s.Helper()
	if s.must(err); !strings.HasSuffix(next, ".") {
		s.Errorf("the command says %q", next)
	}
}

// refused checks that a command was refused with these words.
func (s *shop) refused(words string) func(string, error) {
	return func(next string, err error) {
		s.Helper()
		if err == nil || !strings.Contains(err.Error(), words) {
			s.Errorf("the error is %v, want one with %q", err, words)
		}
	}
}

// called counts the calls of a step's function.
func (s *shop) called(step string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[step]++
	return s.calls[step]
}

func (s *shop) read(id a2a.TaskID) *operate.Task {
	s.Helper()
	t, err := s.Read(s.Context(), id)
	s.must(err)
	return t
}

// stands checks the state of the task, and of its steps: "name type state" with commas between them.
func (s *shop) stands(id a2a.TaskID, state a2a.TaskState, steps string) *operate.Task {
	s.Helper()
	t := s.read(id)
	var got []string
	for _, i := range t.Steps {
		got = append(got, strings.Join(strings.Fields(fmt.Sprint(i.Name, " ", i.Type, " ", i.State)), " "))
	}
	slices.Sort(got)
	if now := t.Snapshot.Task.Status.State; now != state || strings.Join(got, ", ") != steps {
		s.Errorf("the task is %s with %s, want %s with %s", now, got, state, steps)
	}
	return t
}

// did checks what operators did: "what step, …".
func (s *shop) did(id a2a.TaskID, want string) {
	s.Helper()
	var got []string
	for _, o := range s.read(id).Journal.Operations {
		got = append(got, strings.TrimSpace(o.What+" "+o.Step))
		if o.By != "ann@desk" || time.Since(o.Time) > time.Hour {
			s.Errorf("the operation is %+v", o)
		}
	}
	if strings.Join(got, ", ") != want {
		s.Errorf("operators did %s, want %s", got, want)
	}
}

const unfinished, completed, asks = a2a.TaskStateSubmitted, a2a.TaskStateCompleted, a2a.TaskStateInputRequired

// sleeping is an agent with a branch that calls f, and one that sleeps, so that it goes on whatever
// f returns. Its last words are what f returns.
func sleeping(f func(context.Context) (string, error)) func(context.Context, *durable.Task) error {
	return func(ctx context.Context, t *durable.Task) error {
		said := ""
		g := durable.NewGroup(ctx)
		g.Go("shop", func(ctx context.Context) (err error) {
			said, err = f(ctx)
			return err
		})
		g.Go("rest", func(ctx context.Context) error { return durable.Sleep(ctx, "nap", time.Hour) })
		if err := g.Wait(); err != nil {
			return err
		}
		return durable.Yield(ctx, a2a.NewStatusUpdateEvent(t, completed, a2a.NewMessageForTask(a2a.MessageRoleAgent, t, a2a.NewTextPart(said))))
	}
}

func (s *shop) lastWords(id a2a.TaskID) string {
	now, err := s.Store.Load(s.Context(), id)
	if s.must(err); now.Task.Status.Message != nil {
		m := now.Task.Status.Message
		return m.Parts[0].Text()
	}
	return ""
}

// TestRetry takes back the error of a step, also of one that is called once: it is called again, and
// the recorded result of another is not.
func TestRetry(t *testing.T) {
	eachStore(t, func(t *testing.T, s *shop) {
		for _, options := range [][]durable.Option{nil, {durable.Once()}} {
			name, typ := fmt.Sprint("charge", len(options)), []string{"do", "once"}[len(options)]
			id := s.begin(sleeping(func(ctx context.Context) (string, error) {
				if _, err := durable.Do(ctx, "quote", func(context.Context) (int, error) { return s.called("quote" + name), nil }); err != nil {
					return "", err
				}
				return durable.Do(ctx, name, func(ctx context.Context) (string, error) {
					n := s.called(name)
					if durable.Attempt(ctx) != n {
						t.Errorf("attempt %d is said to be %d", n, durable.Attempt(ctx))
					}
					if n == 1 {
						return "", errors.New("no money")
					}
					return "charged", nil
				}, options...)
			}))
			before := s.stands(id, unfinished, "rest/nap sleep waiting, shop/"+name+" "+typ+" failed, shop/quote do done")
			s.refused("it is done")(s.Retry(t.Context(), id, "shop/quote", false))
			s.refused(`no step "charge"`)(s.Retry(t.Context(), id, "charge", false))
			s.does(s.Retry(t.Context(), id, "shop/"+name, false))
			after := s.stands(id, unfinished, "rest/nap sleep waiting, shop/"+name+" "+typ+" done, shop/quote do done")
			s.did(id, "retry shop/"+name)
			if s.calls[name] != 2 || s.calls["quote"+name] != 1 {
				t.Errorf("the calls are %v", s.calls)
			}
			if o := after.Journal.Operations[0]; o.Replaces == 0 || o.Replaces > before.Journal.Last {
				t.Errorf("the entry replaces %d", o.Replaces)
			}
			s.does(s.Answer(t.Context(), id, "rest/nap", json.RawMessage("{}"), false))
			if now := s.read(id); s.lastWords(id) != "charged" || now.Snapshot.Task.Status.State != completed {
				t.Errorf("the task is %s: %q", now.Snapshot.Task.Status.State, s.lastWords(id))
			}
			s.refused("has ended: it is completed")(s.Wake(t.Context(), id))
			s.refused("has ended: it is completed")(s.Fail(t.Context(), id, ""))
		}
	})
}

// TestGoneOn refuses to take an error back that the code has handled, unless anyway is set: then the
// code comes to something else, and the task is parked.
func TestGoneOn(t *testing.T) {
	eachStore(t, func(t *testing.T, s *shop) {
		id := s.begin(func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "charge", func(context.Context) (int, error) {
				if s.called("charge") == 1 {
					return 0, errors.New("no money")
				}
				return 1, nil
			})
			if err != nil {
				return durable.Sleep(ctx, "sorry", time.Hour)
			}
			return durable.Sleep(ctx, "ship", time.Hour)
		})
		s.refused(`to "sorry"`)(s.Retry(t.Context(), id, "charge", false))
		s.refused(`to "sorry"`)(s.Answer(t.Context(), id, "charge", json.RawMessage("1"), false))
		s.did(id, "")
		s.does(s.Retry(t.Context(), id, "charge", true))
		parked := s.stands(id, unfinished, "charge do done, ship parked, sorry sleep waiting")
		if p := parked.Journal.Parked; p == nil || p.Mismatch.Step != "ship" || !parked.Lease.Sleeps() {
			t.Errorf("the task is not parked: %+v, %+v", p, parked.Lease)
		}
	})
}

// TestAnswer gives results: to a step with an error, to one that the code cannot read it of, to a
// callback, and to a question.
func TestAnswer(t *testing.T) {
	eachStore(t, func(t *testing.T, s *shop) {
		type receipt struct{ Number int }
		id := s.begin(sleeping(func(ctx context.Context) (string, error) {
			r, err := durable.Do(ctx, "charge", func(context.Context) (receipt, error) {
				s.called("charge")
				return receipt{}, errors.New("no money")
			})
			if err != nil {
				return "", err
			}
			c, err := durable.NewCallback(ctx, "delivered", 2*time.Hour)
			if err != nil {
				return "", err
			}
			d, err := c.Wait(ctx)
			if err != nil {
				return "", err
			}
			m, err := durable.Ask(ctx, "happy?", a2a.NewTextPart("Happy?"))
			if err != nil {
				return "", err
			}
			return fmt.Sprint(r.Number, " ", d.ContentType, " ", string(d.Body), " ", m.Parts[0].Text()), nil
		}))
		answer := func(step, value string) (string, error) {
			return s.Answer(t.Context(), id, step, json.RawMessage(value), false)
		}
		s.stands(id, unfinished, "rest/nap sleep waiting, shop/charge do failed")
		s.refused("is no JSON")(answer("shop/charge", "seven"))
		s.does(answer("shop/charge", `"seven"`)) // which the code cannot read
		s.stands(id, unfinished, "rest/nap sleep waiting, shop/charge do parked")
		s.does(answer("shop/charge", `{ "Number": 7 }`))
		s.stands(id, unfinished, "rest/nap sleep waiting, shop/charge do done, shop/delivered callback waiting")
		if s.calls["charge"] != 1 {
			t.Errorf("the step was called %d times", s.calls["charge"])
		}

		s.does(answer("shop/delivered", `{"ok":true}`)) // now all branches wait
		s.stands(id, asks, "rest/nap sleep waiting, shop/charge do done, shop/delivered callback done, shop/happy? ask waiting")
		s.refused("is done")(answer("shop/delivered", `{"ok":false}`))
		s.refused("its result is {}")(answer("rest/nap", `1`))
		s.does(answer("rest/nap", `{}`)) // of which the run after the answer learns
		s.stands(id, asks, "rest/nap sleep done, shop/charge do done, shop/delivered callback done, shop/happy? ask waiting")
		s.refused("waits for its user")(s.Wake(t.Context(), id))
		s.does(answer("shop/happy?", `"very"`))
		s.stands(id, completed, "rest/nap sleep done, shop/charge do done, shop/delivered callback done, shop/happy? ask done")
		if got, want := s.lastWords(id), `7 application/json {"ok":true} very`; got != want {
			t.Errorf("the last words are %q, want %q", got, want)
		}
		s.did(id, "answer shop/charge, answer shop/charge, answer shop/delivered, answer rest/nap, answer shop/happy?")
	})
}

// TestWake has a suspended task look, and a parked one be tried by the code of before.
func TestWake(t *testing.T) {
	eachStore(t, func(t *testing.T, s *shop) {
		agent := func(name string) func(context.Context, *durable.Task) error {
			return func(ctx context.Context, _ *durable.Task) error {
				s.called("run")
				if err := durable.Sleep(ctx, name, time.Hour); err != nil {
					return err
				}
				return durable.Sleep(ctx, "more", time.Hour)
			}
		}
		id := s.begin(agent("nap"))
		s.does(s.Wake(t.Context(), id))
		if s.calls["run"] != 2 {
			t.Errorf("%d runs", s.calls["run"])
		}
		s.agent = agent("slumber")
		s.does(s.Wake(t.Context(), id))
		s.stands(id, unfinished, "nap sleep waiting, slumber parked")
		s.agent = agent("nap")
		s.does(s.Wake(t.Context(), id))
		s.does(s.Answer(t.Context(), id, "nap", json.RawMessage("{}"), false))
		s.stands(id, unfinished, "more sleep waiting, nap sleep done")
		s.did(id, "wake, wake, wake, answer nap")

		// Without a worker, the task is due at once.
		s.Operator.Invoke = nil
		s.does(s.Wake(t.Context(), id))
		if l := s.read(id).Lease; !l.Suspended || l.Sleeps() {
			t.Errorf("the lease is %+v", l)
		}
	})
}

// TestFail fails a task that is suspended, and one that asks. Nobody delivers to it any more.
func TestFail(t *testing.T) {
	eachStore(t, func(t *testing.T, s *shop) {
		id := s.begin(func(ctx context.Context, _ *durable.Task) error {
			c, err := durable.NewCallback(ctx, "delivered", time.Hour)
			if err != nil {
				return err
			}
			_, err = c.Wait(ctx)
			return err
		})
		s.does(s.Fail(t.Context(), id, "The shop has closed."))
		failed := s.stands(id, a2a.TaskStateFailed, "delivered callback canceled")
		if s.lastWords(id) != "The shop has closed." || failed.Busy() {
			t.Errorf("the task is %+v", failed.Snapshot.Task.Status)
		}
		w, err := s.Store.Wait(t.Context(), id, "delivered")
		if s.must(err); w.State != tasklog.WaitClosed {
			t.Errorf("the wait is %+v", w)
		}
		s.did(id, "fail")
		id = s.begin(func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Ask(ctx, "happy?", a2a.NewTextPart("Happy?"))
			return err
		})
		s.does(s.Fail(t.Context(), id, ""))
		s.stands(id, a2a.TaskStateFailed, "")
		s.refused("there is no task none")(s.Fail(t.Context(), "none", ""))
	})
}

// TestHeld refuses every command while a run holds the task, and after a run was cut off: the next
// run must see that. Only Fail needs no run.
func TestHeld(t *testing.T) {
	eachStore(t, func(t *testing.T, s *shop) {
		commands := map[string]func(a2a.TaskID) (string, error){
			"wake":  func(id a2a.TaskID) (string, error) { return s.Wake(t.Context(), id) },
			"retry": func(id a2a.TaskID) (string, error) { return s.Retry(t.Context(), id, "first", false) },
			"answer": func(id a2a.TaskID) (string, error) {
				return s.Answer(t.Context(), id, "first", json.RawMessage("1"), false)
			},
			"fail": func(id a2a.TaskID) (string, error) { return s.Fail(t.Context(), id, "") },
		}
		id := s.begin(func(ctx context.Context, task *durable.Task) error {
			_, _ = durable.Do(ctx, "first", func(context.Context) (int, error) { return 0, errors.New("no") })
			_, err := durable.Do(ctx, "second", func(context.Context) (int, error) {
				for name, command := range commands {
					if _, err := command(task.ID); err == nil || !strings.Contains(err.Error(), "a run holds the task") {
						t.Errorf("%s: %v", name, err)
					}
				}
				return 0, nil
			})
			if err != nil {
				return err
			}
			return durable.Sleep(ctx, "nap", time.Hour)
		})
		s.did(id, "")
		now := s.read(id)
		_, err := s.Store.Acquire(t.Context(), now.Snapshot, tasklog.Claim{
			Writer: "crashed", Until: time.Now().Add(-time.Second), Records: true, Place: now.Journal.Last,
		})
		s.must(err)
		s.refused("was cut off")(commands["wake"](id)) // others refuse for another reason, too
		if l := s.read(id).Lease; l.Holder == "crashed" || !l.Sleeps() {
			t.Errorf("no worker went on with the task that was taken from its holder: the lease is %+v", l)
		}
		s.does(commands["fail"](id))
	})
}
