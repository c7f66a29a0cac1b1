package docs_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A fact that can change has a comment that says where it comes from:
//
//	15 s <!-- internal/run: LeaseTime = 15 * time.Second -->        a declaration, with its value
//	One order. <!-- TestChaos, localtest/chaos -->                  a test that fails otherwise
//	23 ms <!-- bench: DynamoDB Local delay of a token, ms 23 -->    results of the benchmark
//	14 days <!-- template.yaml: MessageRetentionPeriod: 1209600 --> a line of another file
//	15 minutes <!-- AWS -->                                         a limit, price or default of AWS
//
// The results are searched without the lines of tables.
var (
	fact    = regexp.MustCompile(`<!--\s+([a-z0-9/]+): (\w+) = (.+?)\s+-->`)
	shownBy = regexp.MustCompile(`<!--\s+((?:Test|Fuzz|Benchmark)\w+), ([a-z0-9/]+)\s+-->`)
	written = regexp.MustCompile(`<!--\s+([\w/]+\.(?:yaml|txt|toml)): (.+?)\s+-->`)
	benched = regexp.MustCompile(`<!--\s+bench: (.+?)\s+-->`)
	comment = regexp.MustCompile(`(?s)<!--.*?-->`)
)

// TestFacts finds numbers that no longer hold, and tests that no longer exist.
func TestFacts(t *testing.T) {
	results := unlined(read(t, "localtest/bench/results/results.md"))
	facts, tests, figures := 0, 0, 0
	for _, d := range documents(t) {
		for _, at := range comment.FindAllStringIndex(d.text, -1) {
			c := d.text[at[0]:at[1]]
			if m := fact.FindStringSubmatch(c); m != nil {
				facts++
				checkFact(t, d, at[0], m[1], m[2], m[3])
			} else if m := shownBy.FindStringSubmatch(c); m != nil {
				tests++
				if !slices.Contains(testsIn(t, m[2]), m[1]) {
					t.Errorf("%s: %s has no %s", d.path, m[2], m[1])
				}
			} else if m := benched.FindStringSubmatch(c); m != nil {
				if strings.HasPrefix(m[1], "written by ") || m[1] == "end" { // written by the benchmark
					continue
				}
				figures++
				if !strings.Contains(results, unlined(m[1])) {
					t.Errorf("%s: the results of the benchmark do not say %q", d.path, m[1])
				}
			} else if m := written.FindStringSubmatch(c); m != nil {
				facts++
				if !strings.Contains(read(t, m[1]), m[2]) {
					t.Errorf("%s: %s does not say %q", d.path, m[1], m[2])
				}
			} else if c != "<!-- AWS -->" {
				t.Errorf("%s: this comment says nothing that can be checked: %s", d.path, c)
			}
		}
	}
	if facts < 25 || tests < 50 || figures < 4 {
		t.Errorf("the documents name %d declarations, %d tests and %d figures", facts, tests, figures)
	}
}

var (
	// quantity is a number with a unit.
	quantity = regexp.MustCompile(`(?i)\b(?:\d[\d,.]*|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|half a) ` +
		`(?:ms|s|KB|MB|seconds?|minutes|hours|days|read units|write units)\b`)
	// item is where a paragraph, a row or a list's point begins.
	item = regexp.MustCompile(`\n\n|\n *(?:[-*|]|\d+\.) `)
)

// unlined returns a text without the lines of tables.
func unlined(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "|", " ")), " ")
}

// TestQuantities finds durations, sizes and prices without a source: a comment or a link in the
// same paragraph, row or point. The changelog and what the benchmark writes need none.
func TestQuantities(t *testing.T) {
	for _, d := range documents(t) {
		if d.path == "CHANGELOG.md" || strings.HasPrefix(d.path, "localtest/") {
			continue
		}
		text, _, _ := strings.Cut(d.text, "<!-- bench: written by")
		for _, part := range item.Split(text, -1) {
			said := code.ReplaceAllString(comment.ReplaceAllString(part, ""), "")
			if q := quantity.FindString(said); q != "" && !comment.MatchString(part) && !strings.Contains(part, "](") {
				t.Errorf("%s: where does %q come from? %s", d.path, q, strings.Join(strings.Fields(part), " "))
			}
		}
	}
}

// TestComments finds comments that begin a line: they end the paragraph, and what follows is not
// read as Markdown.
func TestComments(t *testing.T) {
	for _, d := range documents(t) {
		for _, line := range regexp.MustCompile(`(?m)^ *[,.;)].*$`).FindAllString(d.text, -1) {
			t.Errorf("%s: a space goes before %q", d.path, line)
		}
		for _, line := range regexp.MustCompile(`(?m)^ *<!--.*$`).FindAllString(d.text, -1) {
			if !benched.MatchString(line) {
				t.Errorf("%s: this comment begins a line: %s", d.path, line)
			}
		}
		for _, c := range comment.FindAllString(d.text, -1) {
			if strings.Contains(c, "|") {
				t.Errorf("%s: the lines of tables go through comments, too: %s", d.path, c)
			}
		}
	}
}

// checkFact checks that a directory's Go code declares the name with the value, and that the words
// before a place of the document say it, too.
func checkFact(t *testing.T, d *document, at int, dir, name, value string) {
	t.Helper()
	if declared := declaration(t, dir, name); declared != value {
		t.Errorf("%s: in %s, %s is %q, not %q", d.path, dir, name, declared, value)
		return
	}
	before := comment.ReplaceAllString(d.text[:at], " ")
	before = strings.Join(strings.Fields(before[max(0, len(before)-120):]), " ")
	said := renderings(t, value)
	if !slices.ContainsFunc(said, func(s string) bool {
		return regexp.MustCompile(`(?i)(^|[^\w,.])` + regexp.QuoteMeta(s) + `($|[^\w])`).MatchString(before)
	}) {
		t.Errorf("%s: before %s = %s stands none of %q, but %q", d.path, name, value, said, before)
	}
}

// declaration returns the value of a constant or variable in a directory, as its code has it, or
// "".
func declaration(t *testing.T, dir, name string) (value string) {
	t.Helper()
	for _, file := range goFiles(t, dir, false) {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, read(t, file), 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				for i, id := range spec.Names {
					if id.Name == name && i < len(spec.Values) {
						var b bytes.Buffer
						if err := printer.Fprint(&b, fset, spec.Values[i]); err != nil {
							t.Error(err)
						}
						value = b.String()
					}
				}
			}
			return true
		})
	}
	return value
}

// renderings returns the ways in which a document may write a Go expression: as a number, a size, a
// duration.
func renderings(t *testing.T, expression string) (all []string) {
	t.Helper()
	plain := expression
	for unit, ns := range map[string]int64{"time.Millisecond": 1e6, "time.Second": 1e9, "time.Minute": 60e9, "time.Hour": 3600e9} {
		plain = strings.ReplaceAll(plain, unit, fmt.Sprint(ns))
	}
	v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, plain)
	if err != nil {
		t.Errorf("%s is no number: %v", expression, err)
		return nil
	}
	n, _ := constant.Int64Val(constant.ToInt(v.Value))
	type unit struct {
		size  int64
		names []string
	}
	units := []unit{{1, []string{""}}}
	switch {
	case strings.Contains(expression, "time."):
		units = []unit{{1e6, []string{" ms"}}, {1e9, []string{" s", " second", " seconds"}}, {60e9, []string{" minute", " minutes"}},
			{3600e9, []string{" hour", " hours"}}, {24 * 3600e9, []string{" day", " days"}}}
	case strings.Contains(expression, "<<"):
		units = []unit{{1 << 10, []string{" KB"}}, {1 << 20, []string{" MB"}}}
	}
	words := strings.Fields("no one two three four five six seven eight nine ten eleven twelve")
	for _, u := range units {
		if n%u.size != 0 {
			continue
		}
		count := n / u.size
		numbers := []string{thousands(count)}
		if count < int64(len(words)) {
			numbers = append(numbers, words[count])
		}
		if count == 1 {
			numbers = append(numbers, "a", "an")
		}
		for _, number := range numbers {
			for _, name := range u.names {
				all = append(all, number+name)
			}
		}
	}
	return all
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func testsIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	for _, file := range goFiles(t, dir, true) {
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`).FindAllStringSubmatch(read(t, file), -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// goFiles returns a directory's Go files, from the root: its tests, or the others.
func goFiles(t *testing.T, dir string, tests bool) (files []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil || len(all) == 0 {
		t.Errorf("there is no Go code in %s", dir)
	}
	for _, f := range all {
		if strings.HasSuffix(f, "_test.go") == tests {
			files = append(files, filepath.Join(dir, filepath.Base(f)))
		}
	}
	return files
}

// TestNames finds names of tests, paths and environment variables that do not exist.
func TestNames(t *testing.T) {
	var source strings.Builder
	tests := map[string]bool{}
	for _, pattern := range []string{"*.yaml", ".ci/run", "functions/*/*", "internal/*/*", "internal/*/*/*", "localtest/*", "localtest/*/*"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			switch filepath.Ext(f) {
			case ".go", ".txt", ".yaml", ".sh", "", ".py":
			default:
				continue
			}
			if data, err := os.ReadFile(f); err == nil {
				source.Write(data)
			}
			if strings.HasSuffix(f, "_test.go") {
				dir, _ := filepath.Rel(root, filepath.Dir(f))
				for _, name := range testsIn(t, dir) {
					tests[name] = true
				}
			}
		}
	}
	variable := regexp.MustCompile("^([A-Z][A-Z0-9]*_[A-Z0-9_]+)(=.*)?$")
	path := regexp.MustCompile(`^(\./)?((?:functions|internal|localtest|docs|\.ci)(?:/[\w.*-]+)*)$`)
	test := regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z]\w+$`)
	for _, d := range documents(t) {
		for _, quoted := range code.FindAllString(d.text, -1) {
			word := strings.Trim(quoted, "`")
			switch {
			case word == "internal/reminder/reminder.go" || word == "ROLLBACK_FAILED": // the reader's own; CloudFormation's
			case test.MatchString(word) && !tests[word]:
				t.Errorf("%s: there is no %s", d.path, word)
			case path.MatchString(word):
				if found, err := filepath.Glob(filepath.Join(root, path.FindStringSubmatch(word)[2])); err != nil || len(found) == 0 {
					t.Errorf("%s: there is no %s", d.path, word)
				}
			case variable.MatchString(word):
				if name := variable.FindStringSubmatch(word)[1]; !strings.Contains(source.String(), name) {
					t.Errorf("%s: nothing reads %s", d.path, name)
				}
			}
		}
	}
}
