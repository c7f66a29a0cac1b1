package gather_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/gather"
)

// TestCalls has many callers ask at the same time. The first goes alone, the others share calls,
// and each gets the error of its own call.
func TestCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		asked := map[int]int{}
		fails := errors.New("throttled")
		ask := gather.Calls(50, func(_ context.Context, all ...int) error {
			sizes = append(sizes, len(all)) // without a lock: -race fails if two calls overlap
			for _, r := range all {
				asked[r]++
			}
			time.Sleep(time.Second)
			if len(sizes) == 2 {
				return fails
			}
			return nil
		})
		var mu sync.Mutex
		var group sync.WaitGroup
		failed := 0
		for i := range 120 {
			group.Go(func() {
				if i > 0 {
					time.Sleep(time.Millisecond)
				}
				if err := ask(t.Context(), i); err != nil {
					mu.Lock()
					defer mu.Unlock()
					if failed++; !errors.Is(err, fails) {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if fmt.Sprint(sizes) != "[1 50 50 19]" || len(asked) != 120 || failed != 50 {
			t.Errorf("%v, %d things, %d failed", sizes, len(asked), failed)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := ask(ctx, 120); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		time.Sleep(2 * time.Second) // it is asked for all the same
		synctest.Wait()
		if len(asked) != 121 {
			t.Errorf("%d things in the end", len(asked))
		}
	})
}
