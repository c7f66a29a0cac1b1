package lambdaenv

import (
	"context"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// traceHeader passes on an invocation's trace, by which Lambda also finds functions that invoke each
// other without end: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
const traceHeader = "X-Amzn-Trace-Id"

// traceKey is where aws-lambda-go has the trace in an invocation's context.
const traceKey = "x-amzn-trace-id"

// addTrace has a client pass the trace of its context on. The SDK itself passes on what is in the
// environment, where Lambda has nothing if a process serves several invocations at the same time.
func addTrace(s *middleware.Stack) error {
	return s.Build.Add(middleware.BuildMiddlewareFunc("trace", func(
		ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler,
	) (middleware.BuildOutput, middleware.Metadata, error) {
		trace, _ := ctx.Value(traceKey).(string)
		if r, ok := in.Request.(*smithyhttp.Request); ok && trace != "" && r.Header.Get(traceHeader) == "" {
			r.Header.Set(traceHeader, trace)
		}
		return next.HandleBuild(ctx, in)
	}), middleware.Before)
}
