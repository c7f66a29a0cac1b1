package server_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/demoagent"
	"a2alambda/internal/server"
)

// TestRecoveryTimes kills the process that runs a task, at random. A client comes back to another
// process, with the last event that it has seen or without. The times are from the kill to the next
// event.
func TestRecoveryTimes(t *testing.T) {
	for _, says := range []bool{true, false} {
		t.Run(fmt.Sprint("says what it has seen: ", says), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, 1))
				upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
				var times []time.Duration
				for range 200 {
					ns := newNodes(t, steps(30))
					holder, id := ns.begin(ns.workers)
					time.Sleep(upTo(20 * time.Second))
					holder.kill()
					killed, seq := time.Now(), ns.load(id).Seq
					time.Sleep(upTo(time.Second))
					var seen *int64
					if says {
						seen = &seq
					}
					stream := ns.comes(ns.workers, id, seen)
					ns.next(stream, seq)
					times = append(times, time.Since(killed))
					stream.Close()
					ns.working.Wait()
					if s := ns.load(id); s.Lease.Epoch != 2 || s.Task.Status.State != a2a.TaskStateCompleted {
						t.Fatalf("the task is %s, its lease %+v", s.Task.Status.State, s.Lease)
					}
				}
				slices.Sort(times)
				p50, p99 := times[len(times)/2], times[len(times)*99/100]
				t.Logf("p50 %v, p99 %v, max %v", p50, p99, times[len(times)-1])
				if p50 > 3*time.Second || p99 > 6*time.Second {
					t.Errorf("p50 %v, p99 %v", p50, p99)
				}
			})
		})
	}
}

// silent is an agent that says something only once an hour. It can resume.
var silent = &demoagent.Executor{Stream: (&demoagent.Agent{Steps: []string{"step", "another"}, Delay: time.Hour}).Stream}

// TestNoNeedlessTakeover has a process stop for 0.8 s, two hundred times, while twenty clients come
// back again and again. It keeps its task.
func TestNoNeedlessTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, silent)
		holder, id := ns.begin(ns.workers)
		var clients sync.WaitGroup
		over := time.Now().Add(800 * time.Second)
		for i := range 20 {
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
			time.Sleep(3200*time.Millisecond + time.Duration(random.Int64N(int64(time.Second))))
			holder.stop(800 * time.Millisecond)
		}
		clients.Wait()
		ns.keeps(id)
		t.Logf("%d questions", ns.questions())
		if n := ns.questions(); n < 100 || n > 450 {
			t.Errorf("%d questions in 800 s", n)
		}
		ns.finish(id)
	})
}

// TestStopsWhenAsked has a process stop for 0.8 s just after somebody asks whether it is alive, at each
// moment between two looks at its lease.
func TestStopsWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, silent)
		holder, id := ns.begin(ns.workers)
		asked := 0
		for i := range 31 {
			for time.Until(ns.load(id).Lease.Until) > 12*time.Second {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Duration(i) * 11 * time.Millisecond) // at different times between two looks
			stream := ns.comes(ns.workers, id, nil)
			for ns.questions() == asked {
				time.Sleep(time.Millisecond)
			}
			asked = ns.questions()
			time.Sleep(time.Duration(i) * 10 * time.Millisecond)
			holder.stop(800 * time.Millisecond)
			time.Sleep(2 * time.Second)
			stream.Close()
			ns.keeps(id)
		}
		if asked < 31 {
			t.Errorf("asked %d times", asked)
		}
		ns.finish(id)
	})
}

// keeps fails the test unless the task has its first holder.
func (ns *nodes) keeps(id a2a.TaskID) {
	ns.Helper()
	if l := ns.load(id).Lease; l.Epoch != 1 || !l.Held() || l.Expired() {
		ns.Errorf("the lease is %+v\n%s", l, ns.logged())
	}
}

// finish has all tasks end.
func (ns *nodes) finish(ids ...a2a.TaskID) {
	ns.Helper()
	for _, id := range ids {
		if _, err := ns.add(ns.workers).CancelTask(ns.Context(), caller, &a2a.CancelTaskRequest{ID: id}); err != nil {
			ns.Error(err)
		}
	}
	ns.working.Wait()
}

// TestSlowStore has a store that takes two seconds for each call. Nobody asks the holder whether it is
// alive, which would make the store slower, nor takes it for dead.
func TestSlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, silent)
		ns.workers.latency = 2 * time.Second
		_, id := ns.begin(ns.workers)
		for range 30 {
			stream := ns.comes(ns.workers, id, nil)
			time.Sleep(7 * time.Second)
			stream.Close()
			if _, err := ns.add(ns.workers).GetTask(t.Context(), caller, &a2a.GetTaskRequest{ID: id}); err != nil {
				t.Fatal(err)
			}
		}
		if n := ns.questions(); n > 0 {
			t.Errorf("the holder was asked %d times", n)
		}
		ns.keeps(id)
		ns.finish(id)
	})
}

// TestSlowDoubter has a process whose store is slow come to a task whose holder has died. It does not
// judge; the end of the lease does.
func TestSlowDoubter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, latency := range []time.Duration{350 * time.Millisecond, 700 * time.Millisecond} {
			ns := newNodes(t, silent)
			holder, id := ns.begin(ns.workers)
			time.Sleep(2 * time.Second)
			holder.kill()
			killed := time.Now()
			slow := ns.workers
			slow.latency = latency
			stream := ns.comes(slow, id, nil)
			for ns.load(id).Lease.Epoch == 1 {
				time.Sleep(100 * time.Millisecond)
			}
			if took := time.Since(killed); took < 13*time.Second || took > 20*time.Second {
				t.Errorf("with %v for each call: it took %v", latency, took)
			}
			stream.Close()
			ns.finish(id)
		}
	})
}

// TestManyDoubters has a hundred clients come at the same time, to as many processes: to a holder that
// lives, and to one that has died. One question is asked, and one process takes over.
func TestManyDoubters(t *testing.T) {
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprint("dies: ", dies), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ns := newNodes(t, silent)
				holder, id := ns.begin(ns.workers)
				time.Sleep(4 * time.Second)
				if dies {
					holder.kill()
				}
				streams := make([]*server.Stream, 100)
				var coming sync.WaitGroup
				for i := range streams {
					coming.Go(func() { streams[i] = ns.comes(ns.workers, id, nil) })
				}
				coming.Wait()
				time.Sleep(4 * time.Second)
				if n := ns.questions(); n != 1 {
					t.Errorf("%d questions", n)
				}
				if dies {
					if l := ns.load(id).Lease; l.Epoch != 2 || !l.Held() || ns.count("Acquire") != 1 || ns.count("Invoke") > 2 {
						t.Errorf("the lease is %+v; it was acquired %d times, by %d workers", l, ns.count("Acquire"), ns.count("Invoke"))
					}
				} else {
					ns.keeps(id)
				}
				for _, s := range streams {
					s.Close()
				}
				ns.finish(id)
			})
		})
	}
}

// TestManyTasksOfOne has clients come to the tasks of one process: another process hears from one of them
// all the time, and asks for none. When the process has died, all go on elsewhere.
func TestManyTasksOfOne(t *testing.T) {
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprint("dies: ", dies), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ns := newNodes(t, &demoagent.Executor{Stream: (&demoagent.Agent{Steps: slices.Repeat([]string{"step"}, 100), Delay: 600 * time.Millisecond}).Stream})
				holder, first := ns.begin(ns.workers)
				reader := ns.add(ns.workers)
				streams := []*server.Stream{ns.comesTo(reader, first, nil)}
				tasks := []a2a.TaskID{first}
				for range 20 {
					tasks = append(tasks, ns.beginAt(holder))
				}
				time.Sleep(3 * time.Second)
				if dies {
					holder.kill()
				}
				killed := time.Now()
				for _, id := range tasks[1:] {
					streams = append(streams, ns.comesTo(reader, id, nil))
				}
				if !dies {
					time.Sleep(3 * time.Second)
					if n := ns.questions(); n > 0 {
						t.Errorf("%d questions", n)
					}
				}
				for _, id := range tasks[1:] { // who stays with the first one waits until a renewal is overdue
					for dies && ns.load(id).Lease.Epoch == 1 {
						time.Sleep(100 * time.Millisecond)
					}
				}
				if took := time.Since(killed); dies && took > 3*time.Second {
					t.Errorf("all tasks have another holder after %v", took)
				}
				for _, s := range streams {
					s.Close()
				}
				ns.finish(tasks...)
			})
		})
	}
}

// TestClocks has processes whose clocks are a minute wrong, in both directions, come to a task whose
// holder lives: readers, workers and sweepers leave it alone. When the holder has died, they
// recover the task.
func TestClocks(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Minute, -11 * time.Second, 11 * time.Second, time.Minute} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ns := newNodes(t, silent)
				right := ns.workers
				ns.workers.ahead = ahead
				holder, id := ns.begin(right)
				visit := func() {
					t.Helper()
					reader := ns.add(ns.workers)
					if _, err := reader.GetTask(t.Context(), caller, &a2a.GetTaskRequest{ID: id}); err != nil {
						t.Fatal(err)
					}
					if _, err := reader.ListTasks(t.Context(), caller, &a2a.ListTasksRequest{}); err != nil {
						t.Fatal(err)
					}
					if _, err := reader.Runner.Sweep(t.Context()); err != nil {
						t.Fatal(err)
					}
					if err := reader.Runner.Work(t.Context(), id); err != nil {
						t.Fatal(err)
					}
				}
				stream := ns.comes(ns.workers, id, nil)
				for range 60 {
					visit()
					time.Sleep(1700 * time.Millisecond)
				}
				ns.keeps(id)
				stream.Close()
				time.Sleep(20 * time.Second)
				ns.keeps(id)

				holder.kill()
				time.Sleep(time.Second)
				stream = ns.comes(ns.workers, id, nil)
				time.Sleep(3 * time.Second)
				if l := ns.load(id).Lease; l.Epoch != 2 || !l.Held() {
					t.Errorf("three seconds after somebody has come, the lease is %+v\n%s", l, ns.logged())
				}
				stream.Close()
				ns.finish(id)
			})
		})
		t.Run(fmt.Sprint(ahead, ", nobody is there"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ns := newNodes(t, silent)
				holder, id := ns.begin(ns.workers)
				ns.workers.ahead = ahead
				time.Sleep(30 * time.Second)
				holder.kill()
				for range 5 {
					time.Sleep(time.Minute)
					if _, err := ns.add(ns.workers).Runner.Sweep(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if l := ns.load(id).Lease; l.Epoch < 2 || !l.Held() {
					t.Errorf("the lease is %+v\n%s", l, ns.logged())
				}
				ns.finish(id)
			})
		})
	}
}

// TestLostWorker has a task left to a worker that does not come, twice. Who waits asks for the next.
func TestLostWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for lost, most := range []time.Duration{time.Second, 4 * time.Second, 10 * time.Second} {
			ns := newNodes(t, steps(3))
			ns.lost = lost
			req := message("", "hello")
			req.Config = &a2a.SendMessageConfig{ReturnImmediately: true}
			begun := time.Now()
			task, err := ns.add(ns.workers).SendMessage(t.Context(), caller, req)
			if err != nil {
				t.Fatal(err)
			}
			stream := ns.comes(ns.workers, task.ID, nil)
			ns.next(stream, 1)
			t.Logf("%d lost: %v", lost, time.Since(begun))
			if took := time.Since(begun); took > most {
				t.Errorf("%d lost: it took %v", lost, took)
			}
			stream.Close()
			ns.working.Wait()
		}
	})
}

// TestCancelDead cancels a task whose holder has died.
func TestCancelDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for wait := time.Duration(0); wait < 6*time.Second; wait += 300 * time.Millisecond {
			ns := newNodes(t, silent)
			holder, id := ns.begin(ns.workers)
			time.Sleep(wait)
			holder.kill()
			begun := time.Now()
			task, err := ns.add(ns.workers).CancelTask(t.Context(), caller, &a2a.CancelTaskRequest{ID: id})
			if err != nil || task.Status.State != a2a.TaskStateCanceled || time.Since(begun) > 5*time.Second {
				t.Errorf("killed after %v: %+v, %v, after %v", wait, task, err, time.Since(begun))
			}
			ns.working.Wait()
		}
	})
}

// TestPollers has a client that calls GetTask again and again, at other processes each time. It costs
// a healthy holder nothing, and recovers the task of one that has died.
func TestPollers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, silent)
		holder, id := ns.begin(ns.workers)
		get := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
				if _, err := ns.add(ns.workers).GetTask(t.Context(), caller, &a2a.GetTaskRequest{ID: id}); err != nil {
					t.Fatal(err)
				}
			}
		}
		get(time.Minute)
		if n := ns.questions(); n > 0 {
			t.Errorf("%d questions", n)
		}
		holder.kill()
		get(9 * time.Second)
		if l := ns.load(id).Lease; l.Epoch != 2 || !l.Held() {
			t.Errorf("the lease is %+v\n%s", l, ns.logged())
		}
		ns.finish(id)
	})
}

// TestStays has somebody follow a task all the time. A healthy holder is not asked, and one that has
// died is noticed when its renewal is overdue.
func TestStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, silent)
		holder, id := ns.begin(ns.workers)
		time.Sleep(200 * time.Millisecond)
		stream := ns.comes(ns.workers, id, nil)
		time.Sleep(10 * time.Minute)
		if n := ns.questions(); n > 1 {
			t.Errorf("%d questions", n)
		}
		holder.kill()
		time.Sleep(9 * time.Second)
		if l := ns.load(id).Lease; l.Epoch != 2 || !l.Held() {
			t.Errorf("the lease is %+v\n%s", l, ns.logged())
		}
		stream.Close()
		ns.finish(id)
	})
}
