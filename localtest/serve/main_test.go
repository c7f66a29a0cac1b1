package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"a2alambda/localtest/emulator"
	"a2alambda/localtest/process"
)

const send = `{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"role":"user","parts":[{"kind":"text","text":"Stream me a response!"}],"messageId":"one"}}}`

// The command serves the system as deployed: its card has the URL that was used, a worker runs what nobody waits for, its stream
// has the tutorial's six events. Ctrl-C in the middle of a stream lets that end, and then everything ends.
func TestServe(t *testing.T) {
	binary, err := emulator.Build(t.Context(), "a2alambda/localtest/serve")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), "PORT=0")
	// A group of its own, so that a signal can reach it as from a terminal; and it ends with the test, however that ends.
	cmd.SysProcAttr = process.OwnGroup()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(stdout)
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
		io.Copy(io.Discard, stdout)
		close(drained)
	}()

	client := &http.Client{Timeout: time.Minute}
	response, err := client.Get(url + ".well-known/agent-card.json")
	if err != nil {
		t.Fatal(err)
	}
	var card struct{ Name, URL string }
	err = json.NewDecoder(response.Body).Decode(&card)
	response.Body.Close()
	if card.Name != "Streaming Demo Agent" || card.URL != url || err != nil {
		t.Errorf("card %+v, %v; want URL %s", card, err, url)
	}

	task := post(t, client, url, `{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"role":"user","parts":[{"kind":"text","text":"x"}],"messageId":"two"},"configuration":{"blocking":false}}}`)
	if !strings.Contains(task, `"submitted"`) {
		t.Fatalf("sent, got %s", task)
	}
	_, id, _ := strings.Cut(task, `"id":"`)
	id, _, _ = strings.Cut(id, `"`)
	for deadline := time.Now().Add(time.Minute); !strings.Contains(task, `"completed"`); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no worker has completed %s\n%s", task, &stderr)
		}
		task = post(t, client, url, `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"id":"`+id+`"}}`)
	}

	response, err = client.Post(url, "application/json", strings.NewReader(send))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	stream := bufio.NewScanner(response.Body)
	var events []string
	for stream.Scan() {
		if data, ok := strings.CutPrefix(stream.Text(), "data: "); ok {
			events = append(events, data)
			if len(events) == 2 {
				if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if len(events) != 6 || stream.Err() != nil || !strings.Contains(events[5], `"completed"`) {
		t.Errorf("%d events, %v:\n%s", len(events), stream.Err(), strings.Join(events, "\n"))
	}
	<-drained
	if err := cmd.Wait(); err != nil {
		t.Errorf("the command: %v\n%s", err, &stderr)
	}
	if err := syscall.Kill(-cmd.Process.Pid, 0); err != syscall.ESRCH {
		t.Errorf("its process group: %v, want it gone", err)
	}
}

// post returns the answer to a call.
func post(t *testing.T, client *http.Client, url, body string) string {
	t.Helper()
	response, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}
