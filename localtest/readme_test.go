package localtest_test

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme runs the agent as the README does, and compares what it prints with what is shown there, which may leave out lines.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```console\n\\$ go run (\\./functions/agent)\n(.*?)```").FindStringSubmatch(string(text))
	if m == nil {
		t.Fatal("the README does not show how the agent is run")
	}
	free, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	want := strings.Split(strings.TrimSpace(strings.ReplaceAll(m[2], "10000", port)), "\n")

	binary := filepath.Join(t.TempDir(), "agent")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, m[1])
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	agent := exec.CommandContext(ctx, binary)
	agent.Env = append(os.Environ(), "PORT="+port)
	stdout, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = agent.Wait()
	}()
	var printed strings.Builder
	for lines := bufio.NewScanner(stdout); len(want) > 0 && lines.Scan() && !strings.Contains(lines.Text(), "curl "); {
		printed.WriteString(lines.Text() + "\n")
		if lines.Text() == want[0] {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("it does not print %q, but\n%s", want[0], &printed)
	}
}
