// Package cloud makes the clients of AWS that the functions share.
package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Gap is the least time between two writes of a running task to DynamoDB: 20 a second at most, and 25 ms of delay on average for
// what comes faster.
const Gap = 50 * time.Millisecond

// Config loads the SDK's configuration, with an HTTP client for functions.
func Config(ctx context.Context, options ...func(*config.LoadOptions) error) (aws.Config, error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		// An instance that was frozen wakes up with connections that the other side has closed.
		t.IdleConnTimeout = 45 * time.Second
		t.MaxIdleConnsPerHost = 32
	})
	return config.LoadDefaultConfig(ctx, append(options, config.WithHTTPClient(client))...)
}

// Job is the event that a worker is invoked with.
type Job struct {
	TaskID a2a.TaskID `json:"taskId"`
}

// Worker returns a function that invokes the Lambda function asynchronously, to run a task.
func Worker(cfg aws.Config, function string) func(context.Context, a2a.TaskID) error {
	client := sync.OnceValue(func() *lambda.Client { return lambda.NewFromConfig(cfg) })
	return func(ctx context.Context, id a2a.TaskID) error {
		payload, err := json.Marshal(Job{id})
		if err != nil {
			return err
		}
		_, err = client().Invoke(ctx, &lambda.InvokeInput{
			FunctionName:   &function,
			InvocationType: types.InvocationTypeEvent,
			Payload:        payload,
		})
		if err != nil {
			return fmt.Errorf("invoking %s: %w", function, err)
		}
		return nil
	}
}
