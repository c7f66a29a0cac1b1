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

// The SDK retries a throttled request for some seconds, as long as its client has quota: a hundred
// retries at once, and then one for each five requests that succeed. Here each kind of request has
// its own quota. So requests of tasks that have not begun, and reads, take none from the writes of
// running tasks.

// patient returns a client like c, with a quota for each kind of request. Its errors are
// [tasklog.ErrThrottled] if DynamoDB throttles.
func patient(c *dynamodb.Client) *dynamodb.Client {
	o := c.Options()
	if r, ok := o.Retryer.(aws.RetryerV2); ok {
		o.Retryer = newRetryer(r)
	}
	o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("throttled", tellThrottled), middleware.After)
	})
	return dynamodb.New(o)
}

// retryer is the retryer of a client, except that the request decides which quota it has.
type retryer struct {
	aws.RetryerV2
	soon, reading aws.RetryerV2 // have the quota of what gives up soon, and of all else that reads
}

func newRetryer(r aws.RetryerV2) *retryer {
	return &retryer{RetryerV2: r, soon: retry.NewStandard(), reading: retry.NewStandard()}
}

// triesSoon and triesPart are how often a throttled request is retried: in a context of
// [tasklog.GiveUpSoon], and for a part, which its caller retries.
const (
	triesSoon = 1
	triesPart = 0
)

var errEnough = errors.New("throttled often enough")

// quota returns the retryer whose quota the request has.
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

// GetRetryToken implements [aws.Retryer]. It returns an error if there must be no other try after
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

// tries counts what a request may still try.
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

// throttledCodes are the error codes by which DynamoDB and S3 throttle.
var throttledCodes = retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}

// throttled reports whether DynamoDB or S3 refuses a request because there are too many.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
func throttled(err error) bool {
	if throttledCodes.IsErrorThrottle(err) == aws.TrueTernary {
		return true
	}
	response := (interface{ HTTPStatusCode() int })(nil)
	return errors.As(err, &response) && response.HTTPStatusCode() == http.StatusServiceUnavailable
}

// tellThrottled makes the error of a throttled operation [tasklog.ErrThrottled]. An operation whose
// time ended between two tries is throttled, too.
func tellThrottled(
	ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
) (out middleware.InitializeOutput, md middleware.Metadata, err error) {
	reads := false
	switch awsmiddleware.GetOperationName(ctx) {
	case "GetItem", "BatchGetItem", "Query":
		reads = true
	}
	ctx, tell := counted(ctx, reads)
	out, md, err = next.HandleInitialize(ctx, in)
	return out, md, tell(err)
}

// counted returns a context for a request, by which [retryer] counts its tries, and a function that
// makes its error [tasklog.ErrThrottled] if it was throttled.
func counted(ctx context.Context, reads bool) (context.Context, func(error) error) {
	q := &tries{soon: tasklog.GivesUpSoon(ctx), reads: reads}
	switch {
	case ctx.Value(partKey{}) != nil:
		q.limited, q.left = true, triesPart
	case q.soon:
		q.limited, q.left = true, triesSoon
	}
	return context.WithValue(ctx, requestKey{}, q), func(err error) error {
		if err != nil && (throttled(err) || q.throttled && ctx.Err() != nil) {
			err = fmt.Errorf("%w: %w", tasklog.ErrThrottled, err)
		}
		return err
	}
}
