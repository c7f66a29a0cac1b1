package lambdaenv

import (
	"context"
	"encoding/json"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// endWithin is how long a function works after SIGTERM: Lambda ends it about 500 ms after that.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
const endWithin = 400 * time.Millisecond

// Start serves the events of a function, as [lambda.Start] does. When the process is asked to end, it
// calls end with the time that is left: Lambda sends SIGTERM to a process that asks for it. After
// that Lambda gives it no more events.
func Start(handler func(context.Context, json.RawMessage) (any, error), end func(within time.Duration)) {
	lambda.StartWithOptions(handler, lambda.WithEnableSIGTERM(func() { end(endWithin) }))
}
