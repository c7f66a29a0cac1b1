// Package docs_test checks the documents: that their links lead somewhere, that their commands exist, and that what they promise is
// what the code has.
package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// root is the way to the root of the repository.
const root = ".."

// document is a Markdown file.
type document struct {
	path    string // from the root
	text    string // without its code blocks
	blocks  []block
	anchors []string
	links   []string // as they stand there
}

// block is a fenced block of code.
type block struct{ language, code string }

var (
	fence   = regexp.MustCompile("(?ms)^```([a-z]*)[^\n]*\n(.*?)^```\n")
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	named   = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code    = regexp.MustCompile("`[^`\n]+`")
)

// documents returns all Markdown files of the repository by their paths.
func documents(t *testing.T) map[string]*document {
	t.Helper()
	all := map[string]*document{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == ".git" || name == "node_modules" || name == ".aws-sam" || name == "results") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		all[filepath.ToSlash(rel)] = parse(filepath.ToSlash(rel), string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if all["README.md"] == nil || all["docs/architecture.md"] == nil {
		t.Fatal("there are no documents")
	}
	return all
}

func parse(path, text string) *document {
	d := &document{path: path}
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		d.blocks = append(d.blocks, block{m[1], m[2]})
	}
	d.text = fence.ReplaceAllString(text, "")
	for _, m := range heading.FindAllStringSubmatch(d.text, -1) {
		d.anchors = append(d.anchors, anchor(m[1]))
	}
	for _, m := range named.FindAllStringSubmatch(d.text, -1) {
		d.anchors = append(d.anchors, m[1])
	}
	for _, m := range link.FindAllStringSubmatch(code.ReplaceAllStringFunc(d.text, blank), -1) {
		d.links = append(d.links, m[1])
	}
	return d
}

// blank keeps of code what is not a link's.
func blank(s string) string { return strings.Map(func(r rune) rune { return 'x' }, s) }

// anchor returns the fragment that GitHub gives to a heading.
func anchor(heading string) string {
	heading = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// target returns the path and the fragment that a link in the document leads to, or false if that is not in the repository.
func (d *document) target(link string) (path, fragment string, ok bool) {
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return "", "", false
	}
	path, fragment, _ = strings.Cut(link, "#")
	if path == "" {
		return d.path, fragment, true
	}
	return filepath.ToSlash(filepath.Join(filepath.Dir(d.path), path)), fragment, true
}

func TestLinks(t *testing.T) {
	all := documents(t)
	for _, d := range all {
		for _, l := range d.links {
			path, fragment, ok := d.target(l)
			if !ok {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: nothing is at %s", d.path, l)
			} else if to := all[path]; fragment != "" && (to == nil || !slices.Contains(to.anchors, fragment)) {
				t.Errorf("%s: %s has no such heading", d.path, l)
			}
		}
	}
}

// TestReadme keeps the README the product's face: one page.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	const most = 1500
	if n := len(strings.Fields(string(data))); n > most {
		t.Errorf("it has %d words, more than %d: new text goes to docs/", n, most)
	}
	for i, line := range strings.Split(string(data), "\n") {
		if n := len([]rune(line)); n > 100 && !strings.Contains(line, "](") {
			t.Errorf("line %d has %d columns", i+1, n)
		}
	}
}

// TestQuestions looks for the answers that a stranger wants: each is two clicks from the README at most.
func TestQuestions(t *testing.T) {
	all := documents(t)
	reached := map[string]int{"README.md": 0} // clicks
	for clicks := 1; clicks <= 2; clicks++ {
		for path, n := range reached {
			if n != clicks-1 || all[path] == nil {
				continue
			}
			for _, l := range all[path].links {
				if to, _, ok := all[path].target(l); ok {
					if _, known := reached[to]; !known {
						reached[to] = clicks
					}
				}
			}
		}
	}
	for question, answer := range map[string]string{
		"How do I run it?":                       "README.md#run-it",
		"What does it guarantee?":                "README.md#what-it-guarantees",
		"Which test fails without a guarantee?":  "docs/architecture.md#guarantees-and-their-tests",
		"What does it cost?":                     "docs/operations.md#cost",
		"Why is the log the lock?":               "docs/architecture.md#the-log-is-the-lock",
		"Why is there a gap between two writes?": "docs/architecture.md#group-commit",
		"Why is the SDK's own engine not used?":  "docs/architecture.md#why-not-the-sdks-engine",
		"What does a word mean here?":            "docs/architecture.md#glossary",
		"Where does a new auth scheme go?":       "CONTRIBUTING.md#an-auth-scheme",
		"Where does a new storage engine go?":    "CONTRIBUTING.md#a-storage-engine",
		"Where does a new front door go?":        "CONTRIBUTING.md#a-front-door",
		"How do I host my own agent?":            "docs/your-agent.md",
		"What was never tried on AWS?":           "docs/limits.md#unverified",
		"How do I resume a stream?":              "docs/clients.md#resuming-after-a-drop",
		"How do I call it with a token?":         "docs/clients.md#tokens",
		"How do I get push notifications?":       "docs/clients.md#push-notifications",
		"What do I do when an alarm goes off?":   "docs/operations.md#alarms",
		"How do I upgrade?":                      "CHANGELOG.md",
		"What should I use instead?":             "docs/alternatives.md",
		"How fast is it?":                        "docs/performance.md",
		"How do I report a vulnerability?":       "SECURITY.md",
		"Which settings does it have?":           "functions/agent/usage.txt",
	} {
		path, fragment, _ := strings.Cut(answer, "#")
		if _, ok := reached[path]; !ok {
			t.Errorf("%s %s is not two clicks from the README", question, answer)
		} else if fragment != "" && (all[path] == nil || !slices.Contains(all[path].anchors, fragment)) {
			t.Errorf("%s %s has no such heading", question, answer)
		}
	}
}

// fact is what a document says of a number, in a comment behind it: the Go declaration that has it, as in
// <!-- internal/run: LeaseTime = 15 * time.Second -->.
var fact = regexp.MustCompile(`<!-- ([a-z0-9/]+): (.+?) -->`)

// shownBy is what a document says of a promise, in a comment behind it: the test that fails when it breaks, as in
// <!-- TestOneOrder, internal/server -->.
var shownBy = regexp.MustCompile(`<!-- ((?:Test|Fuzz|Benchmark)\w+), ([a-z0-9/]+) -->`)

// TestFacts finds numbers that no longer hold, and tests that are no more.
func TestFacts(t *testing.T) {
	facts, tests := 0, 0
	for _, d := range documents(t) {
		for _, m := range fact.FindAllStringSubmatch(d.text, -1) {
			facts++
			if m[1] != "bench" && !strings.Contains(source(t, m[1]), plain(m[2])) {
				t.Errorf("%s: %s does not say %s", d.path, m[1], m[2])
			}
		}
		for _, m := range shownBy.FindAllStringSubmatch(d.text, -1) {
			tests++
			if !strings.Contains(source(t, m[2]), "func "+m[1]+"(") {
				t.Errorf("%s: %s has no %s", d.path, m[2], m[1])
			}
		}
	}
	if facts < 10 || tests < 10 {
		t.Errorf("the documents name %d declarations and %d tests", facts, tests)
	}
}

// source returns the Go code of a directory, on one line.
func source(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("there is no Go code in %s", dir)
	}
	var all strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&all, plain(string(data)))
	}
	return all.String()
}

func plain(s string) string { return strings.Join(strings.Fields(s), " ") }

// goCommand is a go command in a document.
var goCommand = regexp.MustCompile(`go (run|test|vet|tool) ([^\n|&;` + "`" + `]*)`)

// TestCommands finds commands that name a package, a test or a flag that is not there.
func TestCommands(t *testing.T) {
	found := 0
	for _, d := range documents(t) {
		text := d.text
		for _, b := range d.blocks {
			if b.language == "sh" || b.language == "console" {
				text += "\n" + b.code
			}
		}
		for _, m := range goCommand.FindAllStringSubmatch(text, -1) {
			words := strings.Fields(m[2])
			dir := ""
			for _, w := range words {
				if strings.HasPrefix(w, "./") && w != "./..." {
					dir = strings.TrimSuffix(w, "/...")
					break
				}
			}
			if dir == "" {
				continue
			}
			found++
			if info, err := os.Stat(filepath.Join(root, dir)); err != nil || !info.IsDir() {
				t.Errorf("%s: %s: there is no %s", d.path, m[0], dir)
				continue
			}
			checkWords(t, d.path, m[0], dir, words)
		}
	}
	if found < 10 {
		t.Errorf("the documents have %d commands", found)
	}
}

// goFlags are those of go test itself that the documents use.
var goFlags = []string{"v", "run", "bench", "benchtime", "timeout", "count", "race", "p", "fuzz", "fuzztime", "tags", "short", "cpuprofile", "memprofile"}

// checkWords looks for the tests and the flags that a command names.
func checkWords(t *testing.T, path, command, dir string, words []string) {
	t.Helper()
	code := source(t, dir)
	if usage, err := os.ReadFile(filepath.Join(root, dir, "usage.txt")); err == nil {
		code += string(usage)
	}
	for i, w := range words {
		name, isFlag := strings.CutPrefix(w, "-")
		name, value, _ := strings.Cut(name, "=")
		switch {
		case !isFlag || name == "" || name == "h":
		case slices.Contains(goFlags, name):
			if (name == "run" || name == "bench" || name == "fuzz") && i+1 < len(words) {
				for _, one := range strings.Split(strings.Trim(words[i+1]+value, `'"^$()`), "|") {
					one, _, _ = strings.Cut(one, "/")
					kind := map[string]string{"run": "Test", "bench": "Benchmark", "fuzz": "Fuzz"}[name]
					if one != "-" && one != "." && !regexp.MustCompile(`func `+kind+`\w*`+regexp.QuoteMeta(strings.TrimPrefix(one, kind))).MatchString(code) {
						t.Errorf("%s: %s: %s has no %s %s", path, command, dir, kind, one)
					}
				}
			}
		case !strings.Contains(code, `"`+name+`"`) && !strings.Contains(code, "-"+name):
			t.Errorf("%s: %s: %s has no flag -%s", path, command, dir, name)
		}
	}
}
