package localserver

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"a2alambda/localtest/client"
	"a2alambda/localtest/process"
)

// TestReadme runs the agent as the README does, and compares what it prints with what is shown there, which may leave out lines.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```console\n\\$ go run (\\./functions/agent)\n(.*?)```").FindStringSubmatch(string(text))
	if m == nil {
		t.Fatal("the README does not show how the agent is run")
	}
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(strings.ReplaceAll(m[2], "10000", strconv.Itoa(port))), "\n")

	binary := filepath.Join(t.TempDir(), "agent")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, m[1])
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), client.Patience)
	defer cancel()
	agent := exec.CommandContext(ctx, binary)
	agent.Env = append(os.Environ(), fmt.Sprint("PORT=", port))
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
