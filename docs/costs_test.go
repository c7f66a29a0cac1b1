package docs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"a2alambda/localtest/costs"
	"a2alambda/localtest/prices"
)

// TestCosts compares the tables of docs/costs.md with those that follow from what was measured.
func TestCosts(t *testing.T) {
	const path = "docs/costs.md"
	const begin, end = "<!-- bench: written by go test ./docs -run TestCosts -update -->\n", "<!-- bench: end -->\n"
	before, rest, ok := strings.Cut(read(t, path), begin)
	got, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no tables", path)
	}
	want := "\nPrices of " + prices.Date + ".\n\n" + costs.Table() + "\n"
	if got == want {
		return
	}
	if *update {
		if err := os.WriteFile(filepath.Join(root, path), []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s says\n%s\nbut measured is (-update writes it)\n%s", path, got, want)
}
