package e2e

import (
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"a2alambda/internal/auth/authtest"
	"a2alambda/internal/check"
	"a2alambda/localtest"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/stack"
)

// checkSystem checks the agent at a URL as "agent check" does. The needed checks must be ok.
func checkSystem(t *testing.T, c check.Config) {
	t.Helper()
	var out strings.Builder
	err := check.Run(t.Context(), c, &out)
	t.Logf("%s", &out)
	if err != nil {
		t.Error(err)
	}
}

// streams are the checks that an agent behind a function URL passes.
var streams = []string{"card", "caller", "stream", "resume", "retry", "list", "cancel", "refused", "http+json", "headers", "long"}

// TestCheck checks the deployed system as each kind of caller, including push notifications.
func TestCheck(t *testing.T) {
	t.Parallel()
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t, options{webhooks: "127.0.0.0/8", givenUp: func(emulator.Event) {}})
		receiver, err := net.Listen("tcp", "127.0.0.1:0")
		localtest.Must(t, err)
		defer receiver.Close()
		checkSystem(t, check.Config{
			URL: s.url, Long: 15 * time.Second, Need: append([]string{"push"}, streams...),
			Receiver: receiver, Push: "http://" + receiver.Addr().String() + "/",
		})
	})
	t.Run("oidc", func(t *testing.T) {
		t.Parallel()
		issuer := authtest.NewIssuer(t)
		s := newSystem(t, options{auth: []string{"AUTH=oidc", "OIDC_ISSUER=" + issuer.URL, "OIDC_AUDIENCE=agent"}})
		token := issuer.Token(map[string]any{"sub": "alice", "aud": "agent"})
		checkSystem(t, check.Config{URL: s.url, Long: 15 * time.Second, Need: streams, Authorize: func(r *http.Request, _ []byte) error {
			r.Header.Set("Authorization", "Bearer "+token)
			return nil
		}})
	})
	// The command signs with the credentials in its environment.
	t.Run("iam", func(t *testing.T) {
		t.Parallel()
		s := newSystem(t, options{auth: []string{"AUTH=iam"}, callers: map[string]emulator.Caller{
			"AKIAALICE": {Secret: "a", UserID: "AIDAALICE", UserARN: "arn:aws:iam::111122223333:user/alice", Account: "111122223333"},
		}})
		cmd := exec.CommandContext(t.Context(), stack.Function(t, "agent"), "check", "-sign", "-long", "15s", "-need", strings.Join(streams, ","), s.url)
		cmd.Env = []string{"AWS_ACCESS_KEY_ID=AKIAALICE", "AWS_SECRET_ACCESS_KEY=a", "AWS_REGION=us-east-1"}
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Error(err)
		}
	})
}
