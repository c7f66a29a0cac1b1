package tasklog_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// suspend suspends the task.
func (f *following) suspend(d time.Duration) {
	f.Helper()
	lease, err := f.log.Lease(f.Context(), f.head.ID)
	if err != nil {
		f.Fatal(err)
	}
	if ok, err := f.lease.Suspend(f.Context(), time.Now().Add(d), lease.Woken); !ok || err != nil {
		f.Fatalf("Suspend returned %v, %v", ok, err)
	}
}

// acquire acquires the lease of the task.
func (f *following) acquire() {
	f.Helper()
	s, err := f.log.Load(f.Context(), f.head.ID)
	if err == nil {
		f.lease, err = f.log.Acquire(f.Context(), s, tasklog.Claim{Writer: a2a.NewMessageID(), Until: time.Now().Add(time.Hour)})
	}
	if err != nil {
		f.Fatal(err)
	}
}

func isSuspended(err error, due time.Time) bool {
	asleep := (*tasklog.SuspendedError)(nil)
	return errors.As(err, &asleep) && asleep.Due.Equal(due.Truncate(time.Second))
}

// TestFollowAsleep follows a task that is suspended. Followers stay for a minute of silence, or do
// not stay at all, and nobody takes the task for orphaned before it is due.
func TestFollowAsleep(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		due := time.Now().Add(time.Hour)
		stays := f.follow(nil)
		goes := f.follow(func(c *tasklog.FollowConfig) { c.UntilFinal, c.UntilSuspended = true, true })
		time.Sleep(10 * time.Second)
		if goes.ended() {
			t.Fatal("ended while the task was running")
		}
		f.suspend(time.Hour - 10*time.Second)
		time.Sleep(3 * time.Second)
		late := f.follow(func(c *tasklog.FollowConfig) { c.UntilFinal = true })
		if !goes.ended() || !isSuspended(goes.err, due) || stays.ended() {
			t.Fatalf("after the suspension: ended %t with %v, the other %t", goes.ended(), goes.err, stays.ended())
		}
		if fresh, stale, _ := f.log.count(30 * time.Second); fresh+stale > 40 {
			t.Errorf("%d polls of a suspended task in 30 s", fresh+stale)
		}
		// It wakes up for a moment, and says something.
		f.acquire()
		f.append(a2a.TaskStateWorking)
		f.suspend(time.Until(due))
		time.Sleep(58 * time.Second)
		if stays.ended() || late.ended() {
			t.Error("ended within a minute of an event")
		}
		if got := late.shown(t); got == "[]" {
			t.Error("the event was not shown")
		}
		time.Sleep(6 * time.Second)
		for _, w := range []*follower{stays, late} {
			if !w.ended() || !isSuspended(w.err, due) || w.state != a2a.TaskStateWorking {
				t.Errorf("after a minute of silence: ended %t, %s, %v", w.ended(), w.state, w.err)
			}
		}
		if n := f.orphaned.Load(); n > 0 {
			t.Errorf("a suspended task was reported as orphaned %d times", n)
		}
		// Due, and nobody has taken it: somebody must look.
		synctest.Wait()
		time.Sleep(time.Until(due))
		f.follow(nil)
		time.Sleep(10 * time.Second)
		if f.orphaned.Load() == 0 {
			t.Error("a task that is due was not reported")
		}
	})
}
