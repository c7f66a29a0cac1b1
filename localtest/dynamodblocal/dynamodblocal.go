// Package dynamodblocal runs DynamoDB Local, Amazon's own emulator of DynamoDB.
package dynamodblocal

import (
	"context"
	"crypto/rand"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/dynamolog"
	"a2alambda/localtest"
	"a2alambda/localtest/process"
)

// Engine is a running DynamoDB Local, or the emulator of [StartLight]. It keeps its data in memory, and
// starts empty.
type Engine struct {
	// Name is the emulator's.
	Name string
	// Endpoint is http://127.0.0.1:port. DynamoDB Local listens on all interfaces: a container
	// reaches it at its gateway.
	Endpoint string

	process *process.Process
}

// Start installs the engine if necessary, starts it, and returns when it answers. Close ends it, or
// the end of this process. ctx is for the start.
func Start(ctx context.Context) (*Engine, error) {
	dir, err := localtest.Install(ctx, "dynamodb")
	if err != nil {
		return nil, err
	}
	return start(ctx, "DynamoDB Local", func(port string) *exec.Cmd {
		// Only the quick compiler: measured, it takes a third less CPU than both compilers for the start and
		// 20,000 writes.
		return exec.Command("java",
			"-Xmx512m", "-XX:TieredStopAtLevel=1", "-Djava.library.path="+dir, "-cp", filepath.Join(dir, "*"),
			"software.amazon.dynamodb.services.local.main.ServerRunner",
			"-inMemory", "-sharedDb", "-disableTelemetry", "-port", port)
	})
}

// start starts an emulator at a free port, and returns when it answers.
func start(ctx context.Context, name string, command func(port string) *exec.Cmd) (*Engine, error) {
	port, err := process.FreePort()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
	p, err := process.Start(ctx, command(strconv.Itoa(port)), endpoint)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Engine{Name: name, Endpoint: endpoint, process: p}, nil
}

// Close ends the engine, and waits for its end. Its data is lost.
func (e *Engine) Close() {
	e.process.Kill()
}

var shared = sync.OnceValues(func() (*Engine, error) { return Start(context.Background()) })

// Endpoint returns the endpoint of the test binary's one DynamoDB Local. The first call starts it;
// it ends with the process. Tests share it, each with tables of its own.
func Endpoint(tb testing.TB) string {
	tb.Helper()
	engine, err := shared()
	localtest.Must(tb, err)
	return engine.Endpoint
}

// Client returns a client of the engine. The engine accepts any credentials.
func (e *Engine) Client() *dynamodb.Client { return client(e.Endpoint) }

func client(endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
}

// Client returns a client of the test binary's engine.
func Client(tb testing.TB) *dynamodb.Client {
	tb.Helper()
	return client(Endpoint(tb))
}

// Table makes a table for the test, like the functions' own.
func Table(tb testing.TB) (c *dynamodb.Client, table string) {
	tb.Helper()
	c, table = Client(tb), "tasks-"+rand.Text()
	localtest.Must(tb, dynamolog.CreateTable(tb.Context(), c, table))
	return c, table
}
