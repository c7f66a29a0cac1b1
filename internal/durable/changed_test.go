package durable_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
)

type quote struct {
	What   string `json:"what"`
	Price  int    `json:"price"`
	source string // not recorded
}

// TestResult returns what was recorded, also the first time.
func TestResult(t *testing.T) {
	one(t, func(*durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			q, err := durable.Do(ctx, "quote", func(context.Context) (*quote, error) { return &quote{"book", 3, "shop"}, nil })
			if err != nil || *q != (quote{What: "book", Price: 3}) {
				t.Errorf("%+v, %v", q, err)
			}
			n, err := durable.Do(ctx, "any", func(context.Context) (any, error) { return uint64(1<<63 + 1), nil })
			if err != nil || n != any(float64(1<<63)) {
				t.Errorf("%v, %v", n, err)
			}
			return durable.Sleep(ctx, "night", 8*time.Hour)
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
	})
}

// do returns a program with a step whose result is of a type, and a night after it.
func do[T any](result T) durable.Func {
	return func(ctx context.Context, _ *durable.Task) error {
		if _, err := durable.Do(ctx, "quote", func(context.Context) (T, error) { return result, nil }); err != nil {
			return err
		}
		return durable.Sleep(ctx, "night", 8*time.Hour)
	}
}

// TestResultType parks a task if the type of a recorded result has changed.
func TestResultType(t *testing.T) {
	for _, test := range []struct {
		name   string
		later  durable.Func
		parked bool
	}{
		{"a field less", do(struct {
			What string `json:"what"`
		}{}), true},
		{"a field more", do(struct {
			quote
			More int `json:"more"`
		}{}), true},
		{"an optional field more", do(struct {
			quote
			More int `json:"more,omitempty"`
		}{}), false},
		{"another type of a field", do(struct {
			What  string `json:"what"`
			Price string `json:"price"`
		}{}), true},
		{"another name of the type", do(struct {
			What  string  `json:"what"`
			Price float64 `json:"price"`
		}{}), false},
		{"raw", do(json.RawMessage(`1`)), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			runs := 0
			one(t, func(*durabletest.World) durable.Func {
				return func(ctx context.Context, task *durable.Task) error {
					if runs++; runs > 1 {
						return test.later(ctx, task)
					}
					return do(quote{What: "book", Price: 3})(ctx, task)
				}
			}, func(w *durabletest.World) {
				w.Begin("hello")
				time.Sleep(9 * time.Hour)
				if parked := w.Lease().Suspended; parked != test.parked {
					t.Errorf("parked: %t\n%s", parked, w.Story())
				}
			})
		})
	}
}

// TestChangedTail parks a task if an event differs that no entry has followed.
func TestChangedTail(t *testing.T) {
	runs := 0
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, task *durable.Task) error {
			if runs++; runs > 1 {
				return durable.Yield(ctx, chunk(task, "x", "y"))
			}
			err := errors.Join(durable.Yield(ctx, say(task, "x")), durable.Flush(ctx))
			w.Kill()
			return err
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		time.Sleep(10 * time.Minute)
		if entries := w.Entries(); len(entries) != 1 || entries[0].Kind != durable.Parked || !w.Lease().Sleeps() {
			t.Errorf("not parked\n%s", w.Story())
		}
	})
}

// TestVersionOfLaterCode parks a task that later code has begun, if the code is rolled back, and goes
// on when the later code is there again.
func TestVersionOfLaterCode(t *testing.T) {
	var newest atomic.Int32
	newest.Store(2)
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, task *durable.Task) error {
			v, err := durable.Version(ctx, "change", int(newest.Load()))
			if err != nil {
				return err
			}
			if err := durable.Sleep(ctx, "night", 8*time.Hour); err != nil {
				return err
			}
			_, err = durable.Do(ctx, "way", effect(w, fmt.Sprint("way ", v)))
			return err
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		time.Sleep(time.Hour)
		newest.Store(1)
		time.Sleep(9 * time.Hour)
		entries := w.Entries()
		if last := entries[len(entries)-1]; last.Kind != durable.Parked || last.Mismatch.Step != "change" {
			t.Errorf("not parked\n%s", w.Story())
		}
		newest.Store(3)
		ends(t, w, a2a.TaskStateCompleted)
		if w.Ledger()["way 2"] != 1 {
			t.Errorf("it went %v", w.Ledger())
		}
	})
}

// TestSlowCode is no change of the code: a branch that has recorded nothing is there before its
// parent comes to what the journal has.
func TestSlowCode(t *testing.T) {
	runs := 0
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, task *durable.Task) error {
			runs++
			first := runs == 1
			g := durable.NewGroup(ctx)
			g.Go("b", func(ctx context.Context) error {
				_, err := durable.Do(ctx, "x", func(ctx context.Context) (int, error) {
					if first {
						time.Sleep(2 * time.Minute)
						w.Kill()
					}
					return 0, w.Effect(ctx, "x")
				})
				return err
			})
			time.Sleep(time.Minute)
			_, err := durable.Do(ctx, "y", effect(w, "y"))
			return errors.Join(err, g.Wait())
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		time.Sleep(10 * time.Minute)
		if state := w.Task().Status.State; state != a2a.TaskStateCompleted {
			t.Errorf("the task is %s\n%s", state, w.Story())
		}
	})
}
