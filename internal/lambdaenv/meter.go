package lambdaenv

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/telemetry"
)

var throttled = retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}

// addMeter adds each request's cost to the usage in its context.
func addMeter(s *middleware.Stack) error {
	return s.Initialize.Add(middleware.InitializeMiddlewareFunc("meter", meter), middleware.After)
}

// meter asks for a request's consumed units, which costs nothing, and counts them.
func meter(
	ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
) (out middleware.InitializeOutput, md middleware.Metadata, err error) {
	if batch, ok := in.Parameters.(*dynamodb.BatchExecuteStatementInput); ok {
		batch.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
		out, md, err = next.HandleInitialize(ctx, in)
		if answer, ok := out.Result.(*dynamodb.BatchExecuteStatementOutput); ok && err == nil {
			meterShared(dynamolog.Callers(ctx), answer)
		}
		return out, md, err
	}
	u := telemetry.UsageOf(ctx)
	if u == nil {
		return next.HandleInitialize(ctx, in)
	}
	const total = types.ReturnConsumedCapacityTotal
	switch p := in.Parameters.(type) {
	case *dynamodb.PutItemInput:
		p.ReturnConsumedCapacity = total
	case *dynamodb.UpdateItemInput:
		p.ReturnConsumedCapacity = total
	case *dynamodb.DeleteItemInput:
		p.ReturnConsumedCapacity = total
	case *dynamodb.GetItemInput:
		p.ReturnConsumedCapacity = total
	case *dynamodb.BatchGetItemInput:
		p.ReturnConsumedCapacity = total
	case *dynamodb.QueryInput:
		p.ReturnConsumedCapacity = total
	}
	out, md, err = next.HandleInitialize(ctx, in)
	read, write := units(out.Result)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		write = 1 // DynamoDB does not say; it is 1 for items up to 1 KB, as most are
	}
	retries, throttles := 0, 0
	if tries, ok := retry.GetAttemptResults(md); ok {
		retries = max(0, len(tries.Results)-1)
		for _, t := range tries.Results {
			if t.Err != nil && throttled.IsErrorThrottle(t.Err) == aws.TrueTernary {
				throttles++
			}
		}
	}
	u.Add(read, write, retries, throttles)
	return out, md, err
}

// meterShared counts what each caller's statement has consumed, and whether it was throttled.
func meterShared(callers []context.Context, answer *dynamodb.BatchExecuteStatementOutput) {
	if len(answer.Responses) != len(callers) {
		return
	}
	for i, ctx := range callers {
		u := telemetry.UsageOf(ctx)
		if u == nil {
			continue
		}
		write, throttles := 1.0, 0 // an item that is small
		if len(answer.ConsumedCapacity) == len(callers) && answer.ConsumedCapacity[i].CapacityUnits != nil {
			write = *answer.ConsumedCapacity[i].CapacityUnits
		}
		if failed := answer.Responses[i].Error; failed != nil {
			switch failed.Code {
			case types.BatchStatementErrorCodeEnumProvisionedThroughputExceeded, types.BatchStatementErrorCodeEnumThrottlingError,
				types.BatchStatementErrorCodeEnumRequestLimitExceeded:
				write, throttles = 0, 1
			}
		}
		u.Add(0, write, 0, throttles)
	}
}

func units(result any) (read, write float64) {
	of := func(c *types.ConsumedCapacity) float64 {
		if c == nil || c.CapacityUnits == nil {
			return 0
		}
		return *c.CapacityUnits
	}
	switch r := result.(type) {
	case *dynamodb.PutItemOutput:
		write = of(r.ConsumedCapacity)
	case *dynamodb.UpdateItemOutput:
		write = of(r.ConsumedCapacity)
	case *dynamodb.DeleteItemOutput:
		write = of(r.ConsumedCapacity)
	case *dynamodb.GetItemOutput:
		read = of(r.ConsumedCapacity)
	case *dynamodb.BatchGetItemOutput:
		for _, c := range r.ConsumedCapacity { // of each table
			read += of(&c)
		}
	case *dynamodb.QueryOutput:
		read = of(r.ConsumedCapacity)
	}
	return read, write
}
