package clients

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"a2alambda/localtest/client"
	"a2alambda/localtest/localserver"
)

// TestCLI has a session with the Go SDK's a2a command, over each protocol binding.
func TestCLI(t *testing.T) {
	t.Parallel()
	url := localserver.Start(t)
	program := filepath.Join(t.TempDir(), "a2a")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/a2aproject/a2a-go/v2/cmd/a2a").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, transport := range []string{"jsonrpc", "rest"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := &session{program: program, url: url, transport: transport}
			context := "--context=" + transport
			s.show(t, "discover")
			s.show(t, "send", context, "Send")
			s.show(t, "send", context, "--stream", "Stream")
			s.show(t, "get task", s.task)
			s.show(t, "list tasks", context)
			s.show(t, "list tasks", context, "--limit=1")
			s.show(t, "send", "--parts", `[{"data":{"n":1}}]`)
			s.show(t, "send", "--task", s.task, "--immediate", "Cancel")
			s.awaitWork(t)
			s.show(t, "cancel", s.task)
			s.show(t, "cancel", s.task)
			s.show(t, "get task", "unknown")
			client.Same(t, s.transcript.String(), "testdata/cli.txt")

			s.run(t, "send", "--immediate", "Subscribe")
			s.awaitWork(t)
			// How many working statuses are left depends on the time.
			got := s.run(t, "subscribe", s.task)
			const end = "[artifact] Your query 'Subscribe' has been processed successfully!\n[status] completed\n"
			if !strings.HasPrefix(got, "Task:") || !strings.HasSuffix(got, end) {
				t.Errorf("a2a subscribe:\n%s", got)
			}
		})
	}
}

type session struct {
	program, url, transport string
	task                    string // the task of the last output
	transcript              strings.Builder
}

var (
	taskLine = regexp.MustCompile(`(?m)^Task: +(\S+)$`)
	// varying matches what differs each time: ids, times and page tokens.
	varying = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\(2\d{3}-[^)]*Z\)|(page token: ).*`)
)

// run runs a command of one or two words, and returns its output. It may fail.
func (s *session) run(t *testing.T, command string, args ...string) string {
	t.Helper()
	args = append(append(strings.Fields(command), s.url, "--transport", s.transport), args...)
	out, err := exec.CommandContext(t.Context(), s.program, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("a2a %q: %v\n%s", args, err, out)
	}
	if m := taskLine.FindSubmatch(out); m != nil {
		s.task = string(m[1])
	}
	return string(out)
}

// show runs a command, and adds it and its output to the transcript.
func (s *session) show(t *testing.T, command string, args ...string) {
	t.Helper()
	line := strings.Join(append([]string{"$ a2a", command, "URL"}, args...), " ")
	text := fmt.Sprintf("%s\n%s\n", line, s.run(t, command, args...))
	text = varying.ReplaceAllString(strings.ReplaceAll(text, s.url, "URL"), "$2…")
	// The context has the transport's name.
	text = regexp.MustCompile(`\b`+s.transport+`\b`).ReplaceAllString(text, "mine")
	s.transcript.WriteString(text)
}

func (s *session) awaitWork(t *testing.T) {
	t.Helper()
	client.Await(t, 0, func() string {
		if got := s.run(t, "get task", s.task); !strings.Contains(got, "\nStatus:   working") {
			return "it is not being worked on: " + got
		}
		return ""
	})
}
