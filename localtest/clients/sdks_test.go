package clients

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"a2alambda/localtest/client"
	"a2alambda/localtest/localserver"
)

// TestSDKs has each SDK's client do all that it can, over each protocol binding that it supports,
// with a token. testdata has what it saw, and what its webhook got.
func TestSDKs(t *testing.T) {
	t.Parallel()
	url, tokens := localserver.StartOIDC(t)
	token := tokens("alice")
	for _, c := range []struct {
		part, want string // want is in testdata, part in setup.sh
		bindings   []string
	}{
		{"python02", "python02.txt", []string{"JSONRPC"}},
		{"python03", "python03.txt", []string{"JSONRPC", "HTTP+JSON"}},
		{"js03", "js03.txt", []string{"JSONRPC", "HTTP+JSON"}},
		{"python1", "v1.txt", []string{"JSONRPC", "HTTP+JSON"}},
		{"js1", "v1.txt", []string{"JSONRPC", "HTTP+JSON"}},
	} {
		for _, binding := range c.bindings {
			t.Run(c.part+"/"+binding, func(t *testing.T) {
				t.Parallel()
				hook := newWebhook(t)
				saw := output(t, sdk("", c.part), url, binding, hook.url, token)
				client.Same(t, saw+hook.got(t), "testdata/"+c.want)
			})
		}
	}
}

// sdk is the program in a folder that uses the SDK of a part of setup.sh.
func sdk(folder, part string) program {
	extension := ".py"
	if strings.HasPrefix(part, "js") {
		extension = ".cjs"
	}
	return program{folder + part + extension, part}
}

// webhook receives one task's push notifications at its url. It ignores other tasks.
type webhook struct {
	url   string
	lines chan string
}

func newWebhook(t *testing.T) *webhook {
	h := &webhook{lines: make(chan string, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || r.URL.Path == "/hook" {
			h.lines <- fmt.Sprintln("webhook:", r.Header.Get("Content-Type"), r.Header.Get("X-A2A-Notification-Token"),
				r.Header.Get("Authorization"), describe(body, err))
		}
	}))
	t.Cleanup(server.Close)
	h.url = server.URL + "/hook"
	return h
}

// got returns, when the task has ended, what the webhook got: a line for each notification.
func (h *webhook) got(t *testing.T) string {
	t.Helper()
	deadline := time.After(client.Patience)
	for all := ""; ; {
		select {
		case line := <-h.lines:
			all += line
			if strings.HasSuffix(strings.ToLower(line), "completed\n") {
				return all
			}
		case <-deadline:
			t.Fatalf("the webhook was not told of the end of the task, only\n%s", all)
		}
	}
}

// describe describes a notification: a task in 0.3, a stream response in 1.0.
func describe(body []byte, err error) string {
	type event struct {
		Kind   string
		Status struct{ State string }
	}
	var n struct {
		event
		Task, StatusUpdate, ArtifactUpdate *event
	}
	if err = cmp.Or(err, json.Unmarshal(body, &n)); err != nil {
		return err.Error()
	}
	switch {
	case n.Task != nil:
		return "task " + n.Task.Status.State
	case n.StatusUpdate != nil:
		return "statusUpdate " + n.StatusUpdate.Status.State
	case n.ArtifactUpdate != nil:
		return "artifactUpdate"
	default:
		return n.Kind + " " + n.Status.State
	}
}
