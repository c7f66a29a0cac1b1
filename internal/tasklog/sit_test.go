package tasklog_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// crowd is a task with followers in many instances.
type crowd struct {
	*following
	store tasklog.Store
	sat   atomic.Int32 // how often an instance has sat down
	left  atomic.Int32
	trial atomic.Pointer[error] // what fails Sit and Seated
}

func crowds(t *testing.T, test func(*testing.T, *crowd)) {
	t.Helper()
	follows(t, func(t *testing.T, f *following) {
		c := &crowd{following: f}
		fail := func(context.Context, tasklog.Op) error {
			if err := c.trial.Load(); err != nil {
				return *err
			}
			return nil
		}
		counts := func(n *atomic.Int32) func(context.Context, tasklog.Op) error {
			return func(context.Context, tasklog.Op) error {
				n.Add(1)
				return nil
			}
		}
		c.store = tasklogtest.Faulty(f.log.Log,
			tasklogtest.Fault{Op: "Sit", Do: fail}, tasklogtest.Fault{Op: "Seated", Do: fail},
			tasklogtest.Fault{Op: "Sit", Do: counts(&c.sat)}, tasklogtest.Fault{Op: "Leave", Do: counts(&c.left)},
		)
		test(t, c)
	})
}

// instance makes the next followers those of a new instance.
func (c *crowd) instance() *tasklog.Followers {
	c.followers = tasklog.NewFollowers(c.store, nil)
	return c.followers
}

// come has n followers come, each in an instance of its own, one after the other.
func (c *crowd) come(n int) (all []*follower) {
	c.Helper()
	for range n {
		c.instance()
		all = append(all, c.follow(nil))
		time.Sleep(500 * time.Millisecond)
	}
	return all
}

// sit has n instances take seats and do nothing more.
func (c *crowd) sit(n int) {
	c.Helper()
	for i := range n {
		if _, err := c.log.Sit(c.Context(), tasklog.Seat{ID: c.head.ID, Instance: fmt.Sprint("dead", i)}); err != nil {
			c.Fatal(err)
		}
	}
}

// check fails the test unless the first n of the followers have made room, and no others have
// ended.
func (c *crowd) check(what string, all []*follower, n int) {
	c.Helper()
	for i, w := range all {
		switch {
		case w.ended() != (i < n):
			c.Errorf("%s: follower %d of %d ended: %t, want the first %d", what, i, len(all), w.ended(), n)
		case i < n && !errors.Is(w.err, tasklog.ErrMadeRoom):
			c.Errorf("%s: follower %d ended with %v", what, i, w.err)
		}
	}
}

const settle = 10 * time.Second // all have looked by then

func TestFollowersMakeRoom(t *testing.T) {
	crowds(t, func(t *testing.T, c *crowd) {
		all := c.come(tasklog.MaxSeats)
		time.Sleep(settle)
		c.check("as many as may be", all, 0)
		all = append(all, c.come(2)...)
		time.Sleep(settle)
		c.check("two more", all, 2)
		if n := c.sat.Load(); n != tasklog.MaxSeats+2 {
			t.Errorf("ten instances have written %d times", n)
		}
		if events := c.append(working); len(events) != 1 {
			t.Fatal(events)
		}
		time.Sleep(time.Second)
		for i, w := range all[2:] {
			if got := w.shown(t); got != "[2]" {
				t.Errorf("follower %d was shown %s", i+2, got)
			}
		}

		all[5].cancel() // its client has gone, and it has noticed
		synctest.Wait()
		if all[5].err != nil || c.left.Load() != 1 {
			t.Errorf("one left, with %v; %d seats were given up", all[5].err, c.left.Load())
		}
		rest := append(all[2:5:5], all[6:]...)
		rest = append(rest, c.come(1)...)
		time.Sleep(settle)
		c.check("one for one that has left", rest, 0)
		c.append(completed)
		time.Sleep(time.Second)
		for i, w := range rest {
			if !w.ended() || w.err != nil || w.state != completed {
				t.Errorf("follower %d at the end: %s, %v", i, w.state, w.err)
			}
		}
		if n := c.left.Load(); n != 1 {
			t.Errorf("of a task that has ended, %d seats were given up", n-1)
		}
	})
}

// TestFollowersOfOneInstance has many follow in one instance, which has one seat. It loses the seat
// with all of them, and has another when one comes again.
func TestFollowersOfOneInstance(t *testing.T) {
	crowds(t, func(t *testing.T, c *crowd) {
		one := c.instance()
		var here []*follower
		for range 30 {
			here = append(here, c.follow(nil))
			time.Sleep(100 * time.Millisecond)
		}
		others := c.come(tasklog.MaxSeats - 1)
		time.Sleep(settle)
		c.check("one of eight instances", append(here, others...), 0)
		if n := c.sat.Load(); n != tasklog.MaxSeats {
			t.Errorf("eight instances have written %d times", n)
		}
		others = append(others, c.come(1)...)
		time.Sleep(settle)
		c.check("the oldest instance", here, len(here))
		c.check("others", others, 0)

		c.followers = one
		here = []*follower{c.follow(nil), c.follow(nil)}
		time.Sleep(settle)
		c.check("the instance comes again", here, 0)
		c.check("which ends the next one", others, 1)
	})
}

// TestFollowersComeBack has all followers of an instance come again at once when they are sent away,
// while some of them are still about to leave. Their new seat can be taken away like the first.
func TestFollowersComeBack(t *testing.T) {
	crowds(t, func(t *testing.T, c *crowd) {
		one := c.instance()
		ctx, cancel := context.WithCancel(t.Context())
		var ended atomic.Int32
		var group sync.WaitGroup
		const n = 50
		for range n {
			group.Go(func() {
				for ctx.Err() == nil {
					_, err := one.Follow(ctx, tasklog.FollowConfig{ID: c.head.ID, After: 1, State: a2a.TaskStateSubmitted})
					if errors.Is(err, tasklog.ErrMadeRoom) {
						ended.Add(1)
					}
				}
			})
		}
		time.Sleep(settle)
		for i := range 10 {
			c.sit(tasklog.MaxSeats)
			time.Sleep(settle)
			if got := int(ended.Load()); got != n*(i+1) {
				t.Errorf("when others had taken its seat %d times, %d followers had ended", i+1, got)
			}
		}
		cancel()
		group.Wait()
	})
}

// TestFollowersLookTogether has followers of many tasks in one instance look at their seats, which they
// took at different times. Many of the looks are at the same time, and each task has as many as ever.
func TestFollowersLookTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		looks, all := map[time.Time]bool{}, 0
		store := tasklog.Hooked(new(memlog.Log), tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			if mu.Lock(); op.Name == "Seated" {
				looks[time.Now()] = true
				all++
			}
			mu.Unlock()
			return nil
		}})
		one := tasklog.NewFollowers(store, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		const n = 100
		for range n {
			time.Sleep(37 * time.Millisecond)
			h, first := tasklogtest.NewTask()
			h.Expires = time.Now().Add(time.Hour)
			if _, err := store.Create(ctx, h, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
			group.Go(func() {
				if _, err := one.Follow(ctx, tasklog.FollowConfig{ID: h.ID, After: 1, State: a2a.TaskStateSubmitted}); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(settle)
		mu.Lock()
		clear(looks)
		all = 0
		mu.Unlock()
		time.Sleep(time.Minute)
		mu.Lock()
		if len(looks) > 121 || all < n*16 || all > n*21 {
			t.Errorf("in a minute, %d looks at %d times", all, len(looks))
		}
		mu.Unlock()
		cancel()
		group.Wait()
	})
}

// TestFollowersOfRun has an instance run the task that it follows. It needs no seat before its run
// has ended.
func TestFollowersOfRun(t *testing.T) {
	crowds(t, func(t *testing.T, c *crowd) {
		done := c.instance().Running(c.head.ID, c.next-1)
		here := c.follow(nil)
		all := c.come(tasklog.MaxSeats + 2)
		time.Sleep(settle)
		c.check("who follows elsewhere", all, 2)
		c.check("who follows where the task runs", []*follower{here}, 0)
		if n := c.sat.Load(); n != tasklog.MaxSeats+2 {
			t.Errorf("ten instances that do not run the task have written %d times", n)
		}
		done()
		time.Sleep(settle)
		c.check("when the run has ended", all, 3)
		c.check("who followed where the task ran", []*follower{here}, 0)
	})
}

// TestFollowersBegin has a run of the task begin in an instance that has just lost its seat.
func TestFollowersBegin(t *testing.T) {
	crowds(t, func(t *testing.T, c *crowd) {
		first := c.instance()
		all := []*follower{c.follow(nil)}
		time.Sleep(settle)
		done := first.Running(c.head.ID, c.next-1)
		all = append(all, c.come(tasklog.MaxSeats)...)
		time.Sleep(settle)
		c.check("while it runs the task", all, 0)
		done()
		time.Sleep(settle)
		c.check("after that", all, 1)
	})
}

// TestFollowersBeginLate has a run begin while an instance learns that it has lost its seat.
func TestFollowersBeginLate(t *testing.T) {
	crowds(t, func(t *testing.T, c *crowd) {
		released, reached := make(chan struct{}), make(chan struct{}, 1)
		quick := c.store
		c.store = tasklogtest.Faulty(quick, tasklogtest.Fault{Op: "Seated", Nth: 3, Done: true, Do: tasklogtest.StopsUntil(released, reached)})
		first := c.instance()
		here := c.follow(nil)
		time.Sleep(9300 * time.Millisecond) // after its second look
		c.sit(tasklog.MaxSeats)
		<-reached
		done := first.Running(c.head.ID, c.next-1)
		close(released)
		time.Sleep(settle)
		c.check("who runs the task", []*follower{here}, 0)
		done()
		time.Sleep(settle)
		c.check("after that", []*follower{here}, 1)
	})
}

// TestFollowersThatDie has instances die that keep their seats. Others follow as if they had left.
func TestFollowersThatDie(t *testing.T) {
	crowds(t, func(t *testing.T, c *crowd) {
		c.sit(100)
		all := c.come(tasklog.MaxSeats)
		time.Sleep(settle)
		c.check("after others have died", all, 0)
	})
}

// TestFollowersThrottled has a store that takes no seats for a while. All go on to follow, and are
// as many as may be soon after.
func TestFollowersThrottled(t *testing.T) {
	for name, err := range map[string]error{"throttled": tasklogtest.ErrThrottled, "down": errors.New("no route")} {
		t.Run(name, func(t *testing.T) {
			crowds(t, func(t *testing.T, c *crowd) {
				c.trial.Store(&err)
				all := c.come(tasklog.MaxSeats + 2)
				time.Sleep(time.Minute)
				c.check("without seats", all, 0)
				c.trial.Store(nil)
				time.Sleep(settle)
				gone := 0
				for _, w := range all {
					if w.ended() {
						gone++
					}
				}
				if gone != 2 {
					t.Errorf("then %d have made room", gone)
				}
				c.trial.Store(&err)
				time.Sleep(time.Minute)
				for _, w := range all {
					if w.ended() {
						gone--
					}
				}
				if gone != 0 {
					t.Error("while the store fails again, followers end")
				}
			})
		})
	}
}

// TestFollowersWithLostAnswer has instances sit down without an answer. When they leave, their
// seats are free.
func TestFollowersWithLostAnswer(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		c := &crowd{following: f}
		c.store = tasklogtest.Faulty(f.log.Log, tasklogtest.Fault{Op: "Sit", Done: true, Do: tasklogtest.Fails(errors.New("lost"))})
		lost := c.come(tasklog.MaxSeats)
		time.Sleep(settle)
		c.check("whose answers are lost", lost, 0)
		c.store = f.log.Log
		all := c.come(1)
		for _, w := range lost {
			w.cancel()
		}
		time.Sleep(settle)
		all = append(all, c.come(tasklog.MaxSeats-1)...)
		time.Sleep(settle)
		c.check("after they have left", all, 0)
	})
}

// TestFollowersCrowd has followers come faster than anybody looks, and again when they were sent
// away. No more than may be stay.
func TestFollowersCrowd(t *testing.T) {
	crowds(t, func(t *testing.T, c *crowd) {
		var all []*follower
		for range 200 {
			c.instance()
			all = append(all, c.follow(nil))
		}
		time.Sleep(settle)
		left := 0
		for _, w := range all {
			if !w.ended() {
				left++
			}
		}
		if left != tasklog.MaxSeats {
			t.Errorf("%d follow the task", left)
		}
	})
}

// TestFollowersWait has instances follow a task that waits for its client. They are bounded like
// others, and leave after a minute.
func TestFollowersWait(t *testing.T) {
	crowds(t, func(t *testing.T, c *crowd) {
		c.append(a2a.TaskStateInputRequired)
		all := c.come(tasklog.MaxSeats + 2)
		time.Sleep(settle)
		c.check("after ten have come", all, 2)
		time.Sleep(55 * time.Second)
		for i, w := range all[2:] {
			if !w.ended() || w.err != nil || w.state != a2a.TaskStateInputRequired {
				t.Errorf("after a minute, follower %d ended: %t, %s, %v", i+2, w.ended(), w.state, w.err)
			}
		}
		if n := c.left.Load(); n != tasklog.MaxSeats {
			t.Errorf("%d seats were given up", n)
		}
		synctest.Wait()
	})
}
