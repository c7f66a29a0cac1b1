// Package localtest installs the programs that the tests need, each at a pinned version, with
// setup.sh in this directory. It needs Linux. The packages below run the programs.
package localtest

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

//go:embed setup.sh
var setupScript string

// Install installs a part of setup.sh, if it is missing, and returns what the script prints for it.
// The error is the script's sentence on what is missing, and how to get it.
func Install(ctx context.Context, part string) (string, error) {
	out, _, err := install(ctx, part)
	return out, err
}

// Setup is [Install] for a test, which fails if the part is not available.
func Setup(tb testing.TB, part string) string {
	tb.Helper()
	out, progress, err := install(tb.Context(), part)
	if err != nil {
		tb.Log(progress)
		tb.Fatal(err)
	}
	return out
}

// Must ends the test if one of the errors is not nil.
func Must(tb testing.TB, errs ...error) {
	tb.Helper()
	for _, err := range errs {
		if err != nil {
			tb.Fatal(err)
		}
	}
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
