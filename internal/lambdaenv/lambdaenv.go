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
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/gather"
	"a2alambda/internal/push"
	"a2alambda/internal/run"
	"a2alambda/internal/telemetry"
)

// Gap is the least time between two writes of a run to DynamoDB: some ten writes a second, and less
// than 50 ms of delay on average for faster events. It is no multiple of a usual pace, so that an
// agent's events don't always come just after a write.
const Gap = 95 * time.Millisecond

// answerWithin is how long DynamoDB may take to answer, and Lambda to take an event, before the SDK
// tries again: a dead connection may never report an error.
const answerWithin = 5 * time.Second

// idleConns is how many connections to a host a function keeps while they have no request.
const idleConns = 32

// leastConns is how many connections to the table a process may have at least. They stay while they have
// no request.
const leastConns = 64

// connsFor returns how many connections to the table a process may have that does so much at the same
// time. A request takes some milliseconds: where a thousand begin together, few of them have an answer
// sooner by a connection of their own, and each would take a millisecond of a processor, or more with TLS.
func connsFor(atOnce int) int { return max(leastConns, atOnce/8) }

// Config loads the SDK's configuration, with an HTTP client for functions. A function that serves
// more requests at the same time keeps a connection for each, to each host but the table's.
func Config(ctx context.Context, options ...func(*config.LoadOptions) error) (aws.Config, error) {
	return ConfigFor(ctx, lambdacontext.MaxConcurrency(), options...)
}

// ConfigFor is [Config] for a process that does so much at the same time. A connection that is not
// kept is made again, with TLS, for the next request.
func ConfigFor(ctx context.Context, atOnce int, options ...func(*config.LoadOptions) error) (aws.Config, error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		// After a freeze, an instance has connections that the other side has closed.
		t.IdleConnTimeout = 45 * time.Second
		t.MaxIdleConnsPerHost = max(idleConns, atOnce)
		t.MaxIdleConns = 0 // the number for a host is the limit
	})
	cfg, err := config.LoadDefaultConfig(ctx, append(options, config.WithHTTPClient(client))...)
	cfg.APIOptions = append(cfg.APIOptions, addTrace)
	return cfg, err
}

// DynamoDB returns a client for the table.
func DynamoDB(cfg aws.Config) *dynamodb.Client {
	return dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		// TLS protects the integrity of responses. The SDK's own check logs a warning for each
		// response that is abandoned halfway, such as the last poll of a stream that has ended.
		o.DisableValidateResponseChecksum = true
		if c, ok := o.HTTPClient.(*awshttp.BuildableClient); ok {
			o.HTTPClient = oneWrite{c.WithTransportOptions(func(t *http.Transport) {
				t.WriteBufferSize = writeAtOnce
				t.ResponseHeaderTimeout = answerWithin
				t.MaxConnsPerHost = connsFor(t.MaxIdleConnsPerHost) // what is done at once: see ConfigFor
				t.MaxIdleConnsPerHost = t.MaxConnsPerHost
			})}
		}
		o.APIOptions = append(o.APIOptions, addMeter)
	})
}

// NewLogger returns a function's logger. If the service has a name, its lines carry metrics.
func NewLogger(service string) *slog.Logger {
	h := lambdacontext.NewLogHandler()
	if service != "" {
		h = telemetry.NewHandler(h, service, os.Getenv("AWS_LAMBDA_FUNCTION_VERSION"))
	}
	return slog.New(h)
}

// readRootsOnce has Go read the root certificates from their file only. It would also read the
// directories, where Linux has the same ones again, which takes half of the CPU of a first TLS
// handshake. Without the file, Go reads the directories.
// https://pkg.go.dev/crypto/x509#SystemCertPool
func readRootsOnce() {
	if os.Getenv("SSL_CERT_DIR") != "" {
		return
	}
	if _, err := os.Stat(cmp.Or(os.Getenv("SSL_CERT_FILE"), "/etc/pki/tls/certs/ca-bundle.crt")); err == nil {
		os.Setenv("SSL_CERT_DIR", "/none")
	}
}

// Table is a deployment's table, with one client. It also invokes the deployment's functions.
type Table struct {
	Log *dynamolog.Log
	cfg aws.Config
}

// Open returns the table, whose large bodies go to the bucket in BUCKET_NAME: see [Bodies]. It sends
// no request.
func Open(ctx context.Context, table string) (*Table, error) {
	if table == "" {
		return nil, errors.New("lambdaenv: TABLE_NAME is not set")
	}
	readRootsOnce()
	cfg, err := Config(ctx)
	if err != nil {
		return nil, fmt.Errorf("lambdaenv: %w", err)
	}
	bodies, err := Bodies(cfg, os.Getenv("BUCKET_NAME"))
	if err != nil {
		return nil, fmt.Errorf("lambdaenv: %w", err)
	}
	return NewTable(cfg, table, bodies), nil
}

// NewTable returns the table of a configuration, and where its large bodies are.
func NewTable(cfg aws.Config, table string, bodies dynamolog.Large) *Table {
	return &Table{dynamolog.NewWith(DynamoDB(cfg), table, bodies), cfg}
}

// Runner returns a runner for the table's tasks. The worker function continues unfinished ones.
// Runner sets Store, Gap, Invoke, LivesOn and Later of the configuration.
func (t *Table) Runner(worker string, c run.Config) (*run.Runner, error) {
	send, err := t.worker(worker)
	if err != nil {
		return nil, err
	}
	c.Invoke = forTask(send)
	c.Store, c.Gap = t.Log, Gap
	if lambdacontext.MaxConcurrency() > 1 { // such a process is not frozen between requests
		c.LivesOn = true
		c.Later = gather.Calls(laterMost, func(ctx context.Context, ids ...a2a.TaskID) error {
			return send(ctx, Job{TaskID: ids[0], Later: ids})
		})
	}
	return run.New(c), nil
}

// laterMost is how many tasks are in one event for a worker at most: some tens of KB.
const laterMost = 1000

// InvokeWorker returns a function that invokes the worker, a Lambda function, for a task.
func (t *Table) InvokeWorker(function string) (func(ctx context.Context, id a2a.TaskID) error, error) {
	send, err := t.worker(function)
	if err != nil {
		return nil, err
	}
	return forTask(send), nil
}

// worker returns a function that sends jobs to the worker.
func (t *Table) worker(function string) (func(context.Context, Job) error, error) {
	if function == "" {
		return nil, errors.New("lambdaenv: WORKER_FUNCTION_NAME is not set")
	}
	return sender(t.cfg, function), nil
}

func forTask(send func(context.Context, Job) error) func(context.Context, a2a.TaskID) error {
	return func(ctx context.Context, id a2a.TaskID) error { return send(ctx, Job{TaskID: id}) }
}

// InvokePush returns a function that invokes the push function, a Lambda function, to deliver a
// configuration. Calls at the same time share an invocation.
func (t *Table) InvokePush(function string) (func(ctx context.Context, id a2a.TaskID, config string) error, error) {
	invoke, err := t.InvokePushes(function)
	if err != nil {
		return nil, err
	}
	return push.Gather(invoke), nil
}

// InvokePushes returns a function that invokes the push function once, to deliver configurations.
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
		// The first configuration has its place outside of Jobs. A push function of an earlier
		// version reads only that place.
		job := jobs[0]
		job.Jobs = jobs[1:]
		return send(ctx, job)
	}, nil
}

// Warm connects to the table, for a second at most, and reads its secret. Before a function asks
// for its first event it gets more CPU than for an event, and a TLS handshake needs that. A failure
// is ignored: the first request will meet it.
func Warm(ctx context.Context, l *dynamolog.Log) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = l.Secret(ctx)
}

// Job is the event for a worker or the push function.
type Job struct {
	TaskID a2a.TaskID `json:"taskId"`
	// ConfigID is the id of a push notification configuration. It is empty for a worker.
	ConfigID string `json:"configId,omitempty"`
	// Jobs are further configurations, for the push function.
	Jobs []Job `json:"jobs,omitempty"`
	// Later are the tasks at which a worker looks later: see [run.Runner.LookLater]. A worker of an
	// earlier version reads only TaskID, which is the first one, and goes on with that at once.
	Later []a2a.TaskID `json:"later,omitempty"`
}

// Work has the runner do a worker's job. After an error, Lambda tries again.
func (j Job) Work(ctx context.Context, r *run.Runner) error {
	if len(j.Later) > 0 {
		return r.LookLater(ctx, j.Later)
	}
	return r.Work(ctx, j.TaskID)
}

// Pushes returns the configurations that the push function has to deliver, or none for other
// events.
func (j Job) Pushes() (refs []push.Ref) {
	for _, one := range append([]Job{j}, j.Jobs...) {
		if one.TaskID != "" && one.ConfigID != "" {
			refs = append(refs, push.Ref{TaskID: one.TaskID, ID: one.ConfigID})
		}
	}
	return refs
}

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
