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

	"a2alambda/internal/auth/authtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/localserver"
	"a2alambda/localtest/stack"
)

// TestSDKs has each SDK's client do all that it can, over each protocol binding that it supports,
// with a token. testdata has what it saw, and what its webhook got.
func TestSDKs(t *testing.T) {
	t.Parallel()
	url, tokens := localserver.StartOIDC(t)
	testSDKs(t, url, tokens("alice"), append(sdks, usedSDK{"python02", "python02.txt", []string{"JSONRPC"}}, usedSDK{"js03", "js03.txt", bindings}))
}

// TestSDKsInOneInstance has the newest clients of each version call one instance of Lambda, all at the
// same time, as on Lambda Managed Instances.
func TestSDKsInOneInstance(t *testing.T) {
	t.Parallel()
	issuer := authtest.NewIssuer(t)
	hooks := []string{"PUSH_ALLOWED_CIDRS=127.0.0.0/8"}
	many := emulator.Config{Concurrency: 64, Overtime: client.Patience}
	c := stack.Config{Agent: many, Worker: many, Push: emulator.Config{Binary: stack.Function(t, "push"), Env: hooks}}
	c.Agent.Env = append(hooks, "AUTH=oidc", "OIDC_ISSUER="+issuer.URL, "OIDC_AUDIENCE=agent")
	s, url := stack.New(t, c)
	t.Run("clients", func(t *testing.T) {
		testSDKs(t, strings.TrimSuffix(url, "/"), issuer.Token(map[string]any{"sub": "alice", "aud": "agent"}), sdks)
	})
	if n := len(s.Agent.Instances()); n != 1 {
		t.Errorf("%d instances, want one", n)
	}
}

// usedSDK is an SDK whose client is used. part is in setup.sh, want in testdata.
type usedSDK struct {
	part, want string
	bindings   []string
}

var (
	bindings = []string{"JSONRPC", "HTTP+JSON"}
	sdks     = []usedSDK{{"python03", "python03.txt", bindings}, {"python1", "v1.txt", bindings}, {"js1", "v1.txt", bindings}}
)

func testSDKs(t *testing.T, url, token string, all []usedSDK) {
	for _, c := range all {
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
