package localtest_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"a2alambda/localtest"
)

// recipeBlock is a recipe in the README: its name, and its code.
var recipeBlock = regexp.MustCompile("(?s)<details><summary>([\\w ]+).*?\n```\\w+\n(.*?)```")

// TestRecipes runs the recipes of the README as they are there, but for the port.
func TestRecipes(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Talk to it\n")
	section, _, _ = strings.Cut(section, "\n## ")
	code := map[string]string{}
	for _, m := range recipeBlock.FindAllStringSubmatch(section, -1) {
		code[m[1]] = m[2]
	}
	url := localtest.StartAgent(t)
	module, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	const resumed = "\n\nid: 3\n" + `data: {"task":` // a stream's first event is the task, with the number of what was seen

	recipes := []struct {
		name, part, file, dir string // part is of setup.sh, dir where it runs; if it is "", a new one
		command               []string
		before, after         []string // what it prints besides the stream
	}{
		{name: "curl", file: "recipe.sh", command: []string{"bash", "-e", "-o", "pipefail"},
			after: []string{resumed, "\nid: 4\n", "\nid: 5\n", "has been processed successfully!", "\nid: 6\n", "completed"}},
		{name: "Python", part: "python1", file: "recipe.py", command: []string{"python"}},
		{name: "JavaScript", part: "js1", file: "recipe.mjs", command: []string{"node"}},
		{name: "Go", file: "recipe.go", dir: module, command: []string{"go", "run"}},
		{name: "Command line", file: "recipe.sh", dir: module, command: []string{"bash", "-e"},
			before: []string{"Name:         Streaming Demo Agent\n"}, after: []string{"\nID  ", "completed"}},
	}
	if len(code) != len(recipes) {
		t.Errorf("the README has %d recipes, of which %d are run", len(code), len(recipes))
	}
	for _, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(code[r.name], "http://localhost:10000") {
				t.Fatalf("the README has no such recipe, or one that talks to something else:\n%s", code[r.name])
			}
			home := t.TempDir()
			file := filepath.Join(home, r.file)
			text := strings.ReplaceAll(code[r.name], "http://localhost:10000", url)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			switch r.part {
			case "python1":
				r.command[0] = localtest.Setup(t, r.part)
			case "js1":
				if err := os.Symlink(localtest.Setup(t, r.part), filepath.Join(home, "node_modules")); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), r.command[0], append(r.command[1:], file)...)
			if cmd.Dir = r.dir; cmd.Dir == "" {
				cmd.Dir = home
			}
			cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1") // as on a terminal
			out, whole := runRecipe(t, cmd)
			rest := out
			for _, want := range append(append(r.before, "submitted", "Starting to process your request...",
				"Analyzing your query...", "Generating response...", artifactText, "completed"), r.after...) {
				_, after, ok := strings.Cut(strings.ToLower(rest), strings.ToLower(want))
				if !ok {
					t.Fatalf("it printed\n%swithout %q after\n%s", out, want, strings.TrimSuffix(out, rest))
				}
				rest = rest[len(rest)-len(after):]
			}
			if n := strings.Count(strings.ToLower(out), "working"); n < 3 {
				t.Errorf("it printed %d working statuses:\n%s", n, out)
			}
			// The agent takes three seconds from the one to the other.
			if whole < time.Second/2 {
				t.Errorf("it printed the artifact %v after the first status, not the events as they came", whole)
			}
		})
	}
}

const artifactText = "Your query 'Stream me a response!' has been processed successfully!"

// runRecipe runs a recipe. It returns what that prints, and the time from the first status of the agent to the artifact.
func runRecipe(t *testing.T, cmd *exec.Cmd) (out string, whole time.Duration) {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var start time.Time
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		out += lines.Text() + "\n"
		switch {
		case start.IsZero() && strings.Contains(lines.Text(), "Starting to process"):
			start = time.Now()
		case whole == 0 && strings.Contains(lines.Text(), artifactText):
			whole = time.Since(start)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("it ended with %v after\n%s%s", err, out, stderr.String())
	}
	return out, whole
}
