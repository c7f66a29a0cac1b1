// Package localtest runs what the tests need on this machine: DynamoDB Local, the agent, and sam local in Docker. It
// needs Linux; setup.sh, in this directory, gets the programs.
package localtest

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

//go:embed setup.sh
var setupScript string

// Install gets a part of setup.sh, unless it is there, and returns what the script prints for it. An error is the
// script's sentence on what is missing and how to get it.
func Install(ctx context.Context, part string) (string, error) {
	out, _, err := install(ctx, part)
	return out, err
}

// Setup is [Install] for a test: it ends the test where the part cannot be had.
func Setup(tb testing.TB, part string) string {
	tb.Helper()
	out, progress, err := install(tb.Context(), part)
	if err != nil {
		tb.Log(progress)
		tb.Fatal(err)
	}
	return out
}

func install(ctx context.Context, part string) (out, progress string, err error) {
	if runtime.GOOS != "linux" {
		return "", "", errors.New("localtest: this needs Linux, for example in a virtual machine")
	}
	cmd := exec.CommandContext(ctx, "bash", "-c", setupScript, "localtest/setup.sh", part)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && stderr.Len() > 0 {
		err = errors.New(lastLine(stderr.String()))
	}
	return lastLine(stdout.String()), stderr.String(), err
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// Engine is a running DynamoDB Local, in memory and empty at the start.
type Engine struct {
	// Endpoint is http://127.0.0.1:port. It listens on all interfaces: a container reaches it at its gateway.
	Endpoint string

	process *process
}

// StartDynamoDB starts the engine whose jars are in dir ([Install] "dynamodb"), and returns when it answers. It ends
// with Close, with ctx, or with this process.
func StartDynamoDB(ctx context.Context, dir string) (*Engine, error) {
	port, err := freePort()
	if err != nil {
		return nil, fmt.Errorf("DynamoDB Local: %w", err)
	}
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
	p, err := start(ctx, exec.CommandContext(ctx, "java", "-Xmx512m",
		// The quick compiler alone: measured, a third less CPU for the start and 20,000 writes than with both.
		"-XX:TieredStopAtLevel=1",
		"-Djava.library.path="+dir, "-cp", filepath.Join(dir, "*"),
		"software.amazon.dynamodb.services.local.main.ServerRunner",
		"-inMemory", "-sharedDb", "-disableTelemetry", "-port", fmt.Sprint(port)), endpoint)
	if err != nil {
		return nil, fmt.Errorf("DynamoDB Local: %w", err)
	}
	return &Engine{Endpoint: endpoint, process: p}, nil
}

// Close ends the engine and waits for its end. What it stored is gone.
func (e *Engine) Close() {
	e.process.kill()
}

var sharedEngine = sync.OnceValues(func() (*Engine, error) {
	dir, err := Install(context.Background(), "dynamodb")
	if err != nil {
		return nil, err
	}
	return StartDynamoDB(context.Background(), dir)
})

// DynamoDB returns the endpoint of the test binary's one DynamoDB Local, which the first who asks starts and which ends
// with the process. Tests share it, and tell their tables apart by name.
func DynamoDB(tb testing.TB) string {
	tb.Helper()
	engine, err := sharedEngine()
	if err != nil {
		tb.Fatal(err)
	}
	return engine.Endpoint
}

// DynamoClient returns a client of the engine at endpoint, which accepts any credentials.
func DynamoClient(tb testing.TB, endpoint string) *dynamodb.Client {
	tb.Helper()
	return dynamodb.New(dynamodb.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
}
