package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/webhook"
)

// counts has how often each operation of the stores was done since the last call.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var text string
	for _, name := range slices.Sorted(maps.Keys(c.of)) {
		text += fmt.Sprintf("%s %d, ", name, c.of[name])
	}
	c.of = map[string]int{}
	return text
}

// counted counts the deliverer's operations from now on.
func (w *world) counted() *counts {
	c := &counts{of: map[string]int{}}
	hooks := tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.of[op.Name]++
		return nil
	}}
	w.Deliverer = webhook.New(webhook.Config{
		Log: tasklog.Hooked(w.store, hooks), Store: push.Hooked(w.pushes, hooks),
		Client: &http.Client{Transport: w.hook}, Logger: w.logger, Invoke: w.invoke,
	})
	return c
}

// TestWakeCost counts the operations of a wake-up for 1 and 10 tasks, one of which has a webhook
// that hangs. Each task takes the same number. dynamolog's TestPushCost has the cost of each
// operation.
func TestWakeCost(t *testing.T) {
	for _, n := range []int{1, 10} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, byName(0))
			var ids []a2a.TaskID
			for i := range n {
				name := "https://healthy"
				if i == 0 {
					name = "https://hangs"
				}
				ids = append(ids, w.task(t, 1, fmt.Sprintf("%s%d.example/", name, i)).ID)
			}
			c := w.counted()
			must(t, w.Wake(t.Context(), ids...))
			// What the caller said is in the first event: it is taken from the task's account.
			each := "Push.Claim %[1]d, Push.Claim.Release %[1]d, Push.List %[1]d, Push.Spend %[1]d, Read %[2]d, "
			if got, want := c.take(), fmt.Sprintf(each, n, 2*n); got != want {
				t.Errorf("%d tasks cost %s want %s", n, got, want)
			}
			if len(w.jobs) != 1 || len(w.hook.got) != n {
				t.Errorf("%d tasks are %d requests and %d invocations", n, len(w.hook.got), len(w.jobs))
			}
			must(t, w.work(t.Context())...)
			if got, want := c.take(), "Push.Claim 1, Push.Claim.Release 1, Read 1, "; got != want {
				t.Errorf("the invocation that was asked for costs %s want %s", got, want)
			}
			must(t, w.Wake(t.Context(), ids[1:]...))
			if got, want := c.take(), fmt.Sprintf("Push.List %d, Read %[1]d, ", n-1); n > 1 && got != want {
				t.Errorf("waking %d in vain costs %s want %s", n-1, got, want)
			}
			must(t, w.Wake(t.Context(), ids[0]))
			if got, want := c.take(), "Push.Claim 1, Push.List 1, Read 1, "; got != want {
				t.Errorf("waking what is put off costs %s want %s", got, want)
			}
		})
	}
}

// TestOpenCost counts the operations of putting off while a breaker is open: no request, and no
// reading of events. A configuration that shares an invocation costs one more read than one that is
// alone.
func TestOpenCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(*http.Request, int64) (*http.Response, error) { return nil, errors.New("refused") })
		c := w.counted()
		for i := range 3 {
			must(t, w.Wake(t.Context(), w.task(t, 1, fmt.Sprintf("%s%d", url, i)).ID))
		}
		var refs []push.Ref
		var ids []a2a.TaskID
		for i := range 10 {
			refs = append(refs, push.Ref{TaskID: w.task(t, 1, fmt.Sprintf("%sd%d", url, i)).ID, ID: "c"})
			ids = append(ids, w.task(t, 1, fmt.Sprintf("%sw%d", url, i)).ID)
		}
		requests, begun := len(w.hook.got), time.Now()
		c.take()
		must(t, w.Deliver(t.Context(), refs...))
		if got, want := c.take(), "Push.Claim 10, Push.Claim.Release 10, Push.List 10, "; got != want {
			t.Errorf("10 that are due cost %s want %s", got, want)
		}
		must(t, w.Wake(t.Context(), ids...))
		if got, want := c.take(), "Push.Claim 10, Push.Claim.Release 10, Push.List 10, Read 10, "; got != want {
			t.Errorf("10 that are woken cost %s want %s", got, want)
		}
		if n, d := len(w.hook.got)-requests, time.Since(begun); n != 0 || d != 0 {
			t.Errorf("%d requests, and %v", n, d)
		}
	})
}

// TestNoRoomCost counts the writes to the account of a task whose history goes out with each event:
// few while there is room, and none when there is no more, until the caller sends something.
func TestNoRoomCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		h, first := newTask(strings.Repeat("~", 20_000))
		w.begin(t, h, first)
		w.put(t, h, "c", url, "0.3", 0)
		w.agree(t, h, "c")
		c := w.counted()
		spends := func(from, n int64) int {
			for i := range n {
				w.add(t, h, from+i, 1)
				must(t, w.Wake(t.Context(), h.ID))
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			spends := c.of["Push.Spend"]
			c.of = map[string]int{}
			return spends
		}
		if n := spends(2, 20); n < 3 || n > 9 {
			t.Errorf("%d writes for 20 requests", n)
		}
		if n := spends(22, 20); n != 0 {
			t.Errorf("%d writes for 20 requests when there is no more room", n)
		}
		w.append(t, h, 42, followUp(h, strings.Repeat("~", 10_000)))
		if n := spends(43, 10); n < 1 || n > 4 {
			t.Errorf("%d writes for 10 requests when there is room again", n)
		}
	})
}
