// Command push is the Lambda function that delivers push notifications. It is fed by the table's stream, and invoked
// asynchronously with {"taskId":"…","configId":"…"} for a configuration whose delivery was put off or left. An event that
// comes twice does nothing twice.
//
// It fails if the table can't be asked, and in an asynchronous invocation when delivery is given up, for that event to go to the
// dead-letter queue.
//
// usage.txt lists the environment.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"a2alambda/internal/cloud"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/push"
	"a2alambda/internal/usage"
	"a2alambda/internal/webhook"
)

//go:embed usage.txt
var help string

func main() {
	usage.Exit(help)
	guard, err := push.ParseAllow(os.Getenv("PUSH_ALLOWED_CIDRS"))
	if err != nil {
		log.Fatal("push: PUSH_ALLOWED_CIDRS: ", err)
	}
	l, invoke, err := cloud.NewPush(context.Background(), os.Getenv("TABLE_NAME"), os.Getenv("PUSH_FUNCTION_NAME"))
	if err != nil {
		log.Fatal("push: ", err)
	}
	d := &webhook.Deliverer{Log: l, Store: l, Client: guard.Client(), Logger: cloud.NewLogger(os.Getenv("SERVICE_NAME")), Invoke: invoke}
	lambda.Start(func(ctx context.Context, event json.RawMessage) error {
		var job cloud.Job
		if err := json.Unmarshal(event, &job); err != nil {
			return err
		}
		if job.TaskID != "" && job.ConfigID != "" {
			return d.Deliver(ctx, job.TaskID, job.ConfigID)
		}
		var stream events.DynamoDBEvent
		if err := json.Unmarshal(event, &stream); err != nil {
			return err
		}
		if len(stream.Records) == 0 {
			return errors.New("the event is neither of a stream nor has it taskId and configId")
		}
		return d.Wake(ctx, dynamolog.Woken(stream)...)
	})
}
