// Package recipes runs the recipes in docs/clients.md as they are.
package recipes

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"a2alambda/localtest"
	"a2alambda/localtest/localserver"
	"a2alambda/localtest/process"
)

// recipeBlock matches a recipe in a document: its name, and its code.
var recipeBlock = regexp.MustCompile("(?s)<details><summary>([\\w ]+).*?\n```\\w+\n(.*?)```")

// recipes are the languages of the recipes.
var recipes = []struct {
	name, part, file string // part is a part of setup.sh
	module           bool   // runs in this module, not in a new directory
	command          []string
}{
	{name: "curl", file: "recipe.sh", command: []string{"sh", "-eu"}},
	{name: "Python", part: "python1", file: "recipe.py", command: []string{"python"}},
	{name: "JavaScript", part: "js1", file: "recipe.mjs", command: []string{"node"}},
	{name: "Go", file: "recipe.go", module: true, command: []string{"go", "run"}},
	{name: "Command line", file: "recipe.sh", module: true, command: []string{"sh", "-eu"}},
}

func recipesIn(t *testing.T, section string) map[string]string {
	t.Helper()
	document, err := os.ReadFile("../../docs/clients.md")
	localtest.Must(t, err)
	_, text, _ := strings.Cut(string(document), "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	code := map[string]string{}
	for _, m := range recipeBlock.FindAllStringSubmatch(text, -1) {
		code[m[1]] = m[2]
	}
	for _, r := range recipes {
		if !strings.Contains(code[r.name], "http://localhost:10000") {
			t.Fatalf("%s has no recipe for %s, or one that talks to something else", section, r.name)
		}
	}
	if len(code) != len(recipes) {
		t.Errorf("%s has %d recipes, of which %d are run", section, len(code), len(recipes))
	}
	return code
}

// recipe returns the command that runs the document's code, with another port.
func recipe(t *testing.T, n int, code, url string) *exec.Cmd {
	t.Helper()
	r := recipes[n]
	home := t.TempDir()
	file := filepath.Join(home, r.file)
	localtest.Must(t, os.WriteFile(file, []byte(strings.ReplaceAll(code, "http://localhost:10000", url)), 0o600))
	command := slices.Clone(r.command)
	switch r.part {
	case "python1":
		command[0] = localtest.Setup(t, r.part)
	case "js1":
		localtest.Must(t, os.Symlink(localtest.Setup(t, r.part), filepath.Join(home, "node_modules")))
	}
	cmd := exec.CommandContext(t.Context(), command[0], append(command[1:], file)...)
	if !r.module {
		cmd.Dir = home
	}
	cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1") // as on a terminal
	return cmd
}

func TestRecipes(t *testing.T) {
	t.Parallel()
	code := recipesIn(t, "Streaming")
	url := localserver.Start(t)
	before := map[string]string{"Command line": "Name:         Streaming Demo Agent\n"}
	after := map[string]string{"Command line": "\nID  "}
	for n, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			out, whole := runRecipe(t, recipe(t, n, code[r.name], url))
			rest := out
			for _, want := range []string{before[r.name], "submitted", "Starting to process your request...",
				"Analyzing your query...", "Generating response...", artifactText, "completed", after[r.name]} {
				_, after, ok := strings.Cut(strings.ToLower(rest), strings.ToLower(want))
				if !ok {
					t.Fatalf("it printed\n%swithout %q after\n%s", out, want, strings.TrimSuffix(out, rest))
				}
				rest = rest[len(rest)-len(after):]
			}
			if n := strings.Count(strings.ToLower(out), "working"); n < 3 {
				t.Errorf("it printed %d working statuses:\n%s", n, out)
			}
			// The agent takes three seconds between the two.
			if whole < time.Second/2 {
				t.Errorf("it printed the artifact %v after the first status, not the events as they came", whole)
			}
		})
	}
}

const artifactText = "Your query 'Stream me a response!' has been processed successfully!"

// runRecipe returns the output, and the time from the agent's first status to the artifact.
func runRecipe(t *testing.T, cmd *exec.Cmd) (out string, whole time.Duration) {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	var start time.Time
	lines := process.Lines(t, cmd)
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
