// Package localserver runs the agent as a local server.
package localserver

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"a2alambda/internal/auth/authtest"
	"a2alambda/localtest"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/process"
)

// Start builds the agent, and serves it on localhost until the test ends. It returns the base URL,
// without a slash at the end. Each env is "NAME=value", in addition to this process's environment.
func Start(tb testing.TB, env ...string) (baseURL string) {
	tb.Helper()
	p, baseURL := StartProcess(tb, env...)
	p.StopAtEnd(tb, "agent")
	return baseURL
}

// StartOIDC is Start with AUTH=oidc. token makes a token for a subject.
func StartOIDC(tb testing.TB, env ...string) (baseURL string, token func(subject string) string) {
	tb.Helper()
	issuer := authtest.NewIssuer(tb)
	return Start(tb, append(env, "AUTH=oidc", "OIDC_ISSUER="+issuer.URL, "OIDC_AUDIENCE=agent")...),
		func(subject string) string { return issuer.Token(map[string]any{"sub": subject, "aud": "agent"}) }
}

// StartProcess is Start for a test that ends the process itself.
func StartProcess(tb testing.TB, env ...string) (p *process.Process, baseURL string) {
	tb.Helper()
	return StartBuilt(tb, Build(tb), env...)
}

// Build builds the agent, once in a process, and returns the binary's path.
func Build(tb testing.TB) (binary string) {
	tb.Helper()
	binary, err := emulator.Build(tb.Context(), "a2alambda/functions/agent")
	localtest.Must(tb, err)
	return binary
}

// StartBuilt is StartProcess with a binary that Build has built.
func StartBuilt(tb testing.TB, binary string, env ...string) (p *process.Process, baseURL string) {
	tb.Helper()
	port, err := process.FreePort()
	localtest.Must(tb, err)
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), fmt.Sprintf("PORT=%d", port))
	cmd.Env = append(cmd.Env, env...)
	baseURL = fmt.Sprintf("http://localhost:%d", port)
	p, err = process.Start(tb.Context(), cmd, baseURL)
	if err != nil {
		tb.Fatalf("agent: %v", err)
	}
	return p, baseURL
}

// Again starts a process as one was that has been killed, at the same URL.
func Again(tb testing.TB, killed *process.Process, baseURL string) *process.Process {
	tb.Helper()
	cmd := exec.Command(killed.Path)
	cmd.Env = killed.Env
	p, err := process.Start(tb.Context(), cmd, baseURL)
	if err != nil {
		tb.Fatalf("agent: %v", err)
	}
	return p
}
