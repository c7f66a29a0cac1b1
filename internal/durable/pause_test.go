package durable_test

import (
	"context"
	"errors"
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
