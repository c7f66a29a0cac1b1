package run_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestFollowersHere has somebody follow a task in the process of its run, who reads nothing. When
// another holder has taken the task over, the follower sees what that one appends, though the
// executor here does not stop.
func TestFollowersHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		reads := map[string]int{}
		l := tasklog.Hooked(new(memlog.Log), tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if op.Writer == "" {
				reads[op.Name]++
			}
			return nil
		}})
		end := make(chan struct{})
		r := runner(l, io.Discard, executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			yield(status(ec, a2a.TaskStateWorking), nil)
			<-end
		}))
		h, first := tasklogtest.NewTask()
		running := r.Start(t.Context(), createBy(t, l, r.Writer(), h, first), run.Nobody)
		synctest.Wait()
		s, err := l.Load(t.Context(), h.ID)
		if err != nil {
			t.Fatal(err)
		}
		tap := tasklog.NewTap(t.Context(), l, h.ID, s.Seq)
		var state a2a.TaskState
		var followed sync.WaitGroup
		followed.Go(func() {
			var err error
			state, err = r.Followers.Follow(t.Context(), tasklog.FollowConfig{ID: h.ID, After: s.Seq, State: s.Task.Status.State, Lease: s.Lease, Tap: tap})
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		mu.Lock()
		clear(reads)
		mu.Unlock()
		time.Sleep(time.Minute)
		mu.Lock()
		if len(reads) > 0 {
			t.Errorf("in a minute, a follower in the process of the run has read: %v", reads)
		}
		mu.Unlock()

		if s, err = l.Load(t.Context(), h.ID); err != nil {
			t.Fatal(err)
		}
		next, err := l.Acquire(t.Context(), s, tasklog.Claim{Writer: "next", Until: time.Now().Add(time.Hour)})
		if err == nil {
			err = next.Append(t.Context(), s.Seq+1, []tasklog.Entry{tasklogtest.Status(h, a2a.TaskStateWorking, "")})
		}
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if events, err := tap.Next(t.Context()); err != nil || events[0].Seq != s.Seq+1 || time.Since(begun) > time.Second {
			t.Errorf("the next holder's event came after %v: %v, %v", time.Since(begun), events, err)
		}
		if err := next.Append(t.Context(), s.Seq+2, []tasklog.Entry{tasklogtest.Status(h, a2a.TaskStateCompleted, "")}); err != nil {
			t.Fatal(err)
		}
		followed.Wait()
		if state != a2a.TaskStateCompleted {
			t.Errorf("followed to %s", state)
		}
		if err := running.Wait(); !run.Superseded(err) {
			t.Errorf("the run ended with %v", err)
		}
		close(end)
	})
}
