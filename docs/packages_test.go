package docs_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite what follows from the code")

// TestPackages compares the architecture's graph of packages with the imports.
func TestPackages(t *testing.T) {
	const path = "docs/architecture.md"
	const begin, end = "```text packages\n", "```\n"
	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./functions/...", "./internal/...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		var imports []string
		for _, w := range words[1:] {
			if own, ok := strings.CutPrefix(w, "a2alambda/"); ok {
				imports = append(imports, strings.TrimPrefix(own, "internal/"))
			}
		}
		line := fmt.Sprintf("%-30s %s", strings.TrimPrefix(words[0], "a2alambda/"), strings.Join(imports, " "))
		fmt.Fprintln(&want, strings.TrimRight(line, " "))
	}
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	got, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no block that begins with %q", path, begin)
	}
	if got == want.String() {
		return
	}
	if *update {
		if err := os.WriteFile(filepath.Join(root, path), []byte(before+begin+want.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s says\n%s\nbut the imports are (-update writes them)\n%s", path, got, want.String())
}

// TestEveryPackage checks that the architecture says what each package is for.
func TestEveryPackage(t *testing.T) {
	text := documents(t)["docs/architecture.md"].text
	for _, pattern := range []string{"functions/*", "internal/*"} {
		dirs, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(dirs) == 0 {
			t.Fatal(err, dirs)
		}
		for _, dir := range dirs {
			name, _ := filepath.Rel(root, dir)
			if !strings.Contains(text, "\n| `"+name+"` |") && !strings.Contains(text, "`"+filepath.Base(name)+"`") {
				t.Errorf("the architecture does not say what %s is", name)
			}
		}
	}
}

// TestBinaries checks that no function contains code for tests.
func TestBinaries(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "./functions/...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	for _, p := range packages {
		standard := strings.HasPrefix(p, "internal/")
		if p == "testing" || strings.HasPrefix(p, "testing/") || strings.HasSuffix(p, "test") && !standard || strings.Contains(p, "/localtest") {
			t.Errorf("the functions have %s in them", p)
		}
	}
	if len(packages) < 100 {
		t.Errorf("the functions have %d packages", len(packages))
	}
}
