// Package awscall has what requests to AWS need that are not made by the SDK's clients: such a client
// makes a function's zip 0.25 to 1 MB bigger, for one or two kinds of requests. The rest is the
// SDK's: credentials, signatures, the HTTP client, and what is tried again, and when.
package awscall

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// Retryer returns what decides which requests are tried again, and when: that of the configuration,
// or the SDK's standard.
func Retryer(cfg aws.Config) aws.RetryerV2 {
	if cfg.Retryer != nil {
		if r, ok := cfg.Retryer().(aws.RetryerV2); ok {
			return r
		}
	}
	return retry.NewStandard(func(o *retry.StandardOptions) {
		if cfg.RetryMaxAttempts > 0 {
			o.MaxAttempts = cfg.RetryMaxAttempts
		}
	})
}

// Do calls try until it succeeds, the retryer gives up, or ctx is done. It returns the errors of all
// tries, of which the last may be nil.
func Do(ctx context.Context, r aws.RetryerV2, try func(context.Context) error) (tries []error, err error) {
	for done := nothing; ; {
		sent, err := r.GetAttemptToken(ctx)
		if err != nil {
			return tries, err
		}
		err = try(ctx)
		tries = append(tries, err)
		_, _ = done(err), sent(err) // what they return is of no use to the SDK either
		if err == nil || ctx.Err() != nil || len(tries) >= r.MaxAttempts() || !r.IsErrorRetryable(err) {
			return tries, err
		}
		var enough error
		if done, enough = r.GetRetryToken(ctx, err); enough != nil {
			return tries, err
		}
		pause, endless := r.RetryDelay(len(tries), err)
		if endless != nil {
			return tries, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return tries, err
		}
	}
}

func nothing(error) error { return nil }

// Again is an error after which the same request may succeed.
type Again struct{ Err error }

func (e Again) Error() string      { return e.Err.Error() }
func (e Again) Unwrap() error      { return e.Err }
func (Again) RetryableError() bool { return true }
