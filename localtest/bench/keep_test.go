package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"a2alambda/localtest"
)

// TestKeep measures one part anew: the other one stays, and says of which run it is.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	first := &section{Name: "first", title: "First", text: "Six."}
	first.add(limitName, "first byte, 1 at once", "ms", 1, 3, 2)
	length := &section{Name: "length", title: "Long", notes: []string{"A note."}, plot: &plot{title: "Time", x: "x", y: "y", lines: []line{{limitName, [][2]float64{{10, 1}}}}}}
	length.add(limitName, "whole stream", "ms", 7)
	localtest.Must(t, (&report{Made: "Monday", LeftOut: []string{"Tuesday."}, Sections: []*section{first, length}}).write(dir))

	again := &section{Name: "first", title: "First", text: "Seven."}
	again.add(limitName, "first byte, 1 at once", "ms", 9)
	r := &report{Made: "Wednesday", Sections: []*section{again}}
	localtest.Must(t, r.write(dir))
	got := read(t, filepath.Join(dir, "results.md"))
	for _, want := range []string{"# Results\n\nWednesday.", "## First\n\nSeven.\n\n|", "ms | 9.0 |", "## Long\n\n\n\nOf another run: Monday.\n\n![Time](length.svg)", "ms | 7.0 |", "A note.", "Left out: Tuesday."} {
		if !strings.Contains(got, want) {
			t.Errorf("the results have no %q:\n%s", want, got)
		}
	}
	if got := r.summary("results"); !strings.Contains(got, "\nOf another run – Monday – are: Long.\n") || strings.Contains(got, "NaN") {
		t.Errorf("the summary is\n%s", got)
	}
	wellFormed(t, []byte(read(t, filepath.Join(dir, "length.svg"))))
	localtest.Must(t, os.WriteFile(filepath.Join(dir, "samples.json"), []byte("no JSON"), 0o644))
	if err := r.write(dir); err == nil {
		t.Error("samples that are no JSON were overwritten")
	}
}
