package server_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest/dynamodblocal"
)

// recorder is an asker that takes its time, and notes the ids of its messages.
type recorder struct {
	asker
	pace time.Duration

	mu  sync.Mutex
	ids []string
}

func (r *recorder) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids = append(r.ids, ec.Message.ID)
	return func(yield func(a2a.Event, error) bool) {
		time.Sleep(r.pace)
		r.asker.Execute(ctx, ec)(yield)
	}
}

// times returns how often the agent got the message.
func (r *recorder) times(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(r.ids), func(seen string) bool { return seen != id }))
}

// instance returns a server over a store, for one instance. Its workers have another store.
func instance(s, workers tasklog.Store, x a2asrv.AgentExecutor) *server.Server {
	c := run.Config{Store: workers, Executor: x, Logger: slog.New(slog.DiscardHandler)}
	var worker *run.Runner
	c.Invoke = func(_ context.Context, id a2a.TaskID) error {
		go func() { _ = worker.Work(context.Background(), id) }()
		return nil
	}
	worker = run.New(c)
	c.Store = s
	return server.New(server.Config{
		Store: s, Runner: run.New(c), Retention: 24 * time.Hour, Card: new(a2a.AgentCard),
	})
}

// stores returns functions that open a store. Each instance opens it anew; they share the content.
func stores(t *testing.T) map[string]func() tasklog.Store {
	client, table := dynamodblocal.Table(t)
	mem := new(memlog.Log)
	return map[string]func() tasklog.Store{
		"memory":   func() tasklog.Store { return mem },
		"DynamoDB": func() tasklog.Store { return dynamolog.New(client, table) },
	}
}

// together sends the requests at once, each to its server, and returns the answers.
func together(ctx context.Context, servers []*server.Server, requests ...*a2a.SendMessageRequest) ([]*a2a.Task, []error) {
	tasks, errs := make([]*a2a.Task, len(requests)), make([]error, len(requests))
	var sending sync.WaitGroup
	begin := make(chan struct{})
	for i, req := range requests {
		sending.Go(func() {
			<-begin
			tasks[i], errs[i] = servers[i%len(servers)].SendMessage(ctx, caller, copyOf(req))
		})
	}
	close(begin)
	sending.Wait()
	return tasks, errs
}

func copyOf(req *a2a.SendMessageRequest) *a2a.SendMessageRequest {
	c, m := *req, *req.Message
	c.Message = &m
	return &c
}

// TestTwiceAtOnce sends the same message to two instances over one store at nearly the same time:
// as a new task, and to a task that waits for it. Both senders get the same task, and the agent
// gets the message once.
func TestTwiceAtOnce(t *testing.T) {
	t.Parallel()
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			x := new(recorder)
			servers := []*server.Server{instance(open(), open(), x), instance(open(), open(), x)}
			for round := range 20 {
				for _, immediately := range [][]bool{{false, false}, {true, false}, {true, true}} {
					if immediately[0] && round%4 > 0 {
						continue
					}
					var id a2a.TaskID
					for _, text := range []string{"first", "again", "done"} {
						first := message(id, text)
						second := copyOf(first)
						first.Config = &a2a.SendMessageConfig{ReturnImmediately: immediately[0]}
						second.Config = &a2a.SendMessageConfig{ReturnImmediately: immediately[1]}
						tasks, errs := together(t.Context(), servers, first, second)
						if err := errors.Join(errs...); err != nil {
							t.Fatalf("round %d, %s, %v: %v", round, text, errs, err)
						}
						if tasks[0].ID != tasks[1].ID || id != "" && id != tasks[0].ID {
							t.Fatalf("round %d: %s is in %s, %s and %s", round, text, id, tasks[0].ID, tasks[1].ID)
						}
						id = tasks[0].ID
						// A third sender joins, and waits for the end of the turn.
						third := copyOf(second)
						third.Config = nil
						task, err := servers[0].SendMessage(t.Context(), caller, third)
						if err != nil {
							t.Fatalf("round %d: %v", round, err)
						}
						if n := x.times(first.Message.ID); n != 1 {
							t.Errorf("round %d, %v: the agent got %s %d times", round, immediately, text, n)
						}
						if n := inHistory(task, first.Message.ID); n != 1 {
							t.Errorf("round %d: %s is in the log %d times", round, text, n)
						}
					}
				}
			}
		})
	}
}

func inHistory(task *a2a.Task, id string) (n int) {
	for _, m := range task.History {
		if m.ID == id {
			n++
		}
	}
	return n
}

// TestManyAtOnce has eight senders send three different messages to a waiting task at once. Each
// message that is not refused is in the log once, and the agent gets it once.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			x := new(recorder)
			servers := []*server.Server{instance(open(), open(), x), instance(open(), open(), x), instance(open(), open(), x)}
			for range 10 {
				task := send(t, servers[0], message("", "first"), a2a.TaskStateInputRequired)
				one, two, three := message(task.ID, "one"), message(task.ID, "two"), message(task.ID, "three")
				requests := []*a2a.SendMessageRequest{one, two, three, one, two, three, one, two}
				_, errs := together(t.Context(), servers, requests...)
				now, err := servers[1].GetTask(t.Context(), caller, &a2a.GetTaskRequest{ID: task.ID})
				if err != nil {
					t.Fatal(err)
				}
				for i, req := range requests {
					n, times := inHistory(now, req.Message.ID), x.times(req.Message.ID)
					if errs[i] != nil && !errors.Is(errs[i], a2a.ErrUnsupportedOperation) || n > 1 || times != n || errs[i] == nil && n == 0 {
						t.Errorf("%s: answered %v; %d times in the log, %d times given to the agent", req.Message.Parts[0].Text(), errs[i], n, times)
					}
				}
				if len(now.History) == 1 {
					t.Errorf("all were refused: %v", errs)
				}
			}
		})
	}
}

// isStep reports whether the call is that step of accepting a message, and not a run's.
func isStep(name string, op tasklog.Op) bool {
	if op.Name == "Lease.Append" {
		return name == "Append" && op.Entries[0].State == a2a.TaskStateSubmitted
	}
	return op.Name == name
}

var errDead = errors.New("dead")

// diesAt returns the store of an instance that dies at a step, before or after the step is done.
func diesAt(s tasklog.Store, step string, done bool) tasklog.Store {
	dead := false
	return tasklog.Hooked(s, tasklog.Hooks{
		Before: func(_ context.Context, op tasklog.Op) error {
			if dead = dead || !done && isStep(step, op); dead {
				return errDead
			}
			return nil
		},
		After: func(_ context.Context, op tasklog.Op, err error) error {
			if dead = dead || isStep(step, op); dead {
				return errDead
			}
			return err
		},
	})
}

// TestDeadInBetween has an instance die while it puts a message into the log of a waiting task.
// Another instance accepts the same message, or another one, within seconds: it does not wait for
// the end of the dead instance's lease.
func TestDeadInBetween(t *testing.T) {
	for _, test := range []struct {
		name, step string
		done       bool
	}{
		{"before the lease", "Acquire", false},
		{"after the lease", "Acquire", true},
		{"before the message", "Append", false},
	} {
		for _, same := range []bool{true, false} {
			t.Run(fmt.Sprint(test.name, ", the same message: ", same), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, x := new(memlog.Log), new(recorder)
					dead := diesAt(l, test.step, test.done)
					other := instance(l, l, x)
					task := send(t, other, message("", "first"), a2a.TaskStateInputRequired)
					req := message(task.ID, "done")
					if _, err := instance(dead, l, x).SendMessage(t.Context(), caller, copyOf(req)); err == nil {
						t.Fatal("a dead instance has answered")
					}
					if !same {
						req = message(task.ID, "done")
					}
					begun := time.Now()
					send(t, other, req, a2a.TaskStateCompleted)
					if took := time.Since(begun); took > 2*time.Second || x.times(req.Message.ID) != 1 {
						t.Errorf("it took %v, and the agent got the message %d times", took, x.times(req.Message.ID))
					}
				})
			})
		}
	}
}

// TestDeadAtTable is TestDeadInBetween over a table: the next sender need not wait for the lease.
func TestDeadAtTable(t *testing.T) {
	t.Parallel()
	open := stores(t)["DynamoDB"]
	x := new(recorder)
	other := instance(open(), open(), x)
	task := send(t, other, message("", "first"), a2a.TaskStateInputRequired)
	req := message(task.ID, "done")
	if _, err := instance(diesAt(open(), "Acquire", true), open(), x).SendMessage(t.Context(), caller, copyOf(req)); err == nil {
		t.Fatal("a dead instance has answered")
	}
	s, err := open().Load(t.Context(), task.ID)
	if err != nil || !s.Busy() {
		t.Fatalf("the dead instance has no lease: %+v, %v", s, err)
	}
	send(t, other, req, a2a.TaskStateCompleted)
	if !time.Now().Before(s.Lease.Until) || x.times(req.Message.ID) != 1 {
		t.Errorf("the lease of the dead one ended %v, and the agent got the message %d times", s.Lease.Until, x.times(req.Message.ID))
	}
}

// TestSlowInBetween has an instance stop while it puts a message into the log, for about as long as
// others wait, or as it goes on looking. Then either others have taken its turn, and it joins them,
// or it was just in time, and they join it.
func TestSlowInBetween(t *testing.T) {
	for _, step := range []string{"Acquire", "Append"} {
		for _, after := range []bool{false, true} {
			for pause := 100 * time.Millisecond; pause < 12*time.Second; pause += 70 * time.Millisecond {
				if pause > 4*time.Second && pause < 9*time.Second {
					continue
				}
				t.Run(fmt.Sprint(step, after, pause), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						// The agent works for longer than a lease lasts that was acquired in vain.
						l, x := new(memlog.Log), &recorder{pace: 20 * time.Second}
						once := false
						stand := func(op tasklog.Op) {
							if isStep(step, op) && !once {
								once = true
								time.Sleep(pause)
							}
						}
						hooks := tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
							stand(op)
							return nil
						}}
						if after {
							hooks = tasklog.Hooks{After: func(_ context.Context, op tasklog.Op, err error) error {
								stand(op)
								return err
							}}
						}
						slow := instance(tasklog.Hooked(l, hooks), l, x)
						// The other instance is not that quick, either.
						quick := quiet(instance(delayed(l, 250*time.Millisecond, "Acquire", "Append"), l, x), l)
						task := send(t, quick, message("", "first"), a2a.TaskStateInputRequired)
						req := message(task.ID, "done")
						begun := time.Now()
						tasks, errs := together(t.Context(), []*server.Server{slow, quick}, req, req)
						if err := errors.Join(errs...); err != nil {
							t.Fatal(err)
						}
						for _, got := range tasks {
							if got.ID != task.ID || got.Status.State != a2a.TaskStateCompleted || inHistory(got, req.Message.ID) != 1 {
								t.Errorf("got %+v", got)
							}
						}
						if n, took := x.times(req.Message.ID), time.Since(begun); n != 1 || took > pause+3*time.Second+x.pace {
							t.Errorf("the agent got the message %d times, after %v", n, took)
						}
					})
				})
			}
		}
	}
}

// TestOvertakenInBetween has an instance acquire the lease between the two steps of another one,
// which leaves the turn to a worker. The other one's message is refused or, if it is the same,
// joins. Nobody waits for the end of a lease.
func TestOvertakenInBetween(t *testing.T) {
	for _, same := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l, x := new(memlog.Log), new(recorder)
			late := func(pause time.Duration) *server.Server {
				return quiet(instance(delayed(l, pause, "Append"), l, x), l)
			}
			task := send(t, instance(l, l, x), message("", "first"), a2a.TaskStateInputRequired)
			left := message(task.ID, "done")
			left.Config = &a2a.SendMessageConfig{ReturnImmediately: true}
			second := copyOf(left)
			if !same {
				second = message(task.ID, "done")
			}
			second.Config = nil
			begun := time.Now()
			var sending sync.WaitGroup
			sending.Go(func() {
				_, err := late(100*time.Millisecond).SendMessage(t.Context(), caller, left)
				if same != (err == nil) || err != nil && !errors.Is(err, a2a.ErrUnsupportedOperation) {
					t.Errorf("the first was answered: %v", err)
				}
			})
			time.Sleep(50 * time.Millisecond)
			task = send(t, late(300*time.Millisecond), second, a2a.TaskStateCompleted)
			sending.Wait()
			id := second.Message.ID
			if took := time.Since(begun); took > 2*time.Second || x.times(id) != 1 || inHistory(task, id) != 1 || len(task.History) != 2 {
				t.Errorf("it took %v, the agent got the message %d times, and the task has %d", took, x.times(id), len(task.History))
			}
		})
	}
}

// TestFailsInBetween has a step of accepting a message fail, done or not, in an instance that
// lives. The client's next try is answered at once, at any instance.
func TestFailsInBetween(t *testing.T) {
	for _, step := range []string{"Create", "Acquire", "Append"} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprint(step, done), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, x := new(memlog.Log), new(recorder)
					failed := false
					fail := func(op tasklog.Op, err error) error {
						if failed || !isStep(step, op) {
							return err
						}
						failed = true
						return errDead
					}
					hooks := tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error { return fail(op, nil) }}
					if done {
						hooks = tasklog.Hooks{After: func(_ context.Context, op tasklog.Op, err error) error { return fail(op, err) }}
					}
					failing := instance(tasklog.Hooked(l, hooks), l, x)
					other := instance(l, l, x)
					req := message("", "done")
					if step != "Create" {
						req.Message.TaskID = send(t, other, message("", "first"), a2a.TaskStateInputRequired).ID
					}
					if _, err := failing.SendMessage(t.Context(), caller, copyOf(req)); err == nil {
						t.Fatal("a message that can't be stored was answered")
					}
					begun := time.Now()
					send(t, other, req, a2a.TaskStateCompleted)
					if took, n := time.Since(begun), x.times(req.Message.ID); took > time.Second || n != 1 {
						t.Errorf("it took %v, and the agent got the message %d times", took, n)
					}
				})
			})
		}
	}
}

// TestRaceFaults sends the same messages to two instances at nearly the same time. Their requests
// to the store fail, or are done without an answer, or are slow, but an instance never has two
// faults in a row. Clients try again until they get an answer. No message is lost, and the agent
// gets none twice.
func TestRaceFaults(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			l, x := new(memlog.Log), new(recorder)
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(seed, 0))
			flaky := func() tasklog.Store {
				var sound, kind int
				var pause time.Duration
				faulty := func(op tasklog.Op) bool {
					return slices.ContainsFunc([]string{"Create", "Acquire", "Load", "Peek", "Append"}, func(step string) bool { return isStep(step, op) })
				}
				return tasklog.Hooked(l, tasklog.Hooks{
					Before: func(_ context.Context, op tasklog.Op) error {
						if !faulty(op) {
							return nil
						}
						mu.Lock()
						kind, pause = random.IntN(8), time.Duration(random.Int64N(int64(300*time.Millisecond)))
						if sound--; sound > 0 && kind < 2 {
							kind = 2
						} else if kind < 2 {
							sound = 4
						}
						mu.Unlock()
						switch kind {
						case 0:
							return errDead
						case 2, 3:
							time.Sleep(pause)
						}
						return nil
					},
					After: func(_ context.Context, op tasklog.Op, err error) error {
						switch {
						case !faulty(op):
						case kind == 1:
							return errDead
						case kind == 2, kind == 3:
							time.Sleep(pause / 2)
						}
						return err
					},
				})
			}
			servers := []*server.Server{quiet(instance(flaky(), l, x), l), quiet(instance(flaky(), l, x), l)}
			var id a2a.TaskID
			for _, text := range []string{"first", "again", "more", "done"} {
				req := message(id, text)
				ids := make([]a2a.TaskID, 2)
				begun := time.Now()
				var sending sync.WaitGroup
				for i, s := range servers {
					sending.Go(func() {
						for try := 0; ; try++ {
							task, err := s.SendMessage(t.Context(), caller, copyOf(req))
							if err == nil {
								ids[i] = task.ID
								return
							}
							if try > 30 || errors.Is(err, a2a.ErrUnsupportedOperation) && !strings.Contains(err.Error(), "being worked on") {
								t.Errorf("seed %d, %s: %v", seed, text, err)
								return
							}
							time.Sleep(50 * time.Millisecond)
						}
					})
				}
				sending.Wait()
				if took := time.Since(begun); took > 12*time.Second {
					t.Errorf("seed %d, %s: it took %v", seed, text, took)
				}
				if ids[0] != ids[1] || ids[0] == "" {
					t.Fatalf("seed %d: %s is in the tasks %q", seed, text, ids)
				}
				id = ids[0]
				s, err := l.Load(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				if n, times := inHistory(s.Task, req.Message.ID), x.times(req.Message.ID); n != 1 || times != 1 {
					t.Errorf("seed %d: %s is in the log %d times, and was given to the agent %d times", seed, text, n, times)
				}
			}
		})
	}
}

// delayed is a store whose steps take some time before they are done.
func delayed(s tasklog.Store, pause time.Duration, steps ...string) tasklog.Store {
	return tasklog.Hooked(s, tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
		if slices.ContainsFunc(steps, func(step string) bool { return isStep(step, op) }) {
			time.Sleep(pause)
		}
		return nil
	}})
}

// quiet gives the server's runs a store without faults: this test is not about faults of runs.
func quiet(s *server.Server, store tasklog.Store) *server.Server {
	s.Runner.Store = store
	return s
}
