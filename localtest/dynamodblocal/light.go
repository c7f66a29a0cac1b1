package dynamodblocal

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"

	"a2alambda/localtest"
	"a2alambda/localtest/process"
)

// StartLight is [Start] for another emulator of DynamoDB, dynoxide: for the same writes it takes a quarter
// of DynamoDB Local's CPU, so that thousands of streams can be measured beside it. A test of dynamolog,
// TestLogFaults, holds it to the contract of the log. It is for Linux on x86-64; elsewhere this is Start.
// https://github.com/nubo-db/dynoxide
func StartLight(ctx context.Context) (*Engine, error) {
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		return Start(ctx)
	}
	binary, err := localtest.Install(ctx, "dynoxide")
	if err != nil {
		return nil, err
	}
	port, err := process.FreePort()
	if err != nil {
		return nil, fmt.Errorf("dynoxide: %w", err)
	}
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
	p, err := process.Start(ctx, exec.Command(binary, "serve", "--port", fmt.Sprint(port)), endpoint)
	if err != nil {
		return nil, fmt.Errorf("dynoxide: %w", err)
	}
	return &Engine{Name: "dynoxide", Endpoint: endpoint, process: p}, nil
}
