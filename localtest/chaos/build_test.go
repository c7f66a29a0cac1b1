package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// change replaces a piece of a source file. The piece must occur there exactly once.
type change struct{ file, old, new string }

// talkative makes the demo agent say more: so many steps, each after a while.
func talkative(steps int, pace time.Duration) []change {
	return []change{
		{"internal/demoagent/demoagent.go", `			"Starting to process your request...",
			"Analyzing your query...",
			"Generating response...",
		},
		Delay: time.Second,
`, fmt.Sprintf(`			"Starting to process your request...",
		},
		Delay: %d,
`, pace)},
		{"internal/demoagent/demoagent.go", "for i, s := range a.Steps {", fmt.Sprintf("for i := range %d {\n\t\t\ts := fmt.Sprintf(\"%%s %%d\", a.Steps[0], i)", steps)},
	}
}

// build builds a function as it is deployed, with the changes, and returns the executable.
func build(t *testing.T, name string, changes ...change) string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	changed := map[string][]byte{}
	replace := map[string]string{}
	for _, c := range changes {
		path := filepath.Join(strings.TrimSpace(string(root)), c.file)
		source := changed[path]
		if source == nil {
			if source, err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
		}
		if n := bytes.Count(source, []byte(c.old)); n != 1 {
			t.Fatalf("%s has %d times what is to be replaced:\n%s", c.file, n, c.old)
		}
		changed[path] = bytes.Replace(source, []byte(c.old), []byte(c.new), 1)
		replace[path] = filepath.Join(dir, strings.ReplaceAll(c.file, "/", "_"))
		if err := os.WriteFile(replace[path], changed[path], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "bootstrap")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary,
		"-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "a2alambda/functions/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", name, err, out)
	}
	return binary
}
