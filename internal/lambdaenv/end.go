package lambdaenv

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// endWithin is how long a function works after SIGTERM: Lambda ends it about 500 ms after that.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
const endWithin = 400 * time.Millisecond

// sharedEndWithin is that for a process with many invocations, on Lambda Managed Instances. What
// Lambda gives it is not documented.
const sharedEndWithin = 1900 * time.Millisecond

// Start serves the events of a function, as [lambda.Start] does. When the process is asked to end, it
// calls end with the time that is left: Lambda sends SIGTERM to a process that asks for it, and gives
// it no more events. The process ends once its invocations have been answered. A handler that panics
// ends its own invocation only: see guarded.
func Start(handler func(context.Context, json.RawMessage) (any, error), end func(within time.Duration)) {
	handler = guarded(lambdacontext.NewLogger(), handler)
	within := endWithin
	if lambdacontext.MaxConcurrency() > 1 {
		within = sharedEndWithin
		large, answers := newLargeEvents(), newAnswers() // which do nothing until they listen
		if t, ok := http.DefaultTransport.(*http.Transport); ok {
			large.listen(os.Getenv("AWS_LAMBDA_RUNTIME_API"), t, answers)
		}
		handler = answers.sent(punctual(lambdacontext.NewLogger(), large.admitted(handler)))
	}
	var invocations sync.WaitGroup
	lambda.StartWithOptions(func(ctx context.Context, event json.RawMessage) (any, error) {
		invocations.Add(1)
		context.AfterFunc(ctx, invocations.Done) // ctx ends after the answer has been sent
		return handler(ctx, event)
	}, lambda.WithEnableSIGTERM(func() {
		end(within)
		invocations.Wait()
		os.Exit(0)
	}))
}
