package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestMetrics starts the agent with an address for metrics, sends it a message, and reads them as
// Prometheus does. Callers of the agent don't find them. The log is JSON.
func TestMetrics(t *testing.T) {
	t.Parallel()
	cmd := command(t, "PORT=0", "METRICS_ADDRESS=127.0.0.1:0", "LOG_FORMAT=json", "MAX_CONCURRENCY=50")
	logs := new(bytes.Buffer)
	cmd.Stderr = logs
	text := start(t, cmd)
	read := func(url string) (int, string) {
		t.Helper()
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	agent := regexp.MustCompile(`endpoint: (http://\S+)`).FindStringSubmatch(text)[1]
	found := regexp.MustCompile(`Metrics at (http://\S+/metrics)`).FindStringSubmatch(text)
	if found == nil {
		t.Fatal(text)
	}
	resp, err := http.Post(agent, "application/json", strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"kind":"message","role":"user","messageId":"m","parts":[{"kind":"text","text":"hello"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, want := range []string{
		`a2alambda_request_seconds_count{operation="SendMessage"} 1`, "a2alambda_run_seconds_count 1", "a2alambda_places 50", "a2alambda_places_taken 0",
	} {
		// A line comes after its answer.
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			status, metrics := read(found[1])
			if strings.Contains(metrics, "\n"+want+"\n") {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%d: there is no %s in\n%s", status, want, metrics)
			}
		}
	}
	if status, body := read(agent + "metrics"); status == http.StatusOK {
		t.Errorf("callers read %s", body)
	}
	end(cmd)
	for line := range strings.Lines(logs.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("the log has %s", line)
		}
	}
	if !strings.Contains(logs.String(), `"msg":"run"`) {
		t.Errorf("the log has no run:\n%s", logs)
	}
}
