package lambdaenv

import (
	"bytes"
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"
)

// CheckEvent is the event by which a deployment checks that a function has started and reaches the
// table, before any other event. The function answers null, and does nothing else.
const CheckEvent = `{"check":true}`

// InitError is the type of the error that [Fail] reports.
const InitError = "Runtime.InitError"

// WithCheck returns a handler that calls check for a [CheckEvent], and next for every other event.
func WithCheck(
	check func(context.Context) error, next func(context.Context, json.RawMessage) (any, error),
) func(context.Context, json.RawMessage) (any, error) {
	return func(ctx context.Context, event json.RawMessage) (any, error) {
		if isCheck(event) {
			return nil, check(ctx)
		}
		return next(ctx, event)
	}
}

// isCheck recognizes the event in any spacing. It does not decode events of megabytes.
func isCheck(event json.RawMessage) bool {
	var fields map[string]any
	return len(event) < 2*len(CheckEvent) && json.Unmarshal(event, &fields) == nil && len(fields) == 1 && fields["check"] == true
}

// Fail ends a process that can't start. It reports the error in the log and, on Lambda, to a direct
// caller of the function. So the error must not contain a secret. A client of a function URL only
// sees status 502.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror
func Fail(function string, err error) {
	message := function + ": " + err.Error()
	if api := os.Getenv("AWS_LAMBDA_RUNTIME_API"); api != "" {
		body, _ := json.Marshal(map[string]string{"errorMessage": message, "errorType": InitError})
		client := http.Client{Timeout: time.Second}
		if resp, err := client.Post("http://"+api+"/2018-06-01/runtime/init/error", "application/json", bytes.NewReader(body)); err == nil {
			resp.Body.Close()
		}
	}
	log.Fatal(message)
}
