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

// recorder is an asker that takes its time, and notes the ids of the messages that it was given.
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

// times returns how often the message was given to the agent.
func (r *recorder) times(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(r.ids), func(seen string) bool { return seen != id }))
}

// instance returns a server over a log, as an instance of its own has it, whose workers run over the log that they are given.
func instance(l, workers tasklog.Log, x a2asrv.AgentExecutor) *server.Server {
	worker := &run.Runner{Log: workers, Executor: x, Logger: slog.New(slog.DiscardHandler)}
	worker.Invoke = func(_ context.Context, id a2a.TaskID) error {
		go func() { _ = worker.Work(context.Background(), id) }()
		return nil
	}
	r := &run.Runner{Log: l, Executor: x, Logger: worker.Logger, Invoke: worker.Invoke}
	return &server.Server{Log: l, Runner: r, Retention: 24 * time.Hour, Card: new(a2a.AgentCard)}
}

// stores are the logs, each opened anew for each instance that shares what is in it.
func stores(t *testing.T) map[string]func() tasklog.Log {
	client, table := dynamodblocal.Table(t)
	mem := new(memlog.Log)
	return map[string]func() tasklog.Log{
		"memory":   func() tasklog.Log { return mem },
		"DynamoDB": func() tasklog.Log { return dynamolog.New(client, table) },
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

// TestTwiceAtOnce has the same message come twice at nearly the same time, to two instances over one store: as a new task, and to a
// task that waits for it. Both senders get the same task, and the agent gets the message once.
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
						// A third joins, and waits for the end of the turn.
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

// TestManyAtOnce has eight senders at once, of three messages, to a task that waits: each message that is not refused is in the log
// once, and given to the agent once.
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

// dying is the log of an instance, which dies, stands still, or has its requests fail, at a step.
type dying struct {
	tasklog.Log
	step func(name string, do func() error) error
}

func (d *dying) Create(ctx context.Context, h tasklog.Head, writer string, until time.Time, event []byte) error {
	return d.step("Create", func() error { return d.Log.Create(ctx, h, writer, until, event) })
}

func (d *dying) Append(ctx context.Context, b tasklog.Batch) error {
	return d.step("Append", func() error { return d.Log.Append(ctx, b) })
}

func (d *dying) Fence(ctx context.Context, h tasklog.Head, writer string, epoch, next int64) error {
	return d.step("Fence", func() error { return d.Log.Fence(ctx, h, writer, epoch, next) })
}

func (d *dying) Acquire(ctx context.Context, s *tasklog.Snapshot, writer string, until time.Time) (lease tasklog.Lease, err error) {
	err = d.step("Acquire", func() error {
		lease, err = d.Log.Acquire(ctx, s, writer, until)
		return err
	})
	return lease, err
}

func (d *dying) Load(ctx context.Context, id a2a.TaskID) (s *tasklog.Snapshot, err error) {
	err = d.step("Load", func() error {
		s, err = d.Log.Load(ctx, id)
		return err
	})
	return s, err
}

var errDead = errors.New("dead")

// diesAfter returns the step of an instance that dies after a step, which is done, or before.
func diesAfter(name string, done bool) func(string, func() error) error {
	dead := false
	return func(step string, do func() error) error {
		if dead {
			return errDead
		}
		if step != name {
			return do()
		}
		dead = true
		if done {
			_ = do()
		}
		return errDead
	}
}

// TestDeadInBetween has an instance die while it puts a message into the log of a task that waits: another takes the same message,
// or another message, within seconds, and not when the lease of the dead one has ended.
func TestDeadInBetween(t *testing.T) {
	for _, test := range []struct {
		name string
		step func(string, func() error) error
	}{
		{"before the lease", diesAfter("Acquire", false)},
		{"after the lease", diesAfter("Acquire", true)},
		{"before the message", diesAfter("Append", false)},
	} {
		for _, same := range []bool{true, false} {
			t.Run(fmt.Sprint(test.name, ", the same message: ", same), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, x := new(memlog.Log), new(recorder)
					dead := &dying{l, test.step}
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

// TestDeadAtTable is TestDeadInBetween over a table, where the next sender has the turn long before the lease ends.
func TestDeadAtTable(t *testing.T) {
	t.Parallel()
	open := stores(t)["DynamoDB"]
	x := new(recorder)
	other := instance(open(), open(), x)
	task := send(t, other, message("", "first"), a2a.TaskStateInputRequired)
	req := message(task.ID, "done")
	if _, err := instance(&dying{open(), diesAfter("Acquire", true)}, open(), x).SendMessage(t.Context(), caller, copyOf(req)); err == nil {
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

// TestSlowInBetween has an instance stand still while it puts a message into the log, for longer than others wait. It finds that
// they have, and joins them; or it was only just in time, and they join it.
func TestSlowInBetween(t *testing.T) {
	for _, step := range []string{"Acquire", "Append"} {
		for _, after := range []bool{false, true} {
			for pause := 100 * time.Millisecond; pause < 4*time.Second; pause += 70 * time.Millisecond {
				t.Run(fmt.Sprint(step, after, pause), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						// The agent is at work for longer than a lease lasts that somebody has taken in vain.
						l, x := new(memlog.Log), &recorder{pace: 20 * time.Second}
						once := false
						slow := instance(&dying{l, func(name string, do func() error) error {
							if name != step || once {
								return do()
							}
							once = true
							if after {
								defer time.Sleep(pause)
							} else {
								time.Sleep(pause)
							}
							return do()
						}}, l, x)
						// The other is not that quick, either.
						quick := quiet(instance(&dying{l, func(name string, do func() error) error {
							if name == "Fence" || name == "Append" {
								time.Sleep(250 * time.Millisecond)
							}
							return do()
						}}, l, x), l)
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

// TestOvertakenInBetween has an instance take the lease between the two steps of one that leaves the turn to a worker, and be too late
// with its own message: it leaves the turn to a worker as well, and keeps nobody waiting for its lease to end.
func TestOvertakenInBetween(t *testing.T) {
	for _, same := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l, x := new(memlog.Log), new(recorder)
			late := func(pause time.Duration) *server.Server {
				return quiet(instance(&dying{l, func(name string, do func() error) error {
					if name == "Append" {
						time.Sleep(pause)
					}
					return do()
				}}, l, x), l)
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
				if _, err := late(100*time.Millisecond).SendMessage(t.Context(), caller, left); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(50 * time.Millisecond)
			_, err := late(300*time.Millisecond).SendMessage(t.Context(), caller, second)
			if same != (err == nil) || err != nil && !errors.Is(err, a2a.ErrUnsupportedOperation) {
				t.Errorf("the second was answered: %v", err)
			}
			sending.Wait()
			again := copyOf(left)
			again.Config = nil
			send(t, instance(l, l, x), again, a2a.TaskStateCompleted)
			if took, n := time.Since(begun), x.times(left.Message.ID); took > 2*time.Second || n != 1 {
				t.Errorf("it took %v, and the agent got the message %d times", took, n)
			}
		})
	}
}

// TestFailsInBetween has a step of accepting a message fail, done or not, in an instance that lives: the client's next try is answered
// at once, wherever it comes.
func TestFailsInBetween(t *testing.T) {
	for _, step := range []string{"Create", "Acquire", "Append"} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprint(step, done), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, x := new(memlog.Log), new(recorder)
					failed := false
					failing := instance(&dying{l, func(name string, do func() error) error {
						if name != step || failed {
							return do()
						}
						failed = true
						if done {
							_ = do()
						}
						return errDead
					}}, l, x)
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

// TestRaceFaults has the same messages come to two instances at nearly the same time, whose requests to the store fail or are done and
// not acknowledged, or take their time; of one instance not two in a row. Clients try again until they are answered. No message is
// lost, or given to the agent twice.
func TestRaceFaults(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			l, x := new(memlog.Log), new(recorder)
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(seed, 0))
			flaky := func() tasklog.Log {
				sound := 0
				return &dying{l, func(name string, do func() error) error {
					mu.Lock()
					kind, pause := random.IntN(8), time.Duration(random.Int64N(int64(300*time.Millisecond)))
					if sound--; sound > 0 && kind < 2 {
						kind = 2
					} else if kind < 2 {
						sound = 4
					}
					mu.Unlock()
					switch kind {
					case 0:
						return errDead
					case 1:
						_ = do()
						return errDead
					case 2, 3:
						time.Sleep(pause)
						defer time.Sleep(pause / 2)
					}
					return do()
				}}
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

// quiet lets the server's runs have a log without faults: what befalls them there is not tested here.
func quiet(s *server.Server, l tasklog.Log) *server.Server {
	s.Runner.Log = l
	return s
}
