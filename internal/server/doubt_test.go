package server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
)

// TestOnce has a holder stop, or die, while it makes a call that happens only once. It is not taken
// for dead before its lease has ended: it may still make the call.
func TestOnce(t *testing.T) {
	for _, once := range []bool{true, false} {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("once: %t, dies: %t", once, dies), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var calls, interrupted atomic.Int32
					var options []durable.Option
					if once {
						options = append(options, durable.Once())
					}
					ns := newNodes(t, durable.New(func(ctx context.Context, _ *durable.Task) error {
						_, err := durable.Do(ctx, "charge", func(context.Context) (int, error) {
							calls.Add(1)
							time.Sleep(8 * time.Second)
							return 1, nil
						}, options...)
						if errors.Is(err, durable.ErrInterrupted) {
							interrupted.Add(1)
							err = nil
						}
						return err
					}))
					holder, id := ns.begin(ns.workers)
					time.Sleep(2500 * time.Millisecond)
					if dies {
						holder.kill()
					} else {
						holder.stop(5 * time.Second)
					}
					stopped := time.Now()
					stream := ns.comes(ns.workers, id, nil)
					time.Sleep(4 * time.Second)
					if l := ns.load(id).Lease; (l.Epoch == 1) != once {
						t.Errorf("four seconds later the lease is %+v\n%s", l, ns.logged())
					}
					if dies && once {
						for ns.load(id).Lease.Epoch == 1 && time.Since(stopped) < time.Minute {
							time.Sleep(100 * time.Millisecond)
						}
						if took := time.Since(stopped); took < 12*time.Second || took > 18*time.Second {
							t.Errorf("the lease was acquired after %v", took)
						}
					}
					time.Sleep(20 * time.Second)
					stream.Close()
					ns.working.Wait()
					wantInterrupted, wantCalls := int32(0), int32(1)
					if dies && once {
						wantInterrupted = 1
					}
					if !once {
						wantCalls = 2
					}
					if s := ns.load(id); s.Task.Status.State != a2a.TaskStateCompleted || calls.Load() != wantCalls || interrupted.Load() != wantInterrupted {
						t.Errorf("the task is %s; called %d times, interrupted %d times", s.Task.Status.State, calls.Load(), interrupted.Load())
					}
				})
			})
		}
	}
}

// TestSleepersAreNotDoubted has clients come to a suspended task.
func TestSleepersAreNotDoubted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, durable.New(func(ctx context.Context, _ *durable.Task) error {
			return durable.Sleep(ctx, "night", 8*time.Hour)
		}))
		_, id := ns.begin(ns.workers)
		time.Sleep(time.Second)
		before := ns.load(id).Lease
		for range 5 {
			stream := ns.comes(ns.workers, id, nil)
			time.Sleep(20 * time.Second)
			stream.Close()
		}
		if after := ns.load(id).Lease; !after.Sleeps() || after != before || ns.questions() > 0 || ns.count("Acquire") > 0 {
			t.Errorf("the lease is %+v, before %+v; %d questions", after, before, ns.questions())
		}
		ns.finish(id)
	})
}

// TestBounds has holders die again and again. A holder that dies before any progress is given more
// and more time, and a process deposes those of one other process in ten seconds: others judge the rest.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, silent)
		holder, id := ns.begin(ns.workers)
		var took []time.Duration
		for range 5 {
			time.Sleep(3 * time.Second)
			holder.kill()
			begun, epoch := time.Now(), ns.load(id).Lease.Epoch
			for ns.load(id).Lease.Epoch == epoch {
				stream := ns.comes(ns.workers, id, nil)
				time.Sleep(20 * time.Millisecond)
				for i := 0; i < 1500 && ns.load(id).Lease.Epoch == epoch; i++ {
					time.Sleep(20 * time.Millisecond)
				}
				stream.Close()
			}
			took = append(took, time.Since(begun))
			time.Sleep(100 * time.Millisecond)
			holder = ns.of()
		}
		t.Log(took)
		// The first one has said something. After three that have not, the end of the lease decides.
		if max(took[0], took[1]) > 3*time.Second || took[2] < 4*time.Second || took[3] < 8*time.Second || took[4] < 12*time.Second {
			t.Errorf("it took %v", took)
		}
		ns.finish(id)
	})
	for _, together := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ns := newNodes(t, silent)
			reader := ns.add(ns.workers)
			holder, first := ns.begin(ns.workers)
			holders, ids := []*node{holder}, []a2a.TaskID{first}
			for range 2 {
				if !together {
					holder = ns.add(ns.workers)
					holders = append(holders, holder)
				}
				ids = append(ids, ns.beginAt(holder))
			}
			time.Sleep(4 * time.Second)
			for _, h := range holders {
				h.kill()
			}
			for _, id := range ids {
				stream, err := reader.SubscribeToTask(t.Context(), caller, &a2a.SubscribeToTaskRequest{ID: id})
				if err != nil {
					t.Fatal(err)
				}
				defer stream.Close()
			}
			time.Sleep(5 * time.Second)
			for _, id := range ids {
				if l := ns.load(id).Lease; l.Epoch != 2 || !l.Held() {
					t.Errorf("the lease is %+v\n%s", l, ns.logged())
				}
			}
			// A process with many tasks dies as one.
			if n := strings.Count(ns.logged(), `outcome="passed on"`); n != len(holders)-1 {
				t.Errorf("%d holders were left to others\n%s", n, ns.logged())
			}
			ns.finish(ids...)
		})
	}
}

// TestCannotResume has a holder stop, or die, whose executor cannot resume: a takeover fails the task.
// It is not taken for dead before its lease has ended.
func TestCannotResume(t *testing.T) {
	for _, dies := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ns := newNodes(t, &recorder{pace: 20 * time.Second})
			holder, id := ns.begin(ns.workers)
			time.Sleep(3 * time.Second)
			holder.stop(5 * time.Second)
			if dies {
				holder.kill()
			}
			stopped := time.Now()
			stream := ns.comes(ns.workers, id, nil)
			if dies {
				ns.next(stream, 1)
				if took := time.Since(stopped); took < 11*time.Second || took > 17*time.Second {
					t.Errorf("the task failed after %v", took)
				}
			} else {
				time.Sleep(10 * time.Second)
				ns.keeps(id)
			}
			stream.Close()
			ns.working.Wait()
			time.Sleep(20 * time.Second) // for an agent that ignores the end of its context
			want := a2a.TaskStateInputRequired
			if dies {
				want = a2a.TaskStateFailed
			}
			if state := ns.load(id).Task.Status.State; state != want {
				t.Errorf("dies: %t; the task is %s", dies, state)
			}
		})
	}
}
