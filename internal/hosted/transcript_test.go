package hosted_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/demoagent"
	"a2alambda/internal/durable"
)

// TestTranscripts runs the curl commands in the documents, and compares the output with what is
// shown there. "…" stands for what is left out, also for whole lines.
func TestTranscripts(t *testing.T) {
	for _, test := range []struct {
		document string
		executor a2asrv.AgentExecutor
	}{{"../../README.md", demoagent.NewExecutor()}, {"../../docs/your-agent.md", durable.New(Remind)}} {
		t.Run(test.document, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(test.document)
			if err != nil {
				t.Fatal(err)
			}
			blocks := regexp.MustCompile("(?s)```console\n\\$ (curl .*?[^\\\\]'\n)(.*?)```").FindAllStringSubmatch(string(text), -1)
			if len(blocks) != 1 {
				t.Fatalf("it has %d transcripts of curl", len(blocks))
			}
			command, want := strings.ReplaceAll(blocks[0][1], "http://localhost:10000", serve(t, test.executor)), blocks[0][2]
			got, err := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(command, "curl ", "curl -sS ", 1)).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, got)
			}
			pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), "…", ".*?")
			pattern = regexp.MustCompile(`\n *\.\*\?.*\n`).ReplaceAllString(pattern, "(?s:.*)") // a left-out line
			if !regexp.MustCompile(`^` + pattern + `\s*$`).Match(got) {
				t.Errorf("%s\nprints\n%s\nbut it is shown to print\n%s", command, got, want)
			}
		})
	}
}
