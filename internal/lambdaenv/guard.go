package lambdaenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// errPanicked is what Lambda learns of an invocation whose handler has panicked.
var errPanicked = errors.New("the handler has panicked: see the log")

// guarded returns a handler whose panics end their own invocations, with an error: aws-lambda-go
// would end the process, and the other invocations that it may serve.
func guarded(
	logger *slog.Logger, handler func(context.Context, json.RawMessage) (any, error),
) func(context.Context, json.RawMessage) (any, error) {
	return func(ctx context.Context, event json.RawMessage) (answer any, err error) {
		defer func() {
			if p := recover(); p != nil {
				logger.ErrorContext(ctx, "a handler has panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				answer, err = nil, errPanicked
			}
		}()
		return handler(ctx, event)
	}
}
