package recipes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/localserver"
	"a2alambda/localtest/process"
)

// TestPushRecipe runs the receiver of docs/clients.md, and the command that gives its URL to a
// task.
func TestPushRecipe(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/clients.md")
	localtest.Must(t, err)
	_, section, _ := strings.Cut(string(document), "\n## Push notifications\n")
	m := regexp.MustCompile("(?s)^.*?```python\n(.*?)```\n\n```sh\n(.*?)```").FindStringSubmatch(section)
	if m == nil {
		t.Fatal("there is no recipe")
	}
	free, err := process.FreePort()
	localtest.Must(t, err)
	port := strconv.Itoa(free)
	file := filepath.Join(t.TempDir(), "receiver.py")
	localtest.Must(t, os.WriteFile(file, []byte(strings.ReplaceAll(m[1], "8080", port)), 0o600))
	lines := process.Lines(t, exec.CommandContext(t.Context(), localtest.Setup(t, "python1"), file))
	script := strings.ReplaceAll(strings.ReplaceAll(m[2], "http://localhost:10000", localserver.Start(t)), "8080", port)
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "TASK_STATE_SUBMITTED") {
		t.Fatalf("%v: %s", err, out)
	}
	for n := 1; n <= 6; n++ {
		if !lines.Scan() {
			t.Fatal("the receiver has ended")
		}
		if want := fmt.Sprintf("%d letmein {", n); !strings.HasPrefix(lines.Text(), want) {
			t.Errorf("got %q, want %s…", lines.Text(), want)
		}
		if n == 6 && !strings.Contains(lines.Text(), "TASK_STATE_COMPLETED") {
			t.Errorf("the last is %s", lines.Text())
		}
	}
}
