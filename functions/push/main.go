// Command push is the Lambda function that delivers push notifications. The table's stream wakes
// it. For a configuration whose delivery was put off or left, it is invoked asynchronously with
// {"taskId":"…","configId":"…","jobs":[…]}, where jobs are further configurations in the same form.
// An event that comes twice does no harm.
//
// It fails if it can't reach the table, or if an asynchronous invocation gives a delivery up. Such
// an event goes to the dead-letter queue.
//
// usage.txt lists the environment.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/usage"
	"a2alambda/internal/webhook"
)

//go:embed usage.txt
var help string

func main() {
	lambdaenv.LimitMemory()
	usage.Exit(help)
	if err := serve(); err != nil {
		lambdaenv.Fail("push", err)
	}
}

func serve() error {
	getenv, err := lambdaenv.Settings(os.Getenv)
	if err != nil {
		return err
	}
	guard, err := outgoing.ParseAllow(getenv("PUSH_ALLOWED_CIDRS"))
	if err != nil {
		return fmt.Errorf("PUSH_ALLOWED_CIDRS: %w", err)
	}
	table, err := lambdaenv.Open(context.Background(), os.Getenv("TABLE_NAME"))
	if err != nil {
		return err
	}
	invoke, err := table.InvokePushes(os.Getenv("PUSH_FUNCTION_NAME"))
	if err != nil {
		return err
	}
	logger := lambdaenv.NewLogger(os.Getenv("SERVICE_NAME"))
	d := webhook.New(webhook.Config{
		Log: table.Log, Store: table.Log.Pushes(), Client: guard.Client(), Logger: logger, Invoke: invoke,
	})
	lambdaenv.Start(lambdaenv.WithCheck(table.Log.Reach, func(ctx context.Context, event json.RawMessage) (any, error) {
		var job lambdaenv.Job
		if err := json.Unmarshal(event, &job); err != nil {
			return nil, err
		}
		if refs := job.Pushes(); len(refs) > 0 {
			return nil, d.Deliver(ctx, refs...)
		}
		var stream events.DynamoDBEvent
		if err := json.Unmarshal(event, &stream); err != nil {
			return nil, err
		}
		if len(stream.Records) == 0 {
			return nil, errors.New("the event is neither of a stream nor has it taskId and configId")
		}
		tasks := dynamolog.Woken(stream)
		err := d.Wake(ctx, tasks...)
		if err != nil {
			// The message in the dead-letter queue has this request's id, but no record of the
			// stream.
			logger.ErrorContext(ctx, "wake failed", "tasks", tasks, "error", err.Error())
		}
		return nil, err
	}), func(time.Duration) { d.End() })
	return nil
}
