package durable_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
)

// TestPauses checks that the pauses between attempts double, up to an hour. The task sleeps in
// them, so each may be a sweep longer.
func TestPauses(t *testing.T) {
	var begun []time.Time
	one(t, func(*durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "down", func(context.Context) (int, error) {
				begun = append(begun, time.Now())
				return 0, errors.New("the shop is down")
			}, durable.Retry(5, 20*time.Minute))
			return err
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateFailed)
	})
	if len(begun) != 5 {
		t.Fatalf("%d attempts", len(begun))
	}
	for i, want := range []time.Duration{20 * time.Minute, 40 * time.Minute, time.Hour, time.Hour} {
		if got := begun[i+1].Sub(begun[i]); got < want || got > want+61*time.Second {
			t.Errorf("the pause after attempt %d is %v, want %v", i+1, got, want)
		}
	}
}

// TestAfter checks that a step waits for as long as its error says, within an hour, but not less than
// its own pause. A pause that is longer than a minute suspends the task.
func TestAfter(t *testing.T) {
	var begun []time.Time
	says := []time.Duration{time.Second, 10 * time.Minute, 5 * time.Hour, 0}
	one(t, func(*durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			_, err := durable.Do(ctx, "busy", func(context.Context) (int, error) {
				begun = append(begun, time.Now())
				return 0, fmt.Errorf("the shop: %w", durable.After(says[len(begun)-1], errors.New("is busy")))
			}, durable.Retry(4, 2*time.Second))
			if !errors.Is(err, durable.ErrSuspended) && err.Error() != "busy: the shop: is busy" || durable.After(time.Second, nil) != nil {
				t.Errorf("got %v", err)
			}
			return err
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateFailed)
	})
	if len(begun) != 4 {
		t.Fatalf("%d attempts", len(begun))
	}
	for i, want := range []time.Duration{2 * time.Second, 10 * time.Minute, time.Hour} {
		if got := begun[i+1].Sub(begun[i]); got < want || got > want+61*time.Second {
			t.Errorf("the pause after attempt %d is %v, want %v", i+1, got, want)
		}
	}
}
