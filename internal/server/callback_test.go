package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/tasklog"
)

// orders has what agents under test have been given.
type orders struct {
	mu   sync.Mutex
	urls []string
	came []string
}

func (o *orders) url(u string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.urls = append(o.urls, u)
}

func (o *orders) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.urls[len(o.urls)-1]
}

// note notes what Wait has returned.
func (o *orders) note(d durable.Delivery, err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil:
		o.came = append(o.came, fmt.Sprintf("%s (%s)", d.Body, d.ContentType))
	case errors.Is(err, durable.ErrTimeout):
		o.came = append(o.came, "timeout")
		err = nil
	}
	return err
}

// courier ships, and waits for the callback.
func (o *orders) courier(timeout time.Duration) durable.Func {
	return func(ctx context.Context, t *durable.Task) error {
		c, err := durable.NewCallback(ctx, "delivered", timeout)
		if err != nil {
			return err
		}
		o.url(c.URL)
		if _, err := durable.Do(ctx, "ship", func(context.Context) (string, error) { return "shipped", nil }); err != nil {
			return err
		}
		d, err := c.Wait(ctx)
		if err := o.note(d, err); err != nil {
			return err
		}
		// The URL stays the same after it was used, and after another suspension.
		return durable.Sleep(ctx, "rest", time.Hour)
	}
}

// TestCallback has an agent wait for a callback, and sends whatever may come for it.
func TestCallback(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o orders
		h := inMemory(t, 2, o.courier(48*time.Hour))
		task := send(t, h.servers[0], message("", "ship it"), a2a.TaskStateSubmitted)
		h.workers()
		url := o.last()
		for range 3 {
			w := httptest.NewRecorder()
			h.post.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
			if w.Code != http.StatusMethodNotAllowed {
				t.Errorf("GET: %d", w.Code)
			}
		}
		if n := h.workers(); n > 0 || !h.load(task.ID).Lease.Sleeps() {
			t.Errorf("GET asked for %d workers", n)
		}
		h.sweep(5 * time.Hour)
		h.loses = true // the invocation after the answer
		if status := h.deliver(url, "at the door"); status != http.StatusAccepted {
			t.Errorf("the first POST: %d", status)
		}
		if h.load(task.ID).Lease.Sleeps() {
			t.Error("after the answer the task sleeps on")
		}
		if status := h.deliver(url, "at the window"); status != http.StatusConflict {
			t.Errorf("another body: %d", status)
		}
		h.loses = false
		h.sweep(time.Minute)
		synctest.Wait()
		if status := h.deliver(url, "at the door"); status != http.StatusAccepted { // it wakes a task that waits for something else
			t.Errorf("the same again: %d", status)
		}
		h.sweep(2 * time.Hour)
		if state := h.load(task.ID).Task.Status.State; state != a2a.TaskStateCompleted {
			t.Errorf("the task is %s", state)
		}
		if status := h.deliver(url, "at the door"); status != http.StatusAccepted {
			t.Errorf("the same after the end: %d", status)
		}
		if len(slices.Compact(o.urls)) != 1 {
			t.Errorf("the URLs are %q", o.urls)
		}
		if slices.ContainsFunc(o.came, func(s string) bool { return s != "at the door ()" }) || len(o.came) == 0 {
			t.Errorf("Wait returned %q", o.came)
		}
	})
}

// TestCallbackTimeout has nothing come in time. What comes later is told so, also if the sweeper is
// late and the task has not woken up yet: what was told to the sender is what the agent gets.
func TestCallbackTimeout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at    time.Duration // of the POST, compared with the timeout
		sweep bool          // before the POST
	}{{-time.Second, false}, {0, false}, {time.Millisecond, true}, {30 * time.Second, false}, {3 * time.Minute, true}, {3 * time.Minute, false}} {
		t.Run(fmt.Sprint(c.at, c.sweep), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var o orders
				h := inMemory(t, 2, o.courier(10*time.Minute))
				begun := time.Now()
				task := send(t, h.servers[0], message("", "ship it"), a2a.TaskStateSubmitted)
				time.Sleep(10*time.Minute + c.at - time.Since(begun))
				if c.sweep {
					if _, err := h.servers[0].Runner.Sweep(t.Context()); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				status := h.deliver(o.last(), "at last")
				h.sweep(3 * time.Hour)
				want := map[int]string{http.StatusAccepted: "at last ()", http.StatusGone: "timeout"}[status]
				if got := slices.Compact(o.came); len(got) != 1 || got[0] != want {
					t.Errorf("the sender was told %d, and the agent got %q", status, got)
				}
				if want == "timeout" && !c.sweep {
					t.Error("a clock at the door decided")
				}
				if state := h.load(task.ID).Task.Status.State; state != a2a.TaskStateCompleted {
					t.Errorf("the task is %s", state)
				}
				h.working.Wait()
			})
		})
	}
}

// TestCallbackAndTimeout has the callback and the timeout come at once, in many orders: one wins,
// for both sides.
func TestCallbackAndTimeout(t *testing.T) {
	t.Parallel()
	for round := range 50 {
		synctest.Test(t, func(t *testing.T) {
			var o orders
			h := inMemory(t, 1, o.courier(10*time.Minute))
			begun := time.Now()
			send(t, h.servers[0], message("", "ship it"), a2a.TaskStateSubmitted)
			time.Sleep(10*time.Minute - time.Since(begun))
			status := make(chan int, 2)
			for _, body := range []string{"one", "two"}[:1+round%2] {
				go func() { status <- h.deliver(o.last(), body) }()
			}
			go func() { _, _ = h.servers[0].Runner.Sweep(t.Context()) }()
			first := <-status
			accepted := 0
			if first == http.StatusAccepted {
				accepted++
			}
			if round%2 == 1 && <-status == http.StatusAccepted {
				accepted++
			}
			h.sweep(2 * time.Hour)
			got := slices.Compact(o.came)
			if len(got) != 1 || accepted > 1 || (got[0] != "timeout") != (accepted == 1) {
				t.Errorf("%d senders were told 202, and the agent got %q", accepted, got)
			}
			h.working.Wait()
		})
	}
}

// TestCallbackEarly has the callback come before the agent waits, and while it runs; and a callback
// that nobody waits for is closed when the task ends.
func TestCallbackEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o orders
		var h *house
		h = inMemory(t, 1, func(ctx context.Context, _ *durable.Task) error {
			var callbacks []*durable.Callback
			for _, name := range []string{"early", "during", "never"} {
				c, err := durable.NewCallback(ctx, name, time.Hour)
				if err != nil {
					return err
				}
				o.url(c.URL)
				callbacks = append(callbacks, c)
			}
			if _, err := durable.Do(ctx, "ship", func(context.Context) (int, error) { return h.deliver(callbacks[0].URL, "early"), nil }); err != nil {
				return err
			}
			go func() {
				time.Sleep(5 * time.Second)
				h.deliver(callbacks[1].URL, "during")
			}()
			g := durable.NewGroup(ctx)
			for i, c := range callbacks[:2] {
				g.Go(fmt.Sprint("branch ", i), func(ctx context.Context) error { return o.note(c.Wait(ctx)) })
			}
			g.Go("works", func(ctx context.Context) error { return durable.Sleep(ctx, "a while", 30*time.Second) })
			return g.Wait()
		})
		send(t, h.servers[0], message("", "ship it"), a2a.TaskStateCompleted)
		if !slices.Equal(o.came, []string{"early ()", "during ()"}) {
			t.Errorf("came %q", o.came)
		}
		if status := h.deliver(o.urls[2], "too late"); status != http.StatusGone {
			t.Errorf("a callback that nobody waited for, after the end: %d", status)
		}
	})
}

// TestCallbackCanceled closes the callback of a task that is canceled while it waits.
func TestCallbackCanceled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o orders
		h := inMemory(t, 1, o.courier(time.Hour))
		task := send(t, h.servers[0], message("", "ship it"), a2a.TaskStateSubmitted)
		got, err := h.servers[0].CancelTask(t.Context(), caller, &a2a.CancelTaskRequest{ID: task.ID})
		if err != nil || got.Status.State != a2a.TaskStateCanceled {
			t.Fatalf("canceled: %v, %v", got, err)
		}
		if status := h.deliver(o.last(), "here"); status != http.StatusGone {
			t.Errorf("a POST after that: %d", status)
		}
		h.working.Wait()
	})
}

// TestCallbackLimits refuses callbacks that cannot be: each error says why, and is the same in a
// replay.
func TestCallbackLimits(t *testing.T) {
	t.Parallel()
	many := func(ctx context.Context, n int) (err error) {
		for i := range n {
			if _, e := durable.NewCallback(ctx, fmt.Sprint("c", i), time.Hour); e != nil {
				err = e
			}
		}
		return err
	}
	for name, c := range map[string]struct {
		want string // in the error
		f    func(ctx context.Context) error
	}{
		"many":   {"100 callbacks are open", func(ctx context.Context) error { return many(ctx, 101) }},
		"enough": {"", func(ctx context.Context) error { return many(ctx, 100) }},
		"no time": {"no time", func(ctx context.Context) error {
			_, err := durable.NewCallback(ctx, "c", 0)
			return err
		}},
		"longer than the task": {"the task lasts until", func(ctx context.Context) error {
			_, err := durable.NewCallback(ctx, "c", 30*24*time.Hour)
			return err
		}},
		"a long name": {"at most 251", func(ctx context.Context) error {
			ctx = durable.Scope(ctx, strings.Repeat("x", 128))
			_, err := durable.NewCallback(ctx, strings.Repeat("y", 126), time.Hour)
			return err
		}},
		"twice": {"used twice", func(ctx context.Context) error {
			c, err := durable.NewCallback(ctx, "c", time.Second)
			if err != nil {
				return err
			}
			if _, err := c.Wait(ctx); !errors.Is(err, durable.ErrTimeout) {
				return errors.New("no timeout")
			}
			_, err = c.Wait(ctx)
			return err
		}},
		"in a step": {"inside of the step", func(ctx context.Context) error {
			_, err := durable.Do(ctx, "s", func(ctx context.Context) (int, error) {
				_, err := durable.NewCallback(ctx, "c", time.Second)
				return 0, err
			})
			return err
		}},
		"no endpoint": {"takes no callbacks", nil},
		"no question": {"asks nothing", func(ctx context.Context) error {
			_, err := durable.Ask(ctx, "q")
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var errs []string
				h := inMemory(t, 1, func(ctx context.Context, _ *durable.Task) error {
					f := c.f
					if f == nil {
						f = func(ctx context.Context) error {
							_, err := durable.NewCallback(ctx, "c", time.Hour)
							return err
						}
					}
					errs = append(errs, fmt.Sprint(f(ctx)))
					return durable.Sleep(ctx, "night", time.Hour)
				})
				if c.f == nil {
					h.servers[0].Runner.Callbacks = ""
				}
				task := send(t, h.servers[0], message("", "go"), a2a.TaskStateSubmitted)
				h.servers[0].Runner.Callbacks = "http://callbacks.example/" // by a later deployment
				h.sweep(2 * time.Hour)
				if state := h.load(task.ID).Task.Status.State; state != a2a.TaskStateCompleted {
					t.Errorf("the task is %s", state)
				}
				want := c.want
				if want == "" {
					want = "<nil>"
				}
				if len(errs) != 2 || !strings.Contains(errs[0], want) || errs[1] != errs[0] {
					t.Errorf("the errors are %q, want %q", errs, want)
				}
			})
		})
	}
}

// TestCallbackOnDynamoDB is TestCallback's way through the table: a large body, twice at once.
func TestCallbackOnDynamoDB(t *testing.T) {
	t.Parallel()
	var o orders
	var got durable.Delivery
	h := newHouse(t, 2, stores(t)["DynamoDB"], func(ctx context.Context, t *durable.Task) error {
		c, err := durable.NewCallback(ctx, "delivered", time.Hour)
		if err != nil {
			return err
		}
		o.url(c.URL)
		got, err = c.Wait(ctx)
		return err
	})
	task := send(t, h.servers[0], message("", "ship it"), a2a.TaskStateSubmitted)
	body := strings.Repeat("0123456789abcdef", tasklog.MaxDelivery/16)
	status := make(chan int, 2)
	for range 2 {
		go func() { status <- h.deliver(o.last(), body) }()
	}
	if a, b := <-status, <-status; a != http.StatusAccepted || b != http.StatusAccepted {
		t.Errorf("the POSTs got %d and %d", a, b)
	}
	h.working.Wait()
	if now := h.load(task.ID); now.Task.Status.State != a2a.TaskStateCompleted || string(got.Body) != body {
		t.Errorf("the task is %s, and got %d bytes", now.Task.Status.State, len(got.Body))
	}
}

// TestCallbacksOfEarlierRuns counts the callbacks that earlier runs have left open, and not those
// that were waited for.
func TestCallbacksOfEarlierRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var refused []string
		h := inMemory(t, 1, func(ctx context.Context, _ *durable.Task) error {
			for day := range 2 {
				ctx := durable.Scope(ctx, fmt.Sprint("day ", day))
				for i := range 60 + 2*day {
					timeout := 10 * 24 * time.Hour
					if i < 10 {
						timeout = time.Second
					}
					c, err := durable.NewCallback(ctx, fmt.Sprint("c", i), timeout)
					if err != nil {
						refused = append(refused, err.Error())
						continue
					}
					if i < 10 {
						if _, err := c.Wait(ctx); !errors.Is(err, durable.ErrTimeout) {
							return err
						}
					}
				}
				if err := durable.Sleep(ctx, "night", 8*time.Hour); err != nil {
					return err
				}
			}
			return nil
		})
		task := send(t, h.servers[0], message("", "go"), a2a.TaskStateSubmitted)
		h.sweep(20 * time.Hour)
		// On the second day 50 of the first are open, and there is room for 50.
		if state := h.load(task.ID).Task.Status.State; state != a2a.TaskStateCompleted {
			t.Errorf("the task is %s", state)
		}
		slices.Sort(refused)
		refused = slices.Compact(refused)
		if len(refused) != 2 || !strings.Contains(refused[0], "day 1/c60: 100 callbacks are open") || !strings.Contains(refused[1], "day 1/c61: ") {
			t.Errorf("refused: %q", refused)
		}
	})
}
