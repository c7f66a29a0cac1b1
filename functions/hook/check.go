package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"a2alambda/internal/lambdaenv"
)

const (
	// attempts is how often a function is invoked if Lambda has no instance for it, or is silent.
	attempts = 10

	// pause is how long to wait when a function does not reach the table: permissions that were
	// granted seconds ago may not be known everywhere yet.
	pause = 5 * time.Second

	// reserved is the part of the invocation's time for reporting the result.
	reserved = 10 * time.Second
)

// check invokes all functions at once, and logs the answers. The error says which have not started,
// or do not reach the table, and why.
func (h *hook) check(ctx context.Context) error {
	if len(h.functions) == 0 {
		return errors.New("FUNCTIONS is empty")
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserved))
		defer cancel()
	}
	errs := make([]error, len(h.functions))
	var checking sync.WaitGroup
	for i, function := range h.functions {
		checking.Go(func() {
			if errs[i] = h.checkOne(ctx, function); errs[i] != nil {
				h.log.ErrorContext(ctx, "check failed", "function", function, "error", errs[i].Error())
				return
			}
			h.log.InfoContext(ctx, "check passed", "function", function)
		})
	}
	checking.Wait()
	return errors.Join(errs...)
}

// checkOne invokes a function until it has started and reaches the table, says that it can't start,
// or time is up.
func (h *hook) checkOne(ctx context.Context, function string) error {
	for {
		final, err := h.ask(ctx, function)
		deadline, limited := ctx.Deadline()
		if err == nil || final || limited && time.Until(deadline) < 2*pause {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// ask invokes a function once with the check event. An error is final if the function can't start.
func (h *hook) ask(ctx context.Context, function string) (final bool, err error) {
	out, err := h.invoke.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: []byte(lambdaenv.CheckEvent)})
	if err != nil || out.FunctionError == nil {
		return false, err
	}
	var said struct{ ErrorType, ErrorMessage string }
	if json.Unmarshal(out.Payload, &said) != nil || said.ErrorMessage == "" {
		return false, fmt.Errorf("%s: %s", *out.FunctionError, out.Payload)
	}
	return said.ErrorType == lambdaenv.InitError, errors.New(said.ErrorMessage)
}
