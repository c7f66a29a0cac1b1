package localtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// StartAgent builds the agent and serves it on localhost until the test ends. It returns its base URL, without a slash
// at the end. Each env is "NAME=value" and adds to this process's environment.
func StartAgent(tb testing.TB, env ...string) (baseURL string) {
	tb.Helper()
	p, baseURL := startAgent(tb, env...)
	stopAtEnd(tb, p, "agent")
	return baseURL
}

// startAgent is StartAgent for who ends the process.
func startAgent(tb testing.TB, env ...string) (p *process, baseURL string) {
	tb.Helper()
	binary := filepath.Join(tb.TempDir(), "agent")
	run(tb, exec.Command("go", "build", "-o", binary, "a2alambda/functions/agent"))
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), fmt.Sprintf("PORT=%d", port))
	cmd.Env = append(cmd.Env, env...)
	baseURL = fmt.Sprintf("http://localhost:%d", port)
	p, err = start(tb.Context(), cmd, baseURL)
	if err != nil {
		tb.Fatalf("agent: %v", err)
	}
	return p, baseURL
}
