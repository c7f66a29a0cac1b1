// Package samlocal builds template.yaml with the SAM CLI, and runs its functions with sam local, in containers.
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

// SAM is template.yaml, built by sam, whose functions sam local runs in containers.
type SAM struct {
	program  string // sam
	root     string // the repository, with samconfig.toml
	template string // as built
	network  string // Docker's, of the containers
	env      map[string]string
}

// Build builds template.yaml. Its functions will meet the DynamoDB Local at endpoint, and as Lambda's API the handler.
func Build(tb testing.TB, endpoint string, lambda http.Handler) *SAM {
	tb.Helper()
	s := &SAM{program: localtest.Setup(tb, "sam"), network: "a2alambda-" + strings.ToLower(rand.Text())}
	localtest.Setup(tb, "image")
	dynamo, err := url.Parse(endpoint)
	if err != nil {
		tb.Fatal(err)
	}
	gateway := network(tb, s.network)
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	if err != nil {
		tb.Fatal(err)
	}
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

// Template has sam build template.yaml, in the root of the repository, and returns the path of what it built. Its functions are for this
// machine's processor, which those that are deployed are not: sam local runs no others.
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
	if err != nil {
		tb.Fatal(err)
	}
	if strings.Count(string(data), deployed) != 1 {
		tb.Fatalf("template.yaml does not say %q, once", deployed)
	}
	here := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	path = filepath.Join(tb.TempDir(), "template.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), deployed, "Architectures: ["+here+"]", 1)), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// StartAPI serves the API until the test ends, over the table, and returns its base URL, without a slash at the end.
func (s *SAM) StartAPI(tb testing.TB, table string) (baseURL string) {
	tb.Helper()
	port, err := process.FreePort()
	if err != nil {
		tb.Fatal(err)
	}
	baseURL = fmt.Sprintf("http://127.0.0.1:%d", port)
	p, err := process.Start(tb.Context(), s.local(tb, table, "start-api", "--port", fmt.Sprint(port), "--warm-containers", "EAGER"),
		baseURL+"/.well-known/agent-card.json")
	if err != nil {
		tb.Fatalf("sam local: %v", err)
	}
	p.StopAtEnd(tb, "sam local")
	return baseURL
}

// Invoke invokes a function, by its name in the template, over the table, and returns its result. Event and result are JSON.
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
	vars, err := json.Marshal(map[string]any{"Parameters": env}) // of all functions
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(tb.TempDir(), "vars.json")
	if err := os.WriteFile(file, vars, 0o600); err != nil {
		tb.Fatal(err)
	}
	return s.command(append(append([]string{"local"}, args...),
		"--template", s.template, "--env-vars", file, "--docker-network", s.network, "--skip-pull-image")...)
}

func (s *SAM) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.program, append(args, "--config-file", filepath.Join(s.root, "samconfig.toml"))...)
	cmd.Dir, cmd.Env = s.root, environ()
	return cmd
}

// network makes a Docker network, for the test, and returns the address at which its containers reach this machine. At the end
// of the test it removes the network, and the containers left in it.
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

// environ is the environment without the developer's AWS account, and with what makes a small, static binary. With credentials,
// false ones too, sam local would begin by asking AWS whose they are; without, it makes some up for the functions.
func environ() []string {
	return append(process.Environ(), "AWS_DEFAULT_REGION=us-east-1",
		"SAM_CLI_TELEMETRY=0", "CGO_ENABLED=0", "GOFLAGS=-tags=lambda.norpc '-ldflags=-s -w'")
}
