package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"a2alambda/internal/auth/authtest"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

// TestCallers identifies callers by an issuer's tokens, and by the signatures that the function URL
// verifies. Nobody gets in without, and all see only their own tasks.
func TestCallers(t *testing.T) {
	t.Parallel()
	onBothKinds(t, func(t *testing.T, o options) {
		t.Run("oidc", func(t *testing.T) {
			t.Parallel()
			issuer := authtest.NewIssuer(t)
			token := func(sub, audience string) http.RoundTripper {
				return client.Bearer{Token: issuer.Token(map[string]any{"sub": sub, "aud": audience}), Next: http.DefaultTransport}
			}
			s := newSystem(t, options{concurrency: o.concurrency, auth: []string{"AUTH=oidc", "OIDC_ISSUER=" + issuer.URL, "OIDC_AUDIENCE=agent"}})
			testCallers(t, s, "openIdConnect", token("alice", "agent"), token("alice", "agent"), token("bob", "agent"), map[string]http.RoundTripper{
				"401 Bearer realm=\"a2a\"": http.DefaultTransport,
				"401 Bearer realm=\"a2a\", error=\"invalid_token\", error_description=\"the token is for another audience\"": token("alice", "another"),
			})
		})
		t.Run("iam", func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, options{concurrency: o.concurrency, auth: []string{"AUTH=iam"}, callers: map[string]emulator.Caller{
				"AKIAALICE":  {Secret: "a", UserID: "AROAALICE:one", UserARN: "arn:aws:sts::111122223333:assumed-role/alice/one", Account: "111122223333"},
				"AKIAALICE2": {Secret: "b", UserID: "AROAALICE:two", UserARN: "arn:aws:sts::111122223333:assumed-role/alice/two", Account: "111122223333"},
				"AKIABOB":    {Secret: "c", UserID: "AIDABOB", UserARN: "arn:aws:iam::111122223333:user/bob", Account: "111122223333"},
			}})
			testCallers(t, s, "http", emulator.Signer{AccessKey: "AKIAALICE", Secret: "a"}, emulator.Signer{AccessKey: "AKIAALICE2", Secret: "b"},
				emulator.Signer{AccessKey: "AKIABOB", Secret: "c"}, map[string]http.RoundTripper{
					"403 ": http.DefaultTransport,
				})
		})
	})
}

// testCallers calls the system as alice, in two ways, as bob, and as the refused callers, which are
// named by the error that they get.
func testCallers(t *testing.T, s *system, scheme string, alice, aliceAgain, bob http.RoundTripper, refused map[string]http.RoundTripper) {
	call := func(as http.RoundTripper, verb, path, body string) (status int, challenge, answer string) {
		a, err := client.Read(client.Through(t.Context(), as, verb, s.url+path, body, "A2A-Version", "1.0"))
		localtest.Must(t, err)
		return a.Status, a.Header.Get("WWW-Authenticate"), a.Body
	}
	const ask = `{"message":{"messageId":"m-1","role":"ROLE_USER","parts":[{"data":1}]}}`
	status, _, answer := call(alice, "POST", "/message:send", ask)
	var sent struct{ Task struct{ ID string } }
	if err := json.Unmarshal([]byte(answer), &sent); err != nil || status != http.StatusOK || sent.Task.ID == "" {
		t.Fatalf("alice sent a message: %d %s", status, answer)
	}
	task := "/tasks/" + sent.Task.ID
	for _, test := range []struct {
		name   string
		as     http.RoundTripper
		path   string
		status int
		want   string
	}{
		{"alice gets her task", alice, task, http.StatusOK, "INPUT_REQUIRED"},
		{"and when she comes another way", aliceAgain, task, http.StatusOK, "INPUT_REQUIRED"},
		{"bob does not", bob, task, http.StatusNotFound, "task not found"},
		{"nor does he subscribe to it", bob, task + ":subscribe", http.StatusNotFound, "task not found"},
		{"alice's list", aliceAgain, "/tasks", http.StatusOK, sent.Task.ID},
		{"bob's list", bob, "/tasks", http.StatusOK, `"tasks":[]`},
		{"the extended card", bob, "/extendedAgentCard", http.StatusOK, `"asks_for_input"`},
		{"the card", bob, "/.well-known/agent-card.json", http.StatusOK, fmt.Sprintf(`"type": %q`, scheme)},
	} {
		if status, _, got := call(test.as, "GET", test.path, ""); status != test.status || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %d %s, want %d and %s", test.name, status, got, test.status, test.want)
		}
	}
	// Her webhook is hers, too. It is never called: the task sends no more events.
	const webhook = `{"id":"w","url":"https://example.com/hook"}`
	for _, test := range []struct {
		name                   string
		as                     http.RoundTripper
		verb, path, body, want string
	}{
		{"alice gives her task a webhook", alice, "POST", "", webhook, "200"},
		{"bob does not delete it", bob, "DELETE", "/w", "", "404"},
		{"alice does", alice, "DELETE", "/w", "", "200"},
		{"and it is gone", alice, "GET", "/w", "", "404"},
	} {
		if status, _, got := call(test.as, test.verb, task+"/pushNotificationConfigs"+test.path, test.body); fmt.Sprint(status) != test.want {
			t.Errorf("%s: got %d %s, want %s", test.name, status, got, test.want)
		}
	}
	for want, as := range refused {
		for _, request := range [][3]string{{"GET", "/tasks", ""}, {"POST", "/message:stream", ask}, {"POST", "/", `{"jsonrpc":"2.0","id":1,"method":"ListTasks"}`}} {
			status, challenge, answer := call(as, request[0], request[1], request[2])
			if got := fmt.Sprint(status, " ", challenge); got != want {
				t.Errorf("%s %s: got %s, want %s: %s", request[0], request[1], got, want, answer)
			}
		}
	}
}
