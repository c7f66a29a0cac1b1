package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"a2alambda/internal/tasklog"
)

// The SDK tries a throttled request again, some seconds long, as long as its client's quota for
// that lasts: a hundred retries at once, and then one for five requests that succeed. Here each
// kind of request has a quota of its own, so that those whose tasks have not begun, and those that
// read, take none from those that running tasks write with.

// patient returns a client like c, whose errors are [tasklog.ErrThrottled] where they are, and
// whose kinds of requests have a quota each.
func patient(c *dynamodb.Client) *dynamodb.Client {
	o := c.Options()
	if r, ok := o.Retryer.(aws.RetryerV2); ok {
		o.Retryer = &retryer{RetryerV2: r, soon: retry.NewStandard(), reading: retry.NewStandard()}
	}
	o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("throttled", tellThrottled), middleware.After)
	})
	return dynamodb.New(o)
}

// retryer is a client's, but that it decides by the request whether another try is allowed.
type retryer struct {
	aws.RetryerV2
	soon, reading aws.RetryerV2 // have the quota of what gives up soon, and of all else that reads
}

// triesLeft is how often a throttled request may be tried again: in a context of
// [tasklog.GiveUpSoon], and in that of a part, which whoever writes it tries again.
const (
	triesSoon = 1
	triesPart = 0
)

var errEnough = errors.New("throttled often enough")

// quota returns whose quota a request has.
func (r *retryer) quota(q *tries) aws.RetryerV2 {
	switch {
	case q != nil && q.soon:
		return r.soon
	case q != nil && q.reads:
		return r.reading
	}
	return r.RetryerV2
}

// GetAttemptToken implements [aws.RetryerV2].
func (r *retryer) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	q, _ := ctx.Value(requestKey{}).(*tries)
	return r.quota(q).GetAttemptToken(ctx)
}

// GetRetryToken implements [aws.Retryer]. It returns an error if there may be no other try after
// err.
func (r *retryer) GetRetryToken(ctx context.Context, err error) (func(error) error, error) {
	q, _ := ctx.Value(requestKey{}).(*tries)
	if q != nil {
		if q.throttled = throttled(err); q.throttled && q.limited {
			if q.left == 0 {
				return nil, errEnough
			}
			q.left--
		}
	}
	return r.quota(q).GetRetryToken(ctx, err)
}

// tries is what a request may still try.
type tries struct {
	soon, reads bool
	limited     bool
	left        int  // that may be throttled, if limited
	throttled   bool // the last one was
}

type (
	requestKey struct{} // of the *tries of a request
	partKey    struct{} // says that the request puts a part
)

// throttledCodes are those of DynamoDB's errors that say so.
var throttledCodes = retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}

// throttled reports whether DynamoDB refuses a request because there are too many.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
func throttled(err error) bool {
	if throttledCodes.IsErrorThrottle(err) == aws.TrueTernary {
		return true
	}
	response := (interface{ HTTPStatusCode() int })(nil)
	return errors.As(err, &response) && response.HTTPStatusCode() == http.StatusServiceUnavailable
}

// tellThrottled tells an operation's error that says that DynamoDB is throttled. Also one whose
// time was over between two tries is.
func tellThrottled(
	ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
) (out middleware.InitializeOutput, md middleware.Metadata, err error) {
	q := &tries{soon: tasklog.GivesUpSoon(ctx)}
	switch awsmiddleware.GetOperationName(ctx) {
	case "GetItem", "BatchGetItem", "Query":
		q.reads = true
	}
	switch {
	case ctx.Value(partKey{}) != nil:
		q.limited, q.left = true, triesPart
	case q.soon:
		q.limited, q.left = true, triesSoon
	}
	out, md, err = next.HandleInitialize(context.WithValue(ctx, requestKey{}, q), in)
	if err != nil && (throttled(err) || q.throttled && ctx.Err() != nil) {
		err = fmt.Errorf("%w: %w", tasklog.ErrThrottled, err)
	}
	return out, md, err
}
