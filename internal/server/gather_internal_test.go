package server

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestGathering has many call at the same time, and one after the other. Each gets what a call
// returns that began after its own.
func TestGathering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gathering[string, time.Time]
		var calls atomic.Int32
		begun := func() (time.Time, error) {
			calls.Add(1)
			now := time.Now()
			time.Sleep(10 * time.Millisecond)
			return now, nil
		}
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				came := time.Now()
				got, err := g.do(t.Context(), "a", begun)
				if took := time.Since(came); err != nil || got.Before(came) || took > 20*time.Millisecond {
					t.Errorf("after %v, a call of %v ago, %v", took, time.Since(got), err)
				}
			})
		}
		all.Go(func() { _, _ = g.do(t.Context(), "another", begun) })
		all.Wait()
		if n := calls.Load(); n != 12 {
			t.Errorf("%d calls in 110 ms that take 10 ms each, want 12 with another's", n)
		}
		if len(g.calls) > 0 {
			t.Errorf("%d calls are left", len(g.calls))
		}
	})
}

// TestGatheringLeft has the caller go away, or panic, whose call the others share, before the call
// begins and while it is under way. They make another one. An error that it has not caused is
// everybody's.
func TestGatheringLeft(t *testing.T) {
	var gone, down = errors.New("gone"), errors.New("down")
	synctest.Test(t, func(t *testing.T) {
		var g gathering[string, int]
		slow := func() (int, error) { time.Sleep(10 * time.Millisecond); return 0, nil }
		for name, test := range map[string]struct {
			after time.Duration // when it goes, after it came
			f     func(context.Context) (int, error)
			want  error // of the others
		}{
			"while it waits": {5 * time.Millisecond, func(context.Context) (int, error) { return 0, down }, nil},
			"under way": {15 * time.Millisecond, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			}, nil},
			"in panic": {time.Hour, func(context.Context) (int, error) { panic("f") }, nil},
			"failed":   {time.Hour, func(context.Context) (int, error) { return 0, down }, down},
		} {
			var all sync.WaitGroup
			all.Go(func() { _, _ = g.do(t.Context(), "a", slow) })
			synctest.Wait()
			all.Go(func() {
				defer func() { _ = recover() }()
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(test.after, func() { cancel(gone) })
				_, _ = g.do(ctx, "a", func() (int, error) { return test.f(ctx) })
			})
			synctest.Wait()
			for range 3 {
				all.Go(func() {
					got, err := g.do(t.Context(), "a", func() (int, error) { return 1, nil })
					if !errors.Is(err, test.want) || err == nil && got != 1 {
						t.Errorf("%s: the others got %d, %v", name, got, err)
					}
				})
			}
			all.Wait()
		}
		if len(g.calls) > 0 {
			t.Errorf("%d calls are left", len(g.calls))
		}
	})
}
