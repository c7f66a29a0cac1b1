package server_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// brief is an agent that works for a second. If the message is "ask", it asks for input. It can't
// resume: its task fails if its run is cut off.
type brief struct{ asker }

func (brief) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		if ec.Message.Parts[0].Text() == "ask" {
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateInputRequired, nil), nil)
			return
		}
		if yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil) {
			time.Sleep(time.Second)
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
		}
	}
}

// TestOverload has one owner begin more tasks than the keys of its list can take, for half a
// minute, beside a sweeper and workers. The tasks are streamed, left to a worker, or ask for a
// second message. A refused client learns that the store is busy. No accepted task fails, and two
// minutes after the load has ended no task is unfinished.
func TestOverload(t *testing.T) {
	const (
		rate     = 10.0     // of a key, in write units a second
		perTask  = 13.0 / 3 // write units in the list, the mean of the three kinds of tasks below
		lasting  = 30 * time.Second
		capacity = 4 * rate / perTask // of the list's four keys, in tasks a second
	)
	for _, load := range []float64{0.9, 1.2, 2, 4} {
		t.Run(fmt.Sprint(load), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(memlog.Log)
				bucket := &tasklogtest.Bucket{Rate: rate, Burst: 5 * rate}
				store := bucket.Store(l)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var working sync.WaitGroup
				c := run.Config{Store: store, Executor: brief{}, Logger: slog.New(slog.DiscardHandler)}
				var runner *run.Runner
				c.Invoke = func(_ context.Context, id a2a.TaskID) error {
					working.Go(func() { _ = runner.Work(context.WithoutCancel(ctx), id) })
					return nil
				}
				runner = run.New(c)
				s := server.New(server.Config{Store: store, Runner: runner, Retention: 24 * time.Hour, Card: new(a2a.AgentCard)})
				working.Go(func() {
					for ctx.Err() == nil {
						select {
						case <-time.After(time.Minute):
							_, _ = runner.Sweep(ctx)
						case <-ctx.Done():
						}
					}
				})

				var mu sync.Mutex
				begun := map[a2a.TaskID]bool{}
				refused, wrong := 0, map[string]int{}
				var asking sync.WaitGroup
				pause := time.Duration(float64(time.Second) / (load * capacity))
				// note counts what happened to a message, and reports whether it was accepted.
				note := func(id a2a.TaskID, err error) bool {
					mu.Lock()
					defer mu.Unlock()
					switch {
					case errors.Is(err, tasklog.ErrThrottled):
						refused++
					case err != nil:
						wrong[err.Error()]++
					default:
						begun[id] = true
					}
					return err == nil
				}
				stream := func(id a2a.TaskID, text string) (a2a.TaskID, bool) {
					stream, err := s.SendStreamingMessage(t.Context(), caller, message(id, text))
					if err == nil {
						id = stream.Task.TaskID
						stream.Close()
					}
					return id, note(id, err)
				}
				for i, start := 0, time.Now(); time.Since(start) < lasting; i++ {
					asking.Go(func() {
						switch i % 3 {
						case 0:
							stream("", "x")
						case 1:
							req := message("", "x")
							req.Config = &a2a.SendMessageConfig{ReturnImmediately: true}
							task, err := s.SendMessage(t.Context(), caller, req)
							if err != nil {
								task = new(a2a.Task)
							}
							note(task.ID, err)
						case 2:
							if id, asked := stream("", "ask"); asked {
								stream(id, "x")
							}
						}
					})
					time.Sleep(pause)
				}
				time.Sleep(2 * time.Minute)
				if left, err := tasklogtest.Unfinished(ctx, l); err != nil || len(left) > 0 {
					t.Errorf("%d tasks are unfinished, %v", len(left), err)
				}
				asking.Wait()
				ended := map[a2a.TaskState]int{}
				for id := range begun {
					snapshot, err := l.Load(ctx, id)
					if err != nil {
						t.Fatal(err)
					}
					ended[snapshot.Task.Status.State]++
				}
				// A task whose second message was refused waits for it.
				if len(wrong) > 0 || ended[a2a.TaskStateCompleted]+ended[a2a.TaskStateInputRequired] != len(begun) {
					t.Errorf("the tasks ended as %v; other errors: %v", ended, wrong)
				}
				if len(begun) < int(0.5*capacity*lasting.Seconds()) || load < 1 && refused > len(begun)/20 || load > 1 && refused == 0 {
					t.Errorf("%d tasks have begun, and %d were refused", len(begun), refused)
				}
				cancel()
				working.Wait()
			})
		})
	}
}

// TestJoinsWhereNothingBegins has a store that is too busy for new tasks. A message that is sent
// again still joins its task, even if the task began although its request was refused. Another
// message is refused.
func TestJoinsWhereNothingBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full, done := false, false
		refuse := func(context.Context, tasklog.Op) error {
			if full {
				return tasklogtest.ErrThrottled
			}
			return nil
		}
		lose := func(ctx context.Context, op tasklog.Op) error {
			if done {
				return tasklogtest.ErrThrottled
			}
			return nil
		}
		l := tasklogtest.Faulty(new(memlog.Log), tasklogtest.Fault{Op: "Create", Do: refuse},
			tasklogtest.Fault{Op: "Create", Done: true, Do: lose})
		s := instance(l, l, asker{})
		first, lost, other := message("", "done"), message("", "done"), message("", "done")
		task := send(t, s, copyOf(first), a2a.TaskStateCompleted)
		done = true
		begun := send(t, s, copyOf(lost), a2a.TaskStateCompleted)
		full = true
		if again := send(t, s, copyOf(first), a2a.TaskStateCompleted); again.ID != task.ID {
			t.Errorf("it joined %s, and not %s", again.ID, task.ID)
		}
		if again := send(t, s, copyOf(lost), a2a.TaskStateCompleted); again.ID != begun.ID {
			t.Errorf("it joined %s, and not %s", again.ID, begun.ID)
		}
		if _, err := s.SendMessage(t.Context(), caller, other); !errors.Is(err, tasklog.ErrThrottled) {
			t.Errorf("another: %v", err)
		}
	})
}

// TestGivesUpSoon checks which requests give up soon when the store is throttled: all that a client
// can send again, and no request of a run, which nobody can.
func TestGivesUpSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		soon := map[string]map[bool]bool{}
		l := tasklog.Hooked(new(memlog.Log), tasklog.Hooks{Before: func(ctx context.Context, op tasklog.Op) error {
			mu.Lock()
			defer mu.Unlock()
			name := op.Name
			if name == "Lease.Append" {
				name = string(op.Entries[0].State)
			}
			if soon[name] == nil {
				soon[name] = map[bool]bool{}
			}
			soon[name][tasklog.GivesUpSoon(ctx)] = true
			return nil
		}})
		s := instance(l, l, brief{})
		task := send(t, s, message("", "ask"), a2a.TaskStateInputRequired)
		send(t, s, message(task.ID, "x"), a2a.TaskStateCompleted)
		if _, err := s.ListTasks(t.Context(), caller, new(a2a.ListTasksRequest)); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]bool{
			"Create": true, "Acquire": true, "Load": true, "Peek": true, "List": true, string(a2a.TaskStateSubmitted): true,
			string(a2a.TaskStateInputRequired): false, string(a2a.TaskStateWorking): false, string(a2a.TaskStateCompleted): false,
			"AskedOf": false,
		} {
			if got := soon[name]; len(got) != 1 || !got[want] {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
	})
}
