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

type authorsKey struct{}

// TestAuthorsContext gives a step the values and the end of the context that its author made. One
// that its author has taken off the run ends with the run all the same.
func TestAuthorsContext(t *testing.T) {
	durabletest.Run(t, durabletest.Case{Invocation: 3 * time.Minute, Agent: func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, task *durable.Task) error {
			limited, cancel := context.WithTimeout(context.WithValue(ctx, authorsKey{}, "mine"), time.Second)
			defer cancel()
			value, err := durable.Do(limited, "limited", func(ctx context.Context) (string, error) {
				<-ctx.Done()
				value, _ := ctx.Value(authorsKey{}).(string)
				return value, durable.Yield(ctx, say(task, "limited"))
			})
			if err != nil || value != "mine" {
				t.Errorf("the step has returned %q, %v", value, err)
			}
			_, err = durable.Do(limited, "over", func(ctx context.Context) (int, error) { return 0, ctx.Err() })
			if step := (*durable.StepError)(nil); !errors.As(err, &step) || step.Text != context.DeadlineExceeded.Error() {
				t.Errorf("the step has failed with %v", err)
			}
			_, err = durable.Do(context.WithoutCancel(ctx), "free", func(ctx context.Context) (int, error) {
				if durable.Attempt(ctx) == 1 {
					<-ctx.Done()
				}
				return 0, context.Cause(ctx)
			})
			return err
		}
	}, Script: func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
	}})
}
