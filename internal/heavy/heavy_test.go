package heavy

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestBegin has much be done at the same time: of what is heavy, there is less than there are turns.
func TestBegin(t *testing.T) {
	var under, most atomic.Int64
	var all sync.WaitGroup
	small := Begin(least - 1) // has no turn
	for range 100 {
		all.Go(func() {
			defer Begin(least)()
			n := under.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			under.Add(-1)
		})
	}
	all.Wait()
	small()
	if n := most.Load(); n < 1 || n > int64(cap(turns)) || len(turns) != 0 {
		t.Errorf("%d at once, want %d at most; %d turns are taken", n, cap(turns), len(turns))
	}
}
