package server_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/tasklog"
)

// TestOnceAfterDepose has a holder stop just before it makes a call that happens only once, and go on
// when its lease has been taken from it, but a worker has not come yet. It does not begin the call,
// and so the worker makes it.
func TestOnceAfterDepose(t *testing.T) {
	for _, late := range []time.Duration{0, 5 * time.Millisecond, 15 * time.Millisecond, 40 * time.Millisecond, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var calls, interrupted atomic.Int32
			ns := newNodes(t, durable.New(func(ctx context.Context, _ *durable.Task) error {
				_, err := durable.Do(ctx, "think", func(context.Context) (int, error) {
					time.Sleep(3 * time.Second)
					return 1, nil
				})
				if err != nil {
					return err
				}
				_, err = durable.Do(ctx, "charge", func(context.Context) (int, error) {
					calls.Add(1)
					time.Sleep(time.Second)
					return 1, nil
				}, durable.Once())
				if errors.Is(err, durable.ErrInterrupted) {
					interrupted.Add(1)
					err = nil
				}
				return err
			}))
			ns.workers.start = 2 * time.Second
			holder, id := ns.begin(ns.workers)
			time.Sleep(2900 * time.Millisecond)
			holder.stop(time.Minute)
			// Reads of its lease show it as it was.
			holder.at(func(ctx context.Context, op tasklog.Op, done bool) error {
				if !done && (op.Name == "AskedOf" || op.Name == "Lease.Renew") {
					time.Sleep(300 * time.Millisecond)
				}
				return nil
			})
			reader := ns.add(ns.workers)
			wakes := func() { time.AfterFunc(late, func() { holder.stop(0) }) }
			reader.at(func(_ context.Context, op tasklog.Op, done bool) error {
				if !done && op.Name == "Depose" { // the journal was read
					wakes()
				}
				return nil
			})
			stream := ns.comesTo(reader, id, nil)
			time.Sleep(20 * time.Second)
			stream.Close()
			ns.working.Wait()
			if s := ns.load(id); s.Task.Status.State != a2a.TaskStateCompleted || calls.Load() != 1 || interrupted.Load() != 0 {
				t.Errorf("%v after the journal was read: the task is %s; called %d times, interrupted %d times\n%s",
					late, s.Task.Status.State, calls.Load(), interrupted.Load(), ns.logged())
			}
		})
	}
}

// TestLeavesWhenDeposed has the only client leave just when the lease of a dead holder is taken. A worker
// is asked for all the same.
func TestLeavesWhenDeposed(t *testing.T) {
	for _, done := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ns := newNodes(t, silent)
			holder, id := ns.begin(ns.workers)
			time.Sleep(3 * time.Second)
			holder.kill()
			reader := ns.add(ns.workers)
			leaves := make(chan struct{})
			reader.at(func(_ context.Context, op tasklog.Op, after bool) error {
				if op.Name == "Depose" && after == done {
					close(leaves)
					time.Sleep(time.Millisecond)
				}
				return nil
			})
			stream := ns.comesTo(reader, id, nil)
			<-leaves
			stream.Close()
			time.Sleep(2 * time.Second)
			if l := ns.load(id).Lease; l.Epoch != 2 || !l.Held() {
				t.Errorf("done: %t; the lease is %+v\n%s", done, l, ns.logged())
			}
			ns.finish(id)
		})
	}
}

// TestWorkerLosesRace has a worker judge a dead holder, whose lease is then taken by somebody else who
// dies, or by the worker itself, which does not learn it. The worker goes on with the task.
func TestWorkerLosesRace(t *testing.T) {
	for _, what := range []string{"another", "another, later", "itself"} {
		synctest.Test(t, func(t *testing.T) {
			ns := newNodes(t, silent)
			holder, id := ns.begin(ns.workers)
			holder.kill()
			time.Sleep(16 * time.Second)
			worker := ns.add(ns.workers)
			deposes := func() {
				if done, err := ns.log.Depose(t.Context(), id, ns.load(id).Lease, tasklog.AnyPlace); !done || err != nil {
					t.Error(done, err)
				}
			}
			worker.at(func(_ context.Context, op tasklog.Op, done bool) error {
				switch {
				case what == "another" && op.Name == "Doubt" && done:
					deposes()
				case what == "another, later" && op.Name == "Depose" && !done:
					deposes()
				case what == "itself" && op.Name == "Depose" && done:
					return errLost
				}
				return nil
			})
			ns.working.Go(func() {
				if err := worker.Runner.Work(context.Background(), id); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(4 * time.Second)
			if l := ns.load(id).Lease; l.Epoch != 2 || !l.Held() {
				t.Errorf("%s: the lease is %+v\n%s", what, l, ns.logged())
			}
			ns.finish(id)
		})
	}
}

// TestEachRequest kills a holder, and has a client come back with each request that waits for a task.
func TestEachRequest(t *testing.T) {
	again := message("", "hello")
	for name, come := range map[string]func(ctx context.Context, n *node, id a2a.TaskID) error{
		"message/send, retried": func(ctx context.Context, n *node, id a2a.TaskID) error {
			_, err := n.SendMessage(ctx, caller, again)
			return err
		},
		"message/stream, retried": func(ctx context.Context, n *node, id a2a.TaskID) error {
			stream, err := n.SendStreamingMessage(ctx, caller, again)
			if err != nil {
				return err
			}
			<-ctx.Done()
			stream.Close()
			return nil
		},
		"subscribe": func(ctx context.Context, n *node, id a2a.TaskID) error {
			stream, err := n.SubscribeToTask(ctx, caller, &a2a.SubscribeToTaskRequest{ID: id})
			if err != nil {
				return err
			}
			<-ctx.Done()
			stream.Close()
			return nil
		},
		"cancel": func(ctx context.Context, n *node, id a2a.TaskID) error {
			_, err := n.CancelTask(ctx, caller, &a2a.CancelTaskRequest{ID: id})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, old := range []time.Duration{100 * time.Millisecond, 3 * time.Second, 40 * time.Second} {
					ns := newNodes(t, silent)
					holder := ns.add(ns.workers)
					sent, err := holder.SendStreamingMessage(t.Context(), caller, again)
					if err != nil {
						t.Fatal(err)
					}
					id := sent.Task.TaskID
					ns.working.Go(sent.Close)
					time.Sleep(4 * time.Second)
					holder.kill()
					time.Sleep(old)
					ctx, cancel := context.WithCancel(t.Context())
					begun := time.Now()
					var coming atomic.Bool
					ns.working.Go(func() {
						if err := come(ctx, ns.add(ns.workers), id); err != nil && ctx.Err() == nil {
							t.Error(err)
						}
						coming.Store(true)
					})
					time.Sleep(5 * time.Second)
					if l := ns.load(id).Lease; l.Epoch != 2 {
						t.Errorf("%v after the holder has died: the lease is %+v %v after\n%s", old, l, time.Since(begun), ns.logged())
					}
					if !strings.Contains(ns.logged(), "outcome=deposed") {
						t.Errorf("nobody was deposed:\n%s", ns.logged())
					}
					cancel()
					if s := ns.load(id); s.Task.Status.State != a2a.TaskStateCanceled {
						ns.finish(id)
					}
					ns.working.Wait()
				}
			})
		})
	}
}

// TestFormerHolder has clients come to a holder of a former version, which does not know that it is
// doubted. It keeps its task, and when it has died, the end of its lease decides.
func TestFormerHolder(t *testing.T) {
	for _, ahead := range []time.Duration{0, 20 * time.Second, -20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ns := newNodes(t, silent)
			ns.deaf = true
			holder, id := ns.begin(ns.workers)
			ns.workers.ahead = ahead
			for range 40 {
				reader := ns.add(ns.workers)
				stream := ns.comesTo(reader, id, nil)
				if _, err := reader.GetTask(t.Context(), caller, &a2a.GetTaskRequest{ID: id}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3300 * time.Millisecond)
				stream.Close()
			}
			if l := ns.load(id).Lease; l.Epoch != 1 || !l.Held() || ns.questions() > 0 {
				t.Errorf("%v ahead: the lease is %+v, after %d questions\n%s", ahead, l, ns.questions(), ns.logged())
			}
			holder.kill()
			killed := time.Now()
			stream := ns.comes(ns.workers, id, nil)
			for ns.load(id).Lease.Epoch == 1 && time.Since(killed) < time.Minute {
				time.Sleep(100 * time.Millisecond)
			}
			if took := time.Since(killed); took < 8*time.Second || took > 18*time.Second {
				t.Errorf("%v ahead: the lease was acquired after %v", ahead, took)
			}
			stream.Close()
			ns.finish(id)
		})
	}
}

// TestDeposedAndLost has the only client of a dead holder's task leave, and the worker that it has asked
// for never come. The sweeper finds the task.
func TestDeposedAndLost(t *testing.T) {
	for _, ahead := range []time.Duration{0, -time.Minute, time.Minute} { // the sweeper's clock
		synctest.Test(t, func(t *testing.T) {
			ns := newNodes(t, silent)
			holder, id := ns.begin(ns.workers)
			time.Sleep(3 * time.Second)
			holder.kill()
			ns.lost = 1
			stream := ns.comes(ns.workers, id, nil)
			for !ns.load(id).Lease.Deposed {
				time.Sleep(time.Millisecond)
			}
			stream.Close()
			ns.workers.ahead = ahead
			for range 3 {
				time.Sleep(time.Minute)
				if _, err := ns.add(ns.workers).Runner.Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
			if l := ns.load(id).Lease; l.Epoch != 2 || !l.Held() {
				t.Errorf("%v ahead: the lease is %+v", ahead, l)
			}
			ns.finish(id)
		})
	}
}

// deposed returns a task that was taken from a dead holder.
func (ns *nodes) deposed() a2a.TaskID {
	ns.Helper()
	holder, id := ns.begin(ns.workers)
	holder.kill()
	if done, err := ns.log.Depose(ns.Context(), id, ns.load(id).Lease, tasklog.AnyPlace); !done || err != nil {
		ns.Fatal(done, err)
	}
	return id
}

// TestManyReaders has a hundred clients read a task, and a hundred follow it, which was taken from a dead
// holder: their process asks for one worker.
func TestManyReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, silent)
		id := ns.deposed()
		reader := ns.add(ns.workers)
		var coming sync.WaitGroup
		for range 100 {
			coming.Go(func() {
				if _, err := reader.GetTask(t.Context(), caller, &a2a.GetTaskRequest{ID: id}); err != nil {
					t.Error(err)
				}
			})
			coming.Go(func() { ns.comesTo(reader, id, nil).Close() })
		}
		coming.Wait()
		time.Sleep(400 * time.Millisecond)
		if n, l := ns.count("Invoke"), ns.load(id).Lease; n != 1 || l.Epoch != 2 || !l.Held() {
			t.Errorf("%d workers were asked for; the lease is %+v", n, l)
		}
		ns.finish(id)
	})
}

// TestGoneReader has a client go away as soon as it has come. The worker that its process asks for comes
// all the same.
func TestGoneReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, silent)
		id := ns.deposed()
		stream := ns.comes(ns.workers, id, nil)
		synctest.Wait() // it is asking
		stream.Close()
		if n := ns.count("Invoke"); n != 1 {
			t.Errorf("%d workers were asked for\n%s", n, ns.logged())
		}
		ns.finish(id)
	})
}

// TestStreamOfDeposed has a holder stop until others go on with its task. The stream that began the task
// shows all events, once and in order, to the end.
func TestStreamOfDeposed(t *testing.T) {
	for stops := 100 * time.Millisecond; stops < 8*time.Second; stops += 550 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			ns := newNodes(t, steps(12))
			holder := ns.add(ns.workers)
			sent, err := holder.SendStreamingMessage(t.Context(), caller, message("", "hello"))
			if err != nil {
				t.Fatal(err)
			}
			id := sent.Task.TaskID
			var last int64
			ns.working.Go(func() {
				defer sent.Close()
				for last = sent.First.Seq; ; {
					events, err := sent.Next(t.Context())
					if err != nil {
						if !errors.Is(err, io.EOF) {
							t.Error(err)
						}
						return
					}
					for _, e := range events {
						if e.Seq != last+1 {
							t.Errorf("event %d follows event %d", e.Seq, last)
						}
						last = e.Seq
					}
				}
			})
			time.Sleep(4500 * time.Millisecond)
			holder.stop(stops)
			time.Sleep(50 * time.Millisecond)
			stream := ns.comes(ns.workers, id, nil)
			ns.working.Wait()
			stream.Close()
			s := ns.load(id)
			if s.Task.Status.State != a2a.TaskStateCompleted || last != s.Seq {
				t.Errorf("it stops for %v: the task is %s, and %d of %d events were shown\n%s", stops, s.Task.Status.State, last, s.Seq, ns.logged())
			}
			if deposed := s.Lease.Epoch > 1; deposed != (stops > 4*time.Second) && (stops < time.Second || stops > 4*time.Second) {
				t.Errorf("it stops for %v: the lease is %+v", stops, s.Lease)
			}
		})
	}
}
