package localtest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// StartAPI builds template.yaml with sam, and serves its API with sam local until the test ends: the function runs in a
// container. It returns the API's base URL, without a slash at the end. The table is one at the DynamoDB Local at endpoint.
func StartAPI(tb testing.TB, endpoint, table string) (baseURL string) {
	tb.Helper()
	sam := Setup(tb, "sam")
	Setup(tb, "image")
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	network := fmt.Sprintf("a2alambda-%d", port)
	dynamo := containerURL(tb, endpoint, network)

	dir := tb.TempDir()
	build, vars := filepath.Join(dir, "build"), filepath.Join(dir, "vars.json")
	overrides, err := json.Marshal(map[string]any{
		"AgentFunction": map[string]string{"TABLE_NAME": table, "AWS_ENDPOINT_URL_DYNAMODB": dynamo},
	})
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(vars, overrides, 0o600); err != nil {
		tb.Fatal(err)
	}
	root := run(tb, exec.Command("go", "list", "-m", "-f", "{{.Dir}}"))
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(sam, args...)
		cmd.Dir = root // of samconfig.toml
		cmd.Args = append(cmd.Args, "--parameter-overrides", "Architecture=x86_64")
		cmd.Env = samEnv()
		return cmd
	}
	run(tb, command("build", "--build-dir", build))

	baseURL = fmt.Sprintf("http://127.0.0.1:%d", port)
	p, err := start(tb.Context(), command("local", "start-api", "--template", filepath.Join(build, "template.yaml"),
		"--port", fmt.Sprint(port), "--env-vars", vars, "--docker-network", network,
		"--skip-pull-image", "--warm-containers", "EAGER"), baseURL+"/.well-known/agent-card.json")
	if err != nil {
		tb.Fatalf("sam local: %v", err)
	}
	stopAtEnd(tb, p, "sam local")
	return baseURL
}

// containerURL makes a Docker network, for the test, and returns the URL at which its containers reach what listens on
// all of this machine's interfaces. At the end of the test it removes the network, and the containers left in it.
func containerURL(tb testing.TB, local, network string) string {
	tb.Helper()
	run(tb, exec.Command("docker", "network", "create", network))
	tb.Cleanup(func() {
		left := run(tb, exec.Command("docker", "ps", "--all", "--quiet", "--filter", "network="+network))
		if ids := strings.Fields(left); len(ids) > 0 {
			run(tb, exec.Command("docker", append([]string{"rm", "--force"}, ids...)...))
		}
		run(tb, exec.Command("docker", "network", "rm", network))
	})
	gateway := run(tb, exec.Command("docker", "network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", network))
	u, err := url.Parse(local)
	if err != nil {
		tb.Fatal(err)
	}
	return fmt.Sprintf("http://%s:%s", gateway, u.Port())
}

// samEnv is the environment without the developer's AWS account, and with what makes a small, static binary.
func samEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") {
			env = append(env, v)
		}
	}
	return append(env,
		"AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_DEFAULT_REGION=us-east-1",
		"SAM_CLI_TELEMETRY=0", "CGO_ENABLED=0", "GOFLAGS=-tags=lambda.norpc '-ldflags=-s -w'")
}

// run runs a command and returns its stdout. Where it fails, so does the test.
func run(tb testing.TB, cmd *exec.Cmd) string {
	tb.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s: %v\n%s%s", cmd, err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}
