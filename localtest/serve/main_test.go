package main_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/process"
)

// TestServe runs the command. The card has the URL of the request, a worker runs a task that no
// client waits for, and its stream has the tutorial's six events. After Ctrl-C a stream goes on to
// its end, and then everything ends.
func TestServe(t *testing.T) {
	binary, err := emulator.Build(t.Context(), "a2alambda/localtest/serve")
	localtest.Must(t, err)
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), "PORT=0")
	// Its own group, so that a signal reaches it as from a terminal. It ends with the test in any
	// case.
	cmd.SysProcAttr = process.OwnGroup()
	var stderr process.Output
	cmd.Stderr = &stderr
	lines := process.Lines(t, cmd)
	url := ""
	for url == "" && lines.Scan() {
		url, _ = strings.CutPrefix(lines.Text(), "Function URL: ")
		if url == lines.Text() {
			url = ""
		}
	}
	if url == "" {
		t.Fatalf("the command ended: %v\n%s", cmd.Wait(), &stderr)
	}
	drained := make(chan struct{})
	go func() {
		for lines.Scan() {
		}
		close(drained)
	}()

	a, err := client.Do(t.Context(), http.MethodGet, url+".well-known/agent-card.json", "")
	var card struct{ Name, URL string }
	if err := errors.Join(err, json.Unmarshal([]byte(a.Body), &card)); err != nil || card.Name != "Streaming Demo Agent" || card.URL != url {
		t.Errorf("card %+v, %v; want URL %s", card, err, url)
	}

	sent := strings.TrimSuffix(client.Message("x"), "}") + `,"configuration":{"blocking":false}}`
	task := client.Result(t, url, "message/send", sent)
	if !strings.Contains(task, `"submitted"`) {
		t.Fatalf("sent, got %s", task)
	}
	client.Await(t, 100*time.Millisecond, func() string {
		if got := client.Task(t, url, task); !strings.Contains(got, `"completed"`) {
			return "no worker has completed " + got + "\n" + stderr.String()
		}
		return ""
	})

	stream := client.Follow(t, url, "message/stream", client.Message("Stream me a response!"))
	var events []string
	for {
		e, err := stream.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			break
		}
		if events = append(events, e.Data); len(events) == 2 {
			localtest.Must(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGINT))
		}
	}
	if len(events) != 6 || !strings.Contains(events[5], `"completed"`) {
		t.Errorf("%d events:\n%s", len(events), strings.Join(events, "\n"))
	}
	<-drained
	if err := cmd.Wait(); err != nil {
		t.Errorf("the command: %v\n%s", err, &stderr)
	}
	if err := syscall.Kill(-cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("its process group: %v, want it gone", err)
	}
}
