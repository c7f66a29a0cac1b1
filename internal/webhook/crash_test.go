package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/internal/webhook"
)

// mortal is an instance that crashes at one of its operations, before or after the operation is
// done. After that, nothing it does has an effect.
type mortal struct {
	mu    sync.Mutex
	left  int // operations until it crashes
	after bool
	dead  bool
}

var errDead = errors.New("dead")

// hooks returns the hooks for its operations.
func (m *mortal) hooks() tasklog.Hooks {
	return tasklog.Hooks{
		Before: func(context.Context, tasklog.Op) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			wasDead := m.dead
			m.left--
			m.dead = m.left < 0
			if wasDead || m.dead && !m.after {
				return errDead
			}
			return nil
		},
		After: func(_ context.Context, _ tasklog.Op, err error) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.dead {
				return errDead
			}
			return err
		},
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestCrash kills the delivering instance at each of its operations in turn, before or after the
// operation, while the task runs or after its end, with a webhook that has agreed or not. Every event arrives, in order, and some more
// than once.
func TestCrash(t *testing.T) {
	for i := range 8 {
		goesOn, after, agreed := i&1 > 0, i&2 > 0, i&4 > 0
		for n, done := 0, false; !done; n++ {
			t.Run(fmt.Sprintf("%d, %t, %t, %t", n, after, goesOn, agreed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { done = crash(t, n, after, goesOn, agreed) })
			})
			if n > 200 || t.Failed() {
				t.Fatal("there is no end")
			}
		}
	}
}

// crash reports whether the instance ended before it could crash.
func crash(t *testing.T, operations int, after, goesOn, agreed bool) (ended bool) {
	// The webhook is so slow that progress is saved and patience ends. Once it fails so often that
	// the delivery is put off.
	begin := time.Now()
	w := newWorld(t, func(_ *http.Request, seq int64) (*http.Response, error) {
		time.Sleep(800 * time.Millisecond)
		if seq == 7 && time.Since(begin) < 12*time.Second {
			return status(http.StatusServiceUnavailable), nil
		}
		return status(http.StatusOK), nil
	})
	const before, all = 8, 12
	h := w.strange(t, before, url)
	if agreed {
		w.agree(t, h, "c")
	}
	if !goesOn {
		w.add(t, h, before+1, all-before)
	}
	m := &mortal{left: operations, after: after}
	hooks := m.hooks()
	send := roundTripper(func(r *http.Request) (*http.Response, error) {
		return tasklog.Get(t.Context(), hooks, tasklog.Op{Name: "send"}, func() (*http.Response, error) { return w.hook.RoundTrip(r) })
	})
	one := webhook.New(webhook.Config{
		Log: tasklog.Hooked(w.store, hooks), Store: push.Hooked(w.pushes, hooks), Client: &http.Client{Transport: send}, Logger: w.logger,
		Invoke: func(ctx context.Context, refs ...push.Ref) error {
			return hooks.Call(ctx, tasklog.Op{Name: "invoke"}, func() error { return w.invoke(ctx, refs...) })
		},
	})
	var wg sync.WaitGroup
	wake := func(d *webhook.Deliverer) {
		wg.Go(func() {
			for d.Wake(t.Context(), h.ID) != nil { // the stream comes again, to another instance
				d = w.Deliverer
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	wake(one)
	for i := range int64(all - before) { // another instance hears of it
		if !goesOn {
			break
		}
		time.Sleep(1500 * time.Millisecond)
		w.add(t, h, before+1+i, 1)
		wake(w.Deliverer)
	}
	wg.Wait()
	for range 10 {
		must(t, w.sweep(t))
		time.Sleep(time.Minute)
	}
	var last int64
	for _, r := range w.hook.requests(url) {
		if r.ok && r.seq > last+1 {
			t.Errorf("event %d after %d", r.seq, last)
		}
		if r.ok {
			last = max(last, r.seq)
		}
	}
	if last != all {
		t.Errorf("delivered %d of %d: %s", last, all, numbers(w.hook.requests(url)))
	}
	due, err := tasklogtest.Due(t.Context(), w.pushes, time.Now().Add(time.Hour), 100)
	if must(t, err); len(due) > 0 {
		t.Errorf("still due: %+v", due)
	}
	return !m.dead
}
