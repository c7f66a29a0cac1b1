package localtest

import (
	"cmp"
	_ "embed"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

//go:embed ministack.py
var ministackScript string

// Ministack is an emulated AWS account, with its own CloudFormation, IAM, Lambda, DynamoDB, … It verifies signatures and
// enforces policies: those of its users, and those of the functions' roles. Its function URLs give an answer when it is whole.
type Ministack struct {
	Endpoint string   // of all its services
	Bridged  []string // what it lacks for template.yaml, and ministack.py adds

	process *process
}

// MinistackRegion is the region that a Ministack is used in, and MinistackKey the access key, and its secret, of its root user.
const (
	MinistackRegion = "us-east-1"
	MinistackKey    = "test"
)

// StartMinistack starts an account that has nothing in it, for the test. Each env is "NAME=value"; the functions have it, too.
func StartMinistack(tb testing.TB, env ...string) *Ministack {
	tb.Helper()
	python := Setup(tb, "ministack")
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	m := &Ministack{Endpoint: fmt.Sprintf("http://127.0.0.1:%d", port)}
	cmd := exec.Command(python, "-c", ministackScript)
	cmd.Env = append(m.Environ(), "AUTH=true", "BIND_HOST=127.0.0.1", fmt.Sprintf("GATEWAY_PORT=%d", port),
		"LAMBDA_EXECUTOR=local", "STATE_DIR="+dir, "TMPDIR="+dir)
	cmd.Env = append(cmd.Env, env...)
	if m.process, err = start(tb.Context(), cmd, m.Endpoint+"/_ministack/ready"); err != nil {
		tb.Fatalf("ministack: %v", err)
	}
	stopAtEnd(tb, m.process, "ministack")
	for _, line := range regexp.MustCompile(`(?m)^bridged: (.*)$`).FindAllStringSubmatch(m.process.out.String(), -1) {
		m.Bridged = append(m.Bridged, line[1])
	}
	return m
}

// Environ is this process's environment with the account in place of the developer's: what AWS's own tools need to use it.
func (m *Ministack) Environ() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") {
			env = append(env, v)
		}
	}
	return append(env, "AWS_ENDPOINT_URL="+m.Endpoint, "AWS_ACCESS_KEY_ID="+MinistackKey, "AWS_SECRET_ACCESS_KEY="+MinistackKey,
		"AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_CONFIG_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_DEFAULT_REGION="+MinistackRegion)
}

// RoundTrip sends a request to the account, in place of the host that AWS has for its function URLs and REST APIs.
func (m *Ministack) RoundTrip(r *http.Request) (*http.Response, error) {
	account, err := url.Parse(m.Endpoint)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Host = cmp.Or(r.Host, r.URL.Host)
	r.URL.Scheme, r.URL.Host = account.Scheme, account.Host
	return http.DefaultTransport.RoundTrip(r)
}
