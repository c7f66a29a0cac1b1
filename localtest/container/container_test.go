// Package container_test builds the image of the agent, and runs it.
package container_test

import (
	"bufio"
	"debug/elf"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"a2alambda/localtest"
	"a2alambda/localtest/process"
)

// build builds the agent for an architecture, as docs/servers.md does, and the image with it. It
// returns the image's name.
func build(t *testing.T, arch string) string {
	t.Helper()
	localtest.Setup(t, "docker")
	root := process.Run(t, exec.Command("go", "list", "-m", "-f", "{{.Dir}}"))
	dir := t.TempDir()
	compile := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "dist", arch, "agent"), "a2alambda/functions/agent")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	process.Run(t, compile)
	roots, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	localtest.Must(t, err, os.WriteFile(filepath.Join(dir, "dist", "ca-certificates.crt"), roots, 0o644))
	image := fmt.Sprintf("a2alambda-test-%x", rand.Uint64())
	process.Run(t, exec.Command("docker", "build", "--quiet", "--tag", image, "--build-arg", "TARGETARCH="+arch, "--file", filepath.Join(root, "Containerfile"), dir))
	t.Cleanup(func() { _ = exec.Command("docker", "image", "rm", "--force", image).Run() })
	return image
}

// run runs the image with nothing but what it needs, and returns the container and the URL of its
// port.
func run(t *testing.T, image, port string, env ...string) (container, url string) {
	t.Helper()
	args := []string{"run", "--detach", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--publish", "127.0.0.1::" + port}
	for _, e := range env {
		args = append(args, "--env", e)
	}
	container = process.Run(t, exec.Command("docker", append(args, image)...))
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", container).Run() })
	at := process.Run(t, exec.Command("docker", "port", container, port))
	at, _, _ = strings.Cut(at, "\n")
	url = "http://" + at
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(url + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return container, url
			}
		}
		if time.Now().After(end) {
			logs, _ := exec.Command("docker", "logs", container).CombinedOutput()
			t.Fatalf("it does not get ready: %v\n%s", err, logs)
		}
	}
}

// TestContainer runs the agent in its container, as nobody and without a file that it could write,
// talks to it, and stops it in the middle of a stream: the stream and the process end in order.
func TestContainer(t *testing.T) {
	image := build(t, runtime.GOARCH)
	container, url := run(t, image, "10000")
	if user := process.Run(t, exec.Command("docker", "inspect", "--format", "{{.Config.User}}", image)); user != "65532:65532" {
		t.Errorf("it runs as %q", user)
	}
	resp, err := http.Post(url, "application/json", strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"kind":"message","role":"user","messageId":"m","parts":[{"kind":"text","text":"Stream me a response!"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() && !strings.Contains(lines.Text(), "working") {
	}
	process.Run(t, exec.Command("docker", "stop", "--time", "30", container))
	rest := lines.Text()
	for lines.Scan() {
		rest += lines.Text() + "\n"
	}
	if err := lines.Err(); err != nil || !strings.Contains(rest, "completed") {
		t.Errorf("the stream ends with %v and\n%s", err, rest)
	}
	if status := process.Run(t, exec.Command("docker", "inspect", "--format", "{{.State.ExitCode}}", container)); status != "0" {
		logs, _ := exec.Command("docker", "logs", container).CombinedOutput()
		t.Errorf("it ends with status %s\n%s", status, logs)
	}
}

// TestAgentCoreContainer runs the image as AgentCore Runtime does.
func TestAgentCoreContainer(t *testing.T) {
	_, url := run(t, build(t, runtime.GOARCH), "9000", "AGENTCORE=true")
	for path, want := range map[string]string{"/ping": `"Healthy"`, "/.well-known/agent-card.json": `"protocolVersion"`} {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s, %v", path, resp.StatusCode, body, err)
		}
	}
}

// TestArchitectures builds the image for each architecture, and looks at the program in it.
func TestArchitectures(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		container := process.Run(t, exec.Command("docker", "create", build(t, arch)))
		t.Cleanup(func() { _ = exec.Command("docker", "rm", container).Run() })
		program := filepath.Join(t.TempDir(), "agent")
		process.Run(t, exec.Command("docker", "cp", container+":/agent", program))
		f, err := elf.Open(program)
		localtest.Must(t, err)
		defer f.Close()
		if libs, err := f.ImportedLibraries(); f.Machine != machine || len(libs) > 0 || err != nil {
			t.Errorf("%s: it is for %v and needs %v, %v", arch, f.Machine, libs, err)
		}
	}
}
