package durable_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
)

// TestRetryTooLong ends the attempts with the error of the last one if the next would be after the
// task.
func TestRetryTooLong(t *testing.T) {
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, task *durable.Task) error {
			_, err := durable.Do(ctx, "a", func(ctx context.Context) (int, error) {
				return 0, errors.Join(w.Effect(ctx, "try"), errors.New("busy"))
			}, durable.Retry(9, 5*24*time.Hour)) // the last on day 25: the task lasts for 30
			if errors.Is(err, durable.ErrSuspended) {
				return err
			}
			if step := (*durable.StepError)(nil); !errors.As(err, &step) || !strings.HasPrefix(step.Text, "busy (the next attempt would be at ") {
				t.Errorf("got %v", err)
			}
			return nil
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
		if n := w.Ledger()["try"]; n != 6 {
			t.Errorf("%d attempts\n%s", n, w.Story())
		}
	})
}

// TestOnceIsFirst has one attempt of a step with Once, and it is the first, also after crashes just
// before it.
func TestOnceIsFirst(t *testing.T) {
	runs, attempt := 0, 0
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, task *durable.Task) error {
			if runs++; runs < 4 {
				w.Kill()
			}
			_, err := durable.Do(ctx, "a", func(ctx context.Context) (int, error) {
				attempt = durable.Attempt(ctx)
				return 0, nil
			}, durable.Once())
			return err
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
		if attempt != 1 {
			t.Errorf("attempt %d\n%s", attempt, w.Story())
		}
	})
}
