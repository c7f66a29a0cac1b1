package lambdaenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TestGuarded has a handler panic: its invocation gets an error that says nothing of it, and the log
// says it all.
func TestGuarded(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for _, v := range []any{"secret", errors.New("secret")} {
		log.Reset()
		answer, err := guarded(logger, func(context.Context, json.RawMessage) (any, error) { panic(v) })(t.Context(), nil)
		if answer != nil || err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, %v", answer, err)
		}
		if !strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), "guard_test.go") {
			t.Errorf("the log has %s", &log)
		}
	}
	answer, err := guarded(logger, func(_ context.Context, event json.RawMessage) (any, error) { return event, io.EOF })(t.Context(), json.RawMessage("1"))
	if got, _ := answer.(json.RawMessage); string(got) != "1" || err != io.EOF {
		t.Errorf("%v, %v", answer, err)
	}
}

// TestTrace sends requests of two invocations of one process, with and without a trace in the
// environment: each has the trace of its own invocation.
func TestTrace(t *testing.T) {
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "agent")
	traces := make(chan string, 1)
	cfg := configTo(t, func(r *http.Request) { traces <- strings.Join(r.Header.Values(traceHeader), ", ") })
	client, table := DynamoDB(cfg), "tasks"
	for _, environment := range []string{"", "Root=1-0-0;Sampled=0"} {
		if environment != "" {
			t.Setenv("_X_AMZN_TRACE_ID", environment)
		}
		for _, want := range []string{"Root=1-67890000-000000000000000000000001;Sampled=1", "Root=1-67890000-000000000000000000000002;Sampled=1", environment} {
			ctx := t.Context()
			if want != environment {
				ctx = context.WithValue(ctx, traceKey, want) //lint:ignore SA1029 the key is aws-lambda-go's
			}
			_, err := client.GetItem(ctx, &dynamodb.GetItemInput{
				TableName: &table, Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "a"}},
			})
			if got := <-traces; err != nil || got != want {
				t.Errorf("%q in the environment: a request has %q, %v, want %q", environment, got, err, want)
			}
		}
	}
}
