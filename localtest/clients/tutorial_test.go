package clients

import (
	"os"
	"testing"

	"a2alambda/localtest/localserver"
)

// TestTutorial runs the tutorial's client with its SDK. It must print what the tutorial shows.
func TestTutorial(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/tutorial_output.txt")
	if got := output(t, program{"tutorial_client.py", "python02"}, localserver.Start(t)); err != nil || got != string(want) {
		t.Errorf("the client printed\n%s\nwant\n%s(%v)", got, want, err)
	}
}
