package lambdaenv

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"
)

const (
	// answerBefore is how long before its deadline an invocation must be over where many are in a
	// process: there Lambda only reports a timeout, and the code runs on.
	// https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances-execution-environment.html
	answerBefore = 500 * time.Millisecond

	// giveUpAfter is how long after that a handler is waited for. It is for the answer that there was no
	// time.
	giveUpAfter = 300 * time.Millisecond
)

// errLate is what Lambda learns of an invocation whose handler ignores its deadline.
var errLate = errors.New("the handler has not answered before its deadline")

// punctual returns a handler whose context ends some time before the deadline of its invocation. A
// handler that does not heed that is left to itself: its invocation ends with an error.
func punctual(
	logger *slog.Logger, handler func(context.Context, json.RawMessage) (any, error),
) func(context.Context, json.RawMessage) (any, error) {
	type result struct {
		answer any
		err    error
	}
	return func(parent context.Context, event json.RawMessage) (any, error) {
		deadline, ok := parent.Deadline()
		if !ok {
			return handler(parent, event)
		}
		ctx, cancel := context.WithDeadline(parent, deadline.Add(-answerBefore))
		context.AfterFunc(parent, cancel) // an answer may be a stream, which goes on
		results := make(chan result, 1)
		go func() {
			answer, err := handler(ctx, event)
			results <- result{answer, err}
		}()
		select {
		case r := <-results:
			return r.answer, r.err
		case <-ctx.Done():
		}
		timer := time.NewTimer(giveUpAfter)
		defer timer.Stop()
		select {
		case r := <-results:
			return r.answer, r.err
		case <-timer.C:
		}
		logger.ErrorContext(ctx, "a handler ignores the end of its context and is left to itself")
		go func() {
			if r := <-results; r.answer != nil {
				if c, ok := r.answer.(io.Closer); ok {
					_ = c.Close()
				}
			}
		}()
		return nil, errLate
	}
}
