package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
)

// TestPing asks a server on AgentCore how it is: the time is that of the last change, however often
// it is asked.
func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := false
		h := withPing(func() bool { return busy }, http.NotFoundHandler())
		begun := time.Now().Unix()
		for _, want := range []struct {
			busy   bool
			status string
			since  int64
		}{
			{false, "Healthy", 0}, {false, "Healthy", 0}, {true, "HealthyBusy", 20}, {true, "HealthyBusy", 20}, {false, "Healthy", 40},
		} {
			busy = want.busy
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/ping", nil))
			var got struct {
				Status string `json:"status"`
				Since  int64  `json:"time_of_last_update"`
			}
			err := json.Unmarshal(w.Body.Bytes(), &got)
			if err != nil || w.Code != http.StatusOK || got.Status != want.status || got.Since != begun+want.since {
				t.Errorf("%d %s, %v, want %+v", w.Code, w.Body, err, want)
			}
			time.Sleep(10 * time.Second)
		}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest("POST", "/ping", nil)); w.Code != http.StatusNotFound {
			t.Errorf("POST: %d", w.Code)
		}
	})
}

// TestSession checks that the log names the session of a request on AgentCore, and nothing that only
// looks like one.
func TestSession(t *testing.T) {
	for id, logged := range map[string]bool{
		"": false, strings.Repeat("a", 33): true, "9f6c1c2e-8b1d-4a31-9d5e-6a1f3c2b7d10_s": true, strings.Repeat("a", 256): true,
		strings.Repeat("a", 32): false, strings.Repeat("a", 257): false, strings.Repeat("a b", 20): false, strings.Repeat("ä", 40): false,
	} {
		var logs bytes.Buffer
		c := hosttest.New(new(memlog.Log), nil, slog.New(slog.NewTextHandler(&logs, nil)))
		c.Session = sessionOf
		r := httptest.NewRequest("GET", "/.well-known/agent-card.json", nil)
		r.Header.Set(sessionHeader, id)
		a2ahttp.New(c).ServeHTTP(httptest.NewRecorder(), r)
		if got := strings.Contains(logs.String(), "session="+id); got != logged || !logged && strings.Contains(logs.String(), "session=") {
			t.Errorf("%q: %s", id, &logs)
		}
	}
}

// TestAgentCore starts the agent as AgentCore does: it listens for everybody, at the port of A2A
// servers, and its card has the URL of the runtime.
func TestAgentCore(t *testing.T) {
	const url = "https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Aruntime%2Fagent-1/invocations/"
	for name, value := range map[string]string{"AGENTCORE": "true", "AGENTCORE_RUNTIME_URL": url, "ADDRESS": "", "PORT": "", "PAGE": "", "PUBLIC_URL": ""} {
		t.Setenv(name, value)
	}
	if on, err := onAgentCore(); !on || err != nil {
		t.Fatal(on, err)
	}
	for name, want := range map[string]string{"ADDRESS": "0.0.0.0", "PORT": "9000", "PAGE": "false", "PUBLIC_URL": url} {
		if got := os.Getenv(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	at := agentAt(t, "AGENTCORE=true", "AGENTCORE_RUNTIME_URL="+url, "PORT=0", "ADDRESS=127.0.0.1")
	for path, want := range map[string]string{
		"/ping":                        `"status":"Healthy"`,
		"/.well-known/agent-card.json": `"url": "` + url,
	} {
		resp, err := http.Get(strings.TrimSuffix(at, "/") + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s, %v", path, resp.StatusCode, body, err)
		}
		if strings.Contains(string(body), "HTTP+JSON") {
			t.Errorf("the card names what AgentCore does not pass on:\n%s", body)
		}
	}
}

// agentAt starts the agent and returns the URL that it prints.
func agentAt(t *testing.T, env ...string) string {
	t.Helper()
	_, rest, _ := strings.Cut(start(t, command(t, env...)), "A2A endpoint: ")
	url, _, _ := strings.Cut(rest, "\n")
	return url
}

// start starts the agent, and returns what it prints once it serves.
func start(t *testing.T, cmd *exec.Cmd) (text string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(cmd) })
	for buf := make([]byte, 4096); !strings.Contains(text, "Try it:"); {
		n, err := out.Read(buf)
		if text += string(buf[:n]); err != nil {
			t.Fatalf("%v after\n%s", err, text)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return text
}

func end(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}
