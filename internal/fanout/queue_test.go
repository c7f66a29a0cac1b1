package fanout_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/fanout"
)

// TestQueue has six come one after the other to a queue of two places, and stay for a second.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := fanout.NewQueue(2, time.Minute)
		begun := time.Now()
		var at [6]time.Duration
		for i := range at {
			go func() {
				leave, err := q.Enter(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				at[i] = time.Since(begun)
				time.Sleep(time.Second)
				leave()
				leave() // does no harm
			}()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []time.Duration{0, 0, time.Second, time.Second, 2 * time.Second, 2 * time.Second}; !slices.Equal(at[:], want) {
			t.Errorf("they entered after %v, want %v", at, want)
		}
	})
}

// TestQueueSlow waits for somebody who stays for long, and for as long as a context.
func TestQueueSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := fanout.NewQueue(1, 5*time.Second)
		if _, err := q.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, gone)
		defer cancel()
		if _, err := q.Enter(ctx); err != gone {
			t.Errorf("got %v, want the cause of the context", err)
		}
		begun := time.Now()
		leave, err := q.Enter(t.Context())
		if took := time.Since(begun); err != nil || took != 5*time.Second {
			t.Errorf("after %v: %v, want 5s", took, err)
		}
		leave() // and the one with the place keeps it
		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Second, gone)
		defer cancel()
		if _, err := q.Enter(ctx); err != gone {
			t.Errorf("got %v: there is a second place", err)
		}
	})
}
