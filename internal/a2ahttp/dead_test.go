package a2ahttp_test

import (
	"context"
	"slices"
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

// TestHolderIsDead kills the process that runs a task. With each request that waits for the task, in
// each version and binding, a client comes back to another one, in which a worker goes on within
// three seconds.
func TestHolderIsDead(t *testing.T) {
	ways := append(slices.Clone(waysToFollow),
		wayToFollow{name: "cancel 1.0", target: "POST /", body: rpc("CancelTask", ofTask, "%s")},
		wayToFollow{name: "cancel 0.3", target: "POST /", body: rpc("tasks/cancel", ofTask, "%s")},
		wayToFollow{name: "cancel HTTP 1.0", target: "POST /tasks/%s:cancel", version: "1.0"},
		wayToFollow{name: "cancel HTTP 0.3", target: "POST /v1/tasks/%s:cancel", version: "0.3"},
	)
	for _, test := range ways {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(memlog.Log)
				var dead atomic.Bool
				mortal := tasklog.Hooked(l, tasklog.Hooks{Before: func(context.Context, tasklog.Op) error {
					if dead.Load() {
						return tasklogtest.ErrDead
					}
					return nil
				}})
				var wg sync.WaitGroup
				wg.Go(func() { do(t.Context(), handlerOf(mortal, t.Output(), slow(10*time.Second)), streamCall, 0) })
				time.Sleep(8 * time.Second)
				id := taskOf(t, l)
				dead.Store(true)
				time.Sleep(time.Second)
				wg.Go(func() { test.do(t, handlerOf(l, t.Output(), slow(10*time.Second)), id) })
				lease := func() tasklog.LeaseInfo {
					l, err := l.Lease(t.Context(), id)
					if err != nil {
						t.Fatal(err)
					}
					return l
				}
				time.Sleep(100 * time.Millisecond)
				if now := lease(); now.Epoch != 1 || !now.Held() {
					t.Errorf("nobody was asked, and the lease is %+v", now)
				}
				time.Sleep(2900 * time.Millisecond)
				if now := lease(); now.Epoch != 2 {
					t.Errorf("three seconds after somebody has come, the lease is %+v", now)
				}
				wg.Wait()
				s, err := l.Load(t.Context(), id)
				if err != nil || s.Task.Status.State != a2a.TaskStateCompleted && s.Task.Status.State != a2a.TaskStateCanceled {
					t.Errorf("the task is %+v, %v", s, err)
				}
			})
		})
	}
}
