// Package cloud is what the functions share of AWS: the table, and the worker.
package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/run"
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

// DynamoDB returns the client of a table.
func DynamoDB(cfg aws.Config) *dynamodb.Client {
	return dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		// TLS sees to the integrity of responses. The SDK's own check warns of each response that is abandoned halfway, as the
		// last poll of a stream that has ended is.
		o.DisableValidateResponseChecksum = true
	})
}

// NewRunner returns a runner on Lambda: its log is in the table, and the worker, a Lambda function, goes on with what it leaves.
func NewRunner(ctx context.Context, table, worker string, executor a2asrv.AgentExecutor) (*run.Runner, error) {
	if table == "" || worker == "" {
		return nil, errors.New("cloud: TABLE_NAME or WORKER_FUNCTION_NAME is not set")
	}
	cfg, err := Config(ctx)
	if err != nil {
		return nil, fmt.Errorf("cloud: %w", err)
	}
	return &run.Runner{
		Log:      dynamolog.New(DynamoDB(cfg), table),
		Executor: executor,
		Gap:      Gap,
		Logger:   lambdacontext.NewLogger(),
		Invoke:   invoker(cfg, worker),
	}, nil
}

// Job is the event that a worker is invoked with.
type Job struct {
	TaskID a2a.TaskID `json:"taskId"`
}

// invoker returns a function that invokes the Lambda function asynchronously, to run a task.
func invoker(cfg aws.Config, function string) func(context.Context, a2a.TaskID) error {
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
