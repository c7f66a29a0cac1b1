package sdks

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/localserver"
)

// TestTutorial runs the tutorial's client, with the SDK it was written for, and compares what it prints with what the
// tutorial says it prints.
func TestTutorial(t *testing.T) {
	t.Parallel()
	python := localtest.Setup(t, "python02")
	want, err := os.ReadFile("testdata/tutorial_output.txt")
	if err != nil {
		t.Fatal(err)
	}
	client := exec.CommandContext(t.Context(), python, "testdata/tutorial_client.py", localserver.Start(t))
	var stderr strings.Builder
	client.Stderr = &stderr
	got, err := client.Output()
	if err != nil || string(got) != string(want) {
		t.Errorf("the client ended with %v and printed\n%s%s\nwant\n%s", err, got, stderr.String(), want)
	}
}
