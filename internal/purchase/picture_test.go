package purchase_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"a2alambda/internal/durable/durabletest"
)

// TestPicture compares the picture of a journal in the documents with the journal of a purchase.
func TestPicture(t *testing.T) {
	ss := new(scenes)
	c := stories["bought"].of(ss)
	var picture strings.Builder
	c.Check = func(t *testing.T, w *durabletest.World) {
		for i, e := range w.Entries() {
			line := fmt.Sprintf("%2d  %-8s %-8s %s", i+1, e.Kind, e.Type, e.Name)
			if e.Attempt > 1 {
				line += fmt.Sprintf(" (attempt %d)", e.Attempt)
			}
			fmt.Fprintln(&picture, line)
		}
	}
	durabletest.Run(t, c)
	text, err := os.ReadFile("../../docs/durable.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "```text\n"+picture.String()+"```") {
		t.Errorf("docs/durable.md does not show the journal of a purchase:\n%s", &picture)
	}
}
