package localserver

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReadme runs the agent as in the README, whose output may leave out lines.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```console\n\\$ go run \\./functions/agent\n(.*?)```").FindStringSubmatch(string(text))
	if m == nil {
		t.Fatal("the README does not show how the agent is run")
	}
	p, url := StartProcess(t)
	defer p.Kill()
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	want := strings.Split(strings.TrimSpace(strings.ReplaceAll(m[1], "10000", port)), "\n")
	for line := range strings.Lines(p.Output.String()) {
		if len(want) > 0 && strings.TrimSuffix(line, "\n") == want[0] {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("it does not print %q, but\n%s", want[0], p.Output.String())
	}
}
