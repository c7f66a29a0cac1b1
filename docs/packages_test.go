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

// list returns the output of go list.
func list(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// follows compares what is between two lines of a document with what follows from the code, which
// from names. With -update, it writes that.
func follows(t *testing.T, path, begin, end, want, from string) {
	t.Helper()
	before, rest, ok := strings.Cut(read(t, path), begin)
	got, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has nothing between %q and %q", path, begin, end)
	}
	if got == want {
		return
	}
	if *update {
		if err := os.WriteFile(filepath.Join(root, path), []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s says\n%s\nbut %s (-update writes it)\n%s", path, got, from, want)
}

// TestPackages compares the architecture's graph of packages with the imports.
func TestPackages(t *testing.T) {
	var want strings.Builder
	for line := range strings.Lines(list(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./functions/...", "./internal/...")) {
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
	follows(t, "docs/architecture.md", "```text packages\n", "```\n", want.String(), "the imports are")
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
	packages := strings.Fields(list(t, "-deps", "./functions/..."))
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
