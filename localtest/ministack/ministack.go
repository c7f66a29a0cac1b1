// Package ministack runs an emulated AWS account.
package ministack

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/process"
)

//go:embed ministack.py
var script string

// Account is an emulated AWS account with its own CloudFormation, IAM, Lambda, DynamoDB and so on.
// It verifies signatures, and enforces policies of its users and of the functions' roles. Its
// function URLs answer in one piece.
type Account struct {
	Endpoint string   // of all its services
	Bridged  []string // what ministack.py adds for template.yaml

	process *process.Process
}

// Region is an account's region. Key is its root user's access key, and also the secret.
const (
	Region = "us-east-1"
	Key    = "test"
)

// Start starts an empty account for the test. Each env is "NAME=value". The functions have it, too.
func Start(tb testing.TB, env ...string) *Account {
	tb.Helper()
	m, err := start(tb.Context(), localtest.Setup(tb, "ministack"), tb.TempDir(), env...)
	localtest.Must(tb, err)
	m.process.StopAtEnd(tb, "ministack")
	return m
}

func start(ctx context.Context, python, dir string, env ...string) (*Account, error) {
	port, err := process.FreePort()
	if err != nil {
		return nil, fmt.Errorf("ministack: %w", err)
	}
	m := &Account{Endpoint: fmt.Sprintf("http://127.0.0.1:%d", port)}
	cmd := exec.Command(python, "-c", script)
	cmd.Env = append(m.Environ(), "AUTH=true", "BIND_HOST=127.0.0.1", fmt.Sprintf("GATEWAY_PORT=%d", port),
		"LAMBDA_EXECUTOR=local", "STATE_DIR="+dir, "TMPDIR="+dir)
	cmd.Env = append(cmd.Env, env...)
	if m.process, err = process.Start(ctx, cmd, m.Endpoint+"/_ministack/ready"); err != nil {
		return nil, fmt.Errorf("ministack: %w", err)
	}
	for _, line := range regexp.MustCompile(`(?m)^bridged: (.*)$`).FindAllStringSubmatch(m.process.Output.String(), -1) {
		m.Bridged = append(m.Bridged, line[1])
	}
	return m, nil
}

// Environ is this process's environment, for AWS's tools to use this account.
func (m *Account) Environ() []string {
	return append(process.Environ(), "AWS_ENDPOINT_URL="+m.Endpoint, "AWS_ACCESS_KEY_ID="+Key, "AWS_SECRET_ACCESS_KEY="+Key,
		"AWS_DEFAULT_REGION="+Region)
}

// RoundTrip sends a request for AWS's hosts of function URLs and REST APIs to the account.
func (m *Account) RoundTrip(r *http.Request) (*http.Response, error) {
	account, err := url.Parse(m.Endpoint)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Host = cmp.Or(r.Host, r.URL.Host)
	r.URL.Scheme, r.URL.Host = account.Scheme, account.Host
	return http.DefaultTransport.RoundTrip(r)
}
