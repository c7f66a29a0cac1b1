// Package samlocal builds template.yaml and runs its functions in containers, with the SAM CLI.
package samlocal

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/process"
)

// SAM is a built template.yaml. sam local runs its functions in containers.
type SAM struct {
	program  string // path of sam
	root     string // the repository, with samconfig.toml
	template string // the built one
	network  string // the containers' Docker network
	env      map[string]string
}

// Build builds template.yaml. Its functions will use the DynamoDB Local at endpoint, and the
// handler as Lambda's API.
func Build(tb testing.TB, endpoint string, lambda http.Handler) *SAM {
	tb.Helper()
	s := &SAM{program: localtest.Setup(tb, "sam"), network: "a2alambda-" + strings.ToLower(rand.Text())}
	localtest.Setup(tb, "image")
	dynamo, err := url.Parse(endpoint)
	localtest.Must(tb, err)
	gateway := network(tb, s.network)
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	localtest.Must(tb, err)
	api := &httptest.Server{Listener: listener, Config: &http.Server{Handler: lambda}}
	api.Start()
	tb.Cleanup(api.Close)
	s.env = map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB": "http://" + net.JoinHostPort(gateway, dynamo.Port()),
		"AWS_ENDPOINT_URL_LAMBDA":   api.URL,
	}

	s.root, s.template = Template(tb)
	return s
}

// Template has sam build template.yaml in the repository's root, and returns the path of the
// result. Its functions are for this machine's processor, unlike the deployed ones: sam local can
// run no others.
func Template(tb testing.TB) (root, built string) {
	tb.Helper()
	root = process.Run(tb, exec.Command("go", "list", "-m", "-f", "{{.Dir}}"))
	dir := filepath.Join(tb.TempDir(), "build")
	cmd := exec.Command(localtest.Setup(tb, "sam"), "build", "--build-dir", dir, "--template-file", here(tb, root), "--base-dir", root)
	cmd.Dir, cmd.Env = root, environ()
	process.Run(tb, cmd)
	return root, filepath.Join(dir, "template.yaml")
}

// here returns a copy of template.yaml for this machine's processor.
func here(tb testing.TB, root string) (path string) {
	tb.Helper()
	const deployed = "Architectures: [arm64]"
	data, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	localtest.Must(tb, err)
	if strings.Count(string(data), deployed) != 2 { // of the functions, and of the capacity provider
		tb.Fatalf("template.yaml does not say %q, twice", deployed)
	}
	here := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	path = filepath.Join(tb.TempDir(), "template.yaml")
	localtest.Must(tb, os.WriteFile(path, []byte(strings.ReplaceAll(string(data), deployed, "Architectures: ["+here+"]")), 0o600))
	return path
}

// StartAPI serves the API over the table for the test. The base URL has no slash at the end.
func (s *SAM) StartAPI(tb testing.TB, table string) (baseURL string) {
	tb.Helper()
	port, err := process.FreePort()
	localtest.Must(tb, err)
	baseURL = fmt.Sprintf("http://127.0.0.1:%d", port)
	p, err := process.Start(tb.Context(), s.local(tb, table, "start-api", "--port", fmt.Sprint(port), "--warm-containers", "EAGER"),
		baseURL+"/.well-known/agent-card.json")
	if err != nil {
		tb.Fatalf("sam local: %v", err)
	}
	p.StopAtEnd(tb, "sam local")
	return baseURL
}

// Invoke invokes a function of the template over the table. Event and result are JSON.
func (s *SAM) Invoke(tb testing.TB, table, function, event string) (result string) {
	tb.Helper()
	cmd := s.local(tb, table, "invoke", function, "--event", "-")
	cmd.Stdin = strings.NewReader(event)
	return process.Run(tb, cmd)
}

func (s *SAM) local(tb testing.TB, table string, args ...string) *exec.Cmd {
	tb.Helper()
	env := maps.Clone(s.env)
	env["TABLE_NAME"] = table
	vars, err := json.Marshal(map[string]any{"Parameters": env}) // for all functions
	localtest.Must(tb, err)
	file := filepath.Join(tb.TempDir(), "vars.json")
	localtest.Must(tb, os.WriteFile(file, vars, 0o600))
	cmd := exec.Command(s.program, append(append([]string{"local"}, args...),
		"--template", s.template, "--env-vars", file, "--docker-network", s.network, "--skip-pull-image",
		"--config-file", filepath.Join(s.root, "samconfig.toml"))...)
	cmd.Dir, cmd.Env = s.root, environ()
	return cmd
}

// network makes a Docker network for the test, and returns the address of this machine in it. When
// the test ends, it removes the network and all containers in it.
func network(tb testing.TB, name string) (gateway string) {
	tb.Helper()
	process.Run(tb, exec.Command("docker", "network", "create", name))
	tb.Cleanup(func() {
		left := process.Run(tb, exec.Command("docker", "ps", "--all", "--quiet", "--filter", "network="+name))
		if ids := strings.Fields(left); len(ids) > 0 {
			process.Run(tb, exec.Command("docker", append([]string{"rm", "--force"}, ids...)...))
		}
		process.Run(tb, exec.Command("docker", "network", "rm", name))
	})
	return process.Run(tb, exec.Command("docker", "network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", name))
}

// environ is the environment without the developer's AWS account, and with the flags for a small,
// static binary. With credentials, even false ones, sam local would first ask AWS about them.
// Without, it invents some for the functions.
func environ() []string {
	return append(process.Environ(), "AWS_DEFAULT_REGION=us-east-1",
		"SAM_CLI_TELEMETRY=0", "CGO_ENABLED=0", "GOFLAGS=-tags=lambda.norpc '-ldflags=-s -w'")
}
