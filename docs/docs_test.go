// Package docs_test checks that the documents' links, commands, numbers and names are right.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const root = ".."

type document struct {
	path    string // from the root
	text    string // without its code blocks
	blocks  []block
	anchors []string
	links   []string // as they stand there
}

type block struct{ info, code string }

var (
	fence   = regexp.MustCompile("(?ms)^ *```([^\n]*)\n(.*?)^ *```\n")
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	named   = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
	picture = regexp.MustCompile(`<(?:img|source)[^>]* (?:src|srcset)="([^"]+)"`)
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

// read returns the text of a file of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
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
	for _, m := range picture.FindAllStringSubmatch(d.text, -1) {
		d.links = append(d.links, m[1])
	}
	for _, m := range link.FindAllStringSubmatch(code.ReplaceAllStringFunc(d.text, blank), -1) {
		d.links = append(d.links, m[1])
	}
	return d
}

// blank hides a link inside code.
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

// target returns the path and fragment of a link in the document, or false if it leaves the
// repository.
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

// TestReadme keeps the README to one page.
func TestReadme(t *testing.T) {
	text := read(t, "README.md")
	const most = 1500
	if n := len(strings.Fields(text)); n > most {
		t.Errorf("it has %d words, more than %d: new text goes to docs/", n, most)
	}
	for i, line := range strings.Split(text, "\n") {
		if n := len([]rune(link.ReplaceAllString(line, "](…)"))); n > 100 { // without URLs
			t.Errorf("line %d has %d columns", i+1, n)
		}
	}
}

// TestQuestions checks that a stranger's questions are answered at most two clicks from the README.
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
		"What can callers make me spend?":        "docs/bill.md",
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
		"What does the page in a browser do?":    "docs/page.md",
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
