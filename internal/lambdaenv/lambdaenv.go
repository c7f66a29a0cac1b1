// Package lambdaenv wires a function to its environment: settings, AWS clients, table, functions.
package lambdaenv

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
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
	"a2alambda/internal/push"
	"a2alambda/internal/run"
	"a2alambda/internal/telemetry"
)

// Gap is the least time between two writes of a running task to DynamoDB: 20 a second at most, and
// 25 ms of delay on average for what comes faster.
const Gap = 50 * time.Millisecond

// answerWithin is how long DynamoDB may take to answer, before the SDK tries again, and Lambda to
// take an event: a connection may be dead without a word.
const answerWithin = 5 * time.Second

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
		// TLS sees to the integrity of responses. The SDK's own check warns of each response that
		// is abandoned halfway, as the last poll of a stream that has ended is.
		o.DisableValidateResponseChecksum = true
		if c, ok := o.HTTPClient.(*awshttp.BuildableClient); ok {
			o.HTTPClient = c.WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = answerWithin })
		}
		o.APIOptions = append(o.APIOptions, addMeter)
	})
}

// NewLogger returns a function's logger. Its lines carry the service's metrics, if that has a name.
func NewLogger(service string) *slog.Logger {
	h := lambdacontext.NewLogHandler()
	if service != "" {
		h = telemetry.NewHandler(h, service, os.Getenv("AWS_LAMBDA_FUNCTION_VERSION"))
	}
	return slog.New(h)
}

// readRootsOnce has Go read the root certificates from their file alone. It would read the
// directories, too, where Linux has the same ones again, for half of the CPU that a first TLS
// handshake takes. Without the file, they are read as ever.
// https://pkg.go.dev/crypto/x509#SystemCertPool
func readRootsOnce() {
	if os.Getenv("SSL_CERT_DIR") != "" {
		return
	}
	if _, err := os.Stat(cmp.Or(os.Getenv("SSL_CERT_FILE"), "/etc/pki/tls/certs/ca-bundle.crt")); err == nil {
		os.Setenv("SSL_CERT_DIR", "/none")
	}
}

// Table is a deployment's table, by one client, with what invokes the functions beside it.
type Table struct {
	Log *dynamolog.Log
	cfg aws.Config
}

// Open returns the table of that name. It sends nothing yet.
func Open(ctx context.Context, table string) (*Table, error) {
	if table == "" {
		return nil, errors.New("lambdaenv: TABLE_NAME is not set")
	}
	readRootsOnce()
	cfg, err := Config(ctx)
	if err != nil {
		return nil, fmt.Errorf("lambdaenv: %w", err)
	}
	return &Table{dynamolog.New(DynamoDB(cfg), table), cfg}, nil
}

// Runner returns a runner for the table's tasks. The worker goes on with what it leaves.
func (t *Table) Runner(worker string, executor a2asrv.AgentExecutor, logger *slog.Logger) (*run.Runner, error) {
	if worker == "" {
		return nil, errors.New("lambdaenv: WORKER_FUNCTION_NAME is not set")
	}
	send := sender(t.cfg, worker)
	return run.New(run.Config{
		Store:    t.Log,
		Executor: executor,
		Gap:      Gap,
		Logger:   logger,
		Invoke:   func(ctx context.Context, id a2a.TaskID) error { return send(ctx, Job{TaskID: id}) },
	}), nil
}

// InvokePush returns what invokes the push function, a Lambda function, to deliver a configuration,
// together with others that are asked for at the same time.
func (t *Table) InvokePush(function string) (func(ctx context.Context, id a2a.TaskID, config string) error, error) {
	invoke, err := t.InvokePushes(function)
	if err != nil {
		return nil, err
	}
	return push.Gather(invoke), nil
}

// InvokePushes returns what invokes the push function once, to deliver configurations.
func (t *Table) InvokePushes(function string) (func(ctx context.Context, refs ...push.Ref) error, error) {
	if function == "" {
		return nil, errors.New("lambdaenv: PUSH_FUNCTION_NAME is not set")
	}
	send := sender(t.cfg, function)
	return func(ctx context.Context, refs ...push.Ref) error {
		var jobs []Job
		for _, r := range refs {
			jobs = append(jobs, Job{TaskID: r.TaskID, ConfigID: r.ID})
		}
		// The first is where it is if it is alone: a function of a former version delivers it, at least.
		job := jobs[0]
		job.Jobs = jobs[1:]
		return send(ctx, job)
	}, nil
}

// Warm connects to the table, for a second at most, and reads its secret. What a function does
// before it asks for its first event runs with more CPU than an event gets, and a TLS handshake
// needs it. A failure is ignored: the first request will meet it.
func Warm(ctx context.Context, l *dynamolog.Log) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = l.Secret(ctx)
}

// Job is the event that a worker, or the push function, is invoked with.
type Job struct {
	TaskID a2a.TaskID `json:"taskId"`
	// ConfigID is that of a push notification configuration. A worker gets none.
	ConfigID string `json:"configId,omitempty"`
	// Jobs are further ones, for the push function.
	Jobs []Job `json:"jobs,omitempty"`
}

// Pushes returns the configurations that the push function is to deliver. There are none in an event
// that is none of its jobs.
func (j Job) Pushes() (refs []push.Ref) {
	for _, one := range append([]Job{j}, j.Jobs...) {
		if one.TaskID != "" && one.ConfigID != "" {
			refs = append(refs, push.Ref{TaskID: one.TaskID, ID: one.ConfigID})
		}
	}
	return refs
}

// sender returns a function that invokes the Lambda function asynchronously.
func sender(cfg aws.Config, function string) func(context.Context, Job) error {
	client := sync.OnceValue(func() *lambda.Client { return lambda.NewFromConfig(cfg) })
	return func(ctx context.Context, job Job) error {
		payload, err := json.Marshal(job)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, answerWithin)
		defer cancel()
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
