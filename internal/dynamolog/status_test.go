package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

const (
	working   = a2a.TaskStateWorking
	completed = a2a.TaskStateCompleted
)

var errRefused = errors.New("refused")

// told notes what is written to a head, and when.
type told struct {
	begin  time.Time
	refuse int // how many tries

	mu   sync.Mutex
	told []string
}

func (h *told) tell(ctx context.Context, s status) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != 0 {
		h.refuse--
		return errRefused
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	h.told = append(h.told, fmt.Sprint(s.seq, " after ", time.Since(h.begin)))
	return nil
}

// TestTold checks when the states of a task are written to its head.
func TestTold(t *testing.T) {
	for name, test := range map[string]struct {
		do     func(t *testing.T, h *teller)
		refuse int
		want   []string
	}{
		"a task that ends soon": {func(t *testing.T, h *teller) {
			for seq := range int64(3) {
				h.add(t.Context(), status{state: working, seq: seq})
				time.Sleep(time.Second)
			}
			h.add(t.Context(), status{state: completed, seq: 3})
		}, 0, []string{"3 after 3s"}},
		"a state each second": {func(t *testing.T, h *teller) {
			time.Sleep(time.Second / 2)
			for seq := range int64(12) {
				h.add(t.Context(), status{state: working, seq: seq})
				time.Sleep(time.Second)
			}
		}, 0, []string{"4 after 5s", "9 after 10s", "11 after 12.5s"}}, // the last by the end of the run
		"a late state": {func(t *testing.T, h *teller) {
			time.Sleep(time.Minute)
			h.add(t.Context(), status{state: working, seq: 2})
			time.Sleep(time.Second)
			h.add(t.Context(), status{state: working, seq: 3})
			time.Sleep(time.Minute)
		}, 0, []string{"2 after 1m0s", "3 after 1m5s"}},
		"a state that is refused": {func(t *testing.T, h *teller) {
			h.add(t.Context(), status{state: working, seq: 2})
			time.Sleep(time.Minute)
		}, 2, []string{"2 after 15s"}},
		"a final state that is refused": {func(t *testing.T, h *teller) {
			h.add(t.Context(), status{state: working, seq: 2})
			h.add(t.Context(), status{state: a2a.TaskStateInputRequired, seq: 3})
		}, 5, []string{"3"}},
		"a final state that is always refused": {func(t *testing.T, h *teller) {
			h.add(t.Context(), status{state: completed, seq: 3})
		}, -1, nil},
		"a hand-over in the state that was told": {func(t *testing.T, h *teller) {
			time.Sleep(time.Minute)
			h.add(t.Context(), status{state: working, seq: 2})
			time.Sleep(time.Second)
			h.add(t.Context(), status{state: working, seq: 3})
			h.release()
		}, 0, []string{"2 after 1m0s"}},
		"a hand-over in another state": {func(t *testing.T, h *teller) {
			h.state = a2a.TaskStateSubmitted
			h.add(t.Context(), status{state: working, seq: 2})
			h.release()
			time.Sleep(time.Second)
		}, 0, []string{"2 after 1s"}}, // by the end of the run
		"a state after one in which the turn might have ended": {func(t *testing.T, h *teller) {
			h.add(t.Context(), status{state: a2a.TaskStateInputRequired, seq: 2})
			time.Sleep(time.Second)
			h.add(t.Context(), status{state: working, seq: 3})
		}, 0, []string{"2 after 0s", "3 after 1s"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				head := &told{begin: time.Now(), refuse: test.refuse}
				h := newTeller(statusLag, head.tell)
				test.do(t, h)
				begin := time.Now()
				h.close(t.Context())
				if d := time.Since(begin); d > finalFor {
					t.Errorf("closing took %v", d)
				}
				if test.refuse > 0 && len(head.told) == 1 && len(test.want[0]) == 1 {
					head.told[0] = head.told[0][:1] // the time is left to chance
				}
				if !slices.Equal(head.told, test.want) {
					t.Errorf("told %q, want %q", head.told, test.want)
				}
				time.Sleep(time.Hour)
				if len(head.told) != len(test.want) {
					t.Errorf("after the end, %q", head.told)
				}
			})
		})
	}
}

// TestToldInTime checks that a run does not wait beyond the end of its invocation.
func TestToldInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTeller(statusLag, func(ctx context.Context, _ status) error {
			<-ctx.Done()
			return ctx.Err()
		})
		h.add(t.Context(), status{state: completed})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		h.close(ctx)
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("it waited for %v", d)
		}
	})
}

// TestToldBehindHotKey has twice as many tasks end as a key of the list takes, for a while. None
// stays unfinished.
func TestToldBehindHotKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, load = 100, 5 * time.Second
		left, last := 0.0, time.Now()
		var mu sync.Mutex
		tried, refused := 0, 0
		tell := func(context.Context, status) error {
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			left, last = min(rate, left+rate*now.Sub(last).Seconds()), now
			if tried++; left < 1 {
				refused++
				return errRefused
			}
			left--
			return nil
		}
		var tasks sync.WaitGroup
		tasksLeft := make(chan bool, 2*rate*5)
		for range cap(tasksLeft) {
			time.Sleep(load / time.Duration(cap(tasksLeft)))
			tasks.Go(func() {
				done := false
				h := newTeller(statusLag, func(ctx context.Context, s status) error {
					err := tell(ctx, s)
					done = done || err == nil
					return err
				})
				h.add(t.Context(), status{state: completed})
				h.close(t.Context())
				tasksLeft <- !done
			})
		}
		tasks.Wait()
		close(tasksLeft)
		n := 0
		for unfinished := range tasksLeft {
			if unfinished {
				n++
			}
		}
		t.Logf("%d of %d tries were refused", refused, tried)
		if n > 0 || refused < rate {
			t.Errorf("%d tasks of %d are unfinished", n, cap(tasksLeft))
		}
	})
}
