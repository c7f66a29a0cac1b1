package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"a2alambda/internal/cloud"
)

// attempts is how often a function is invoked that Lambda has no instance for: with the pauses, for more than a minute.
const attempts = 10

// check invokes all functions at once, logs what each has said, and reports whether all of them have started and reach the table.
func (h *hook) check(ctx context.Context) bool {
	if len(h.functions) == 0 {
		h.log.ErrorContext(ctx, "check failed", "error", "FUNCTIONS is empty")
		return false
	}
	var failed atomic.Bool
	var checking sync.WaitGroup
	for _, function := range h.functions {
		checking.Go(func() {
			if err := h.checkOne(ctx, function); err != nil {
				failed.Store(true)
				h.log.ErrorContext(ctx, "check failed", "function", function, "error", err.Error())
				return
			}
			h.log.InfoContext(ctx, "check passed", "function", function)
		})
	}
	checking.Wait()
	return !failed.Load()
}

// checkOne invokes a function with the event that it answers without doing anything.
func (h *hook) checkOne(ctx context.Context, function string) error {
	out, err := h.invoke.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: []byte(cloud.CheckEvent)})
	if err != nil || out.FunctionError == nil {
		return err
	}
	var said struct{ ErrorType, ErrorMessage string }
	if json.Unmarshal(out.Payload, &said) != nil || said.ErrorMessage == "" {
		return fmt.Errorf("%s: %s", *out.FunctionError, out.Payload)
	}
	return errors.New(said.ErrorMessage)
}
