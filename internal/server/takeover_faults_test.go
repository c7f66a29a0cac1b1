package server_test

import (
	"context"
	"errors"
	"math/rand/v2"
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

var errLost = errors.New("the answer was lost")

// TestDeposeFails has a store in which nobody can take a lease. Who waits tries again and again, but
// not all the time.
func TestDeposeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, silent)
		holder, id := ns.begin(ns.workers)
		time.Sleep(3 * time.Second)
		holder.kill()
		var tries atomic.Int32
		var works atomic.Bool
		ns.does = func(_ context.Context, op tasklog.Op, done bool) error {
			if op.Name == "Depose" && !done && !works.Load() {
				tries.Add(1)
				return errLost
			}
			return nil
		}
		stream := ns.comes(ns.workers, id, nil)
		time.Sleep(2 * time.Minute)
		if n := tries.Load(); n < 5 || n > 40 {
			t.Errorf("tried %d times in two minutes", n)
		}
		works.Store(true)
		time.Sleep(12 * time.Second)
		if l := ns.load(id).Lease; l.Epoch != 2 || !l.Held() {
			t.Errorf("the lease is %+v", l)
		}
		stream.Close()
		ns.finish(id)
	})
}

// TestHungQuestion has a healthy holder whose read of its lease hangs, just when somebody doubts it.
func TestHungQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, silent)
		holder, id := ns.begin(ns.workers)
		asked := 0
		for i := range 31 {
			time.Sleep(2*time.Second + time.Duration(i)*11*time.Millisecond)
			stream := ns.comes(ns.workers, id, nil)
			var hung atomic.Bool
			holder.at(func(ctx context.Context, op tasklog.Op, done bool) error {
				if l, _ := ns.log.Lease(ctx, id); !done && op.Name == "AskedOf" && l.Doubted && hung.CompareAndSwap(false, true) {
					<-ctx.Done()
					return context.Cause(ctx)
				}
				return nil
			})
			time.Sleep(4 * time.Second)
			stream.Close()
			ns.keeps(id)
			if hung.Load() {
				asked++
			}
		}
		if asked < 10 {
			t.Errorf("asked %d times", asked)
		}
		holder.at(nil)
		ns.finish(id)
	})
}

// TestSlowMoments has a store that is slow for a moment, two hundred times: a call that begins then
// takes two seconds. Clients come all the time. The holder keeps its task.
func TestSlowMoments(t *testing.T) {
	for _, moment := range []time.Duration{300 * time.Millisecond, 700 * time.Millisecond, 1100 * time.Millisecond, 1500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			ns := newNodes(t, silent)
			var slowUntil atomic.Pointer[time.Time]
			slowUntil.Store(new(time.Time))
			ns.does = func(ctx context.Context, _ tasklog.Op, done bool) error {
				if done || !time.Now().Before(*slowUntil.Load()) {
					return nil
				}
				select {
				case <-time.After(2 * time.Second):
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			_, id := ns.begin(ns.workers)
			var clients sync.WaitGroup
			over := time.Now().Add(200 * 5 * time.Second)
			for i := range 10 {
				random := rand.New(rand.NewPCG(uint64(i), 1))
				clients.Go(func() {
					for time.Now().Before(over) {
						stream := ns.comes(ns.workers, id, nil)
						time.Sleep(time.Duration(random.Int64N(int64(4 * time.Second))))
						stream.Close()
						time.Sleep(time.Duration(random.Int64N(int64(4 * time.Second))))
					}
				})
			}
			random := rand.New(rand.NewPCG(1, 2))
			for range 200 {
				time.Sleep(4*time.Second + time.Duration(random.Int64N(int64(time.Second))))
				end := time.Now().Add(moment)
				slowUntil.Store(&end)
			}
			clients.Wait()
			if l := ns.load(id).Lease; l.Epoch != 1 || !l.Held() {
				t.Errorf("moments of %v: the lease is %+v; deposed %d times", moment, l, strings.Count(ns.logged(), "outcome=deposed"))
			}
			ns.finish(id)
		})
	}
}

// TestEachCallFails has each call of the store fail once, before it is done or after that, or hang,
// while a client waits for the task of a dead holder. The task goes on, and the call that happens
// only once is made once.
func TestEachCallFails(t *testing.T) {
	for _, how := range []string{"fails", "is done, and fails", "hangs"} {
		for nth := range int32(60) {
			synctest.Test(t, func(t *testing.T) {
				var calls, interrupted atomic.Int32
				ns := newNodes(t, durable.New(func(ctx context.Context, _ *durable.Task) error {
					_, err := durable.Do(ctx, "think", func(ctx context.Context) (int, error) {
						select {
						case <-time.After(4 * time.Second):
						case <-ctx.Done():
						}
						return 1, ctx.Err()
					})
					if err != nil {
						return err
					}
					_, err = durable.Do(ctx, "charge", func(context.Context) (int, error) {
						calls.Add(1)
						return 1, nil
					}, durable.Once())
					if errors.Is(err, durable.ErrInterrupted) {
						interrupted.Add(1)
						err = nil
					}
					return err
				}))
				holder, id := ns.begin(ns.workers)
				time.Sleep(3 * time.Second)
				holder.kill()
				reader := ns.add(ns.workers)
				stream := ns.comesTo(reader, id, nil)
				var n atomic.Int32
				var op atomic.Value
				op.Store("")
				ns.does = func(ctx context.Context, o tasklog.Op, done bool) error {
					if done != (how == "is done, and fails") || n.Add(1) != nth+1 {
						return nil
					}
					op.Store(o.Name)
					if how == "hangs" {
						select {
						case <-time.After(5 * time.Second):
						case <-ctx.Done():
						}
					}
					return errLost
				}
				reader.at(ns.does)
				for end := time.Now().Add(40 * time.Second); time.Now().Before(end) && !tasklog.Final(ns.load(id).Task.Status.State); {
					time.Sleep(100 * time.Millisecond)
				}
				stream.Close()
				s := ns.load(id)
				if s.Task.Status.State != a2a.TaskStateCompleted || calls.Load() != 1 || interrupted.Load() != 0 {
					t.Errorf("call %d, %v, %s: the task is %s, called %d times, interrupted %d times; the lease is %+v\n%s",
						nth, op.Load(), how, s.Task.Status.State, calls.Load(), interrupted.Load(), s.Lease, ns.logged())
					ns.finish(id)
				}
				ns.working.Wait()
				time.Sleep(time.Minute)
			})
		}
	}
}

// TestHolderCallFails has each call of a healthy holder fail once, before it is done or after that, or
// hang, while clients come to its task. It keeps the task, and makes the call that happens only once.
func TestHolderCallFails(t *testing.T) {
	for _, how := range []string{"fails", "is done, and fails", "hangs"} {
		for nth := range int32(60) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				ns := newNodes(t, durable.New(func(ctx context.Context, _ *durable.Task) error {
					for _, name := range []string{"charge", "book"} {
						_, err := durable.Do(ctx, name, func(context.Context) (int, error) {
							calls.Add(1)
							time.Sleep(9 * time.Second)
							return 1, nil
						}, durable.Once())
						if err != nil {
							return err
						}
					}
					return nil
				}))
				holder, id := ns.begin(ns.workers)
				var n atomic.Int32
				var op atomic.Value
				op.Store("")
				holder.at(func(ctx context.Context, o tasklog.Op, done bool) error {
					if done != (how == "is done, and fails") || n.Add(1) != nth+1 {
						return nil
					}
					op.Store(o.Name)
					if how == "hangs" {
						select {
						case <-time.After(5 * time.Second):
						case <-ctx.Done():
						}
					}
					return errLost
				})
				for range 5 {
					stream := ns.comes(ns.workers, id, nil)
					time.Sleep(3300 * time.Millisecond)
					stream.Close()
				}
				ns.working.Wait()
				s := ns.load(id)
				if s.Task.Status.State != a2a.TaskStateCompleted || s.Lease.Epoch != 1 || calls.Load() != 2 {
					t.Errorf("call %d, %v, %s: the task is %s, called %d times; the lease is %+v\n%s",
						nth, op.Load(), how, s.Task.Status.State, calls.Load(), s.Lease, ns.logged())
				}
				time.Sleep(time.Minute)
			})
		}
	}
}
