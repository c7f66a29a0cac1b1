package usage

import (
	"strings"
	"testing"
)

func TestAnswer(t *testing.T) {
	for _, test := range []struct {
		args           string
		ends           bool
		status         int
		stdout, stderr string
	}{
		{args: ""},
		{args: "-h", ends: true, stdout: "the text\n"},
		{args: "--help", ends: true, stdout: "the text\n"},
		{args: "-v -help", ends: true, stdout: "the text\n"},
		{args: "-port 1", ends: true, status: 2, stderr: "\"-port\" is not understood: settings are in the environment, and -h lists them\n"},
	} {
		var stdout, stderr strings.Builder
		status, ends := answer("the text\n", strings.Fields(test.args), &stdout, &stderr)
		if status != test.status || ends != test.ends || stdout.String() != test.stdout || stderr.String() != test.stderr {
			t.Errorf("%q: %d, %v, %q, %q", test.args, status, ends, &stdout, &stderr)
		}
	}
}
