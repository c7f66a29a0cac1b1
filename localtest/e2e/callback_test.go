package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"a2alambda/internal/callback"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

// curl calls plain curl, and returns the status.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "curl", append([]string{"-sS", "-o", "/dev/null", "-w", "%{http_code}"}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl: %v: %s", err, &stderr)
	}
	return string(out)
}

// lockedBuffer is a buffer for several writers.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestCallbacks has an agent wait for a callback, which plain curl sends to the deployed function,
// whoever may call the agent. The invocation of the worker may get lost: then the sweeper asks.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		auth string
		lost bool
	}{{"none", false}, {"iam", false}, {"none", true}} {
		t.Run(fmt.Sprint(c.auth, " ", c.lost), func(t *testing.T) {
			t.Parallel()
			binary, err := emulator.Build(t.Context(), "a2alambda/localtest/e2e/internal/courier")
			localtest.Must(t, err)
			logs := new(lockedBuffer)
			o := options{auth: []string{"AUTH=" + c.auth}, binary: binary, callbacks: true, logs: logs}
			as := http.RoundTripper(http.DefaultTransport)
			if c.auth == "iam" {
				o.callers = map[string]emulator.Caller{"AKIAALICE": {Secret: "a", UserID: "AROAALICE:one", UserARN: "arn:aws:sts::111122223333:assumed-role/alice/one", Account: "111122223333"}}
				as = emulator.Signer{AccessKey: "AKIAALICE", Secret: "a"}
			}
			if c.lost {
				o.deliver = func(n int) int { return min(n, 1) } // not the first
			}
			s := newSystem(t, o)
			call := func(verb, path, body string) string {
				t.Helper()
				a, err := client.Read(client.Through(t.Context(), as, verb, s.url+path, body, "A2A-Version", "1.0"))
				localtest.Must(t, err)
				if a.Status != http.StatusOK {
					t.Fatalf("%s %s: %d %s", verb, path, a.Status, a.Body)
				}
				return a.Body
			}
			var sent struct {
				Task struct {
					ID     string
					Status struct {
						State   string
						Message struct{ Parts []struct{ Text string } }
					}
				}
			}
			// The send is answered when the task sleeps.
			localtest.Must(t, json.Unmarshal([]byte(call("POST", "/message:send", `{"message":{"messageId":"m-1","role":"ROLE_USER","parts":[{"text":"go"}]}}`)), &sent))
			if sent.Task.Status.State != "TASK_STATE_WORKING" {
				t.Fatalf("the task is %+v", sent.Task)
			}
			url := sent.Task.Status.Message.Parts[0].Text
			if got := curl(t, url); got != "405" {
				t.Errorf("curl: %s", got)
			}
			if got := curl(t, "-I", url); got != "405" {
				t.Errorf("curl -I: %s", got)
			}
			// Neither the agent's own URL takes it, nor does another token.
			want := map[string]string{"none": "404", "iam": "403"}[c.auth]
			if got := curl(t, "-d", "here", strings.Replace(url, url[:strings.Index(url, callback.Path)], s.url, 1)); got != want {
				t.Errorf("curl at the agent's URL: %s", got)
			}
			wrong := map[bool]string{true: "1", false: "0"}[strings.HasSuffix(url, "0")]
			if got := curl(t, "-d", "here", url[:len(url)-1]+wrong); got != "404" {
				t.Errorf("curl with another token: %s", got)
			}
			delivery := "left at the door"
			if c.auth == "iam" { // one that the table keeps in parts
				for range 100 {
					delivery += " " + rand.Text()
				}
			}
			if got := curl(t, "-d", delivery, url); got != "202" {
				t.Fatalf("curl -d: %s", got)
			}
			s.job(t, sent.Task.ID)
			if c.lost {
				localtest.Must(t, s.Sweep())
			}
			get := func() string { return call("GET", "/tasks/"+sent.Task.ID, "") }
			for end := time.Now().Add(client.Patience); !strings.Contains(get(), "TASK_STATE_COMPLETED"); time.Sleep(50 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the task does not go on: %s", get())
				}
			}
			if got := get(); !strings.Contains(got, "delivered: "+delivery+" (application/x-www-form-urlencoded)") {
				t.Errorf("the task is %s", got)
			}
			if got := curl(t, "-d", delivery, url); got != "202" {
				t.Errorf("the same again: %s", got)
			}
			if got := curl(t, "-d", "back again", url); got != "409" {
				t.Errorf("another body: %s", got)
			}
			body := bytes.Repeat([]byte("x"), 256<<10+1)
			big := exec.CommandContext(t.Context(), "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", "@-", url)
			big.Stdin = bytes.NewReader(body)
			if out, err := big.Output(); err != nil || string(out) != "413" {
				t.Errorf("a body of more than 256 KB: %s, %v", out, err)
			}
			s.Close() // and all logs are there
			token := url[strings.LastIndex(url, "/")+1:]
			if text := logs.String(); strings.Contains(text, token) || !strings.Contains(text, `"Callback"`) {
				t.Errorf("the logs have the token, or no line of a callback:\n%s", text)
			}
		})
	}
}

// TestNoCallbacks deploys without the callback function: the agent is told what is missing.
func TestNoCallbacks(t *testing.T) {
	t.Parallel()
	binary, err := emulator.Build(t.Context(), "a2alambda/localtest/e2e/internal/courier")
	localtest.Must(t, err)
	s := newSystem(t, options{binary: binary})
	a, err := client.Read(client.Through(t.Context(), http.DefaultTransport, "POST", s.url+"/message:send",
		`{"message":{"messageId":"m-1","role":"ROLE_USER","parts":[{"text":"go"}]}}`, "A2A-Version", "1.0"))
	localtest.Must(t, err)
	if !strings.Contains(a.Body, "takes no callbacks: it needs the parameter Callbacks") {
		t.Errorf("the answer is %s", a.Body)
	}
}
