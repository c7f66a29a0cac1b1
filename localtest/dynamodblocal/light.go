package dynamodblocal

import (
	"context"
	"os/exec"
	"runtime"

	"a2alambda/localtest"
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
	return start(ctx, "dynoxide", func(port string) *exec.Cmd { return exec.Command(binary, "serve", "--port", port) })
}
