package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"a2alambda/internal/a2ahttp"
)

// Amazon Bedrock AgentCore Runtime runs a container for each session, and calls the A2A server in it
// at a fixed port. It asks /ping every few seconds whether the server has work: if not, it ends the
// container after a while.
// https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-a2a-protocol-contract.html
const (
	pingPath      = "/ping"
	sessionHeader = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
)

// agentCoreDefaults are what AgentCore Runtime wants of a server, unless the environment says
// something else. AgentCore itself sets AGENTCORE_RUNTIME_URL.
func agentCoreDefaults() map[string]string {
	return map[string]string{"ADDRESS": "0.0.0.0", "PORT": "9000", "PAGE": "false", "PUBLIC_URL": os.Getenv("AGENTCORE_RUNTIME_URL")}
}

// onAgentCore reports whether the environment names AgentCore Runtime as the host of this process.
// Then it also sets the defaults.
func onAgentCore() (bool, error) {
	value := os.Getenv("AGENTCORE")
	if value == "" || onLambda() {
		return false, nil
	}
	wanted, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("AGENTCORE is %q, not one of true and false", value)
	}
	if wanted {
		for name, def := range agentCoreDefaults() {
			if os.Getenv(name) == "" {
				os.Setenv(name, def)
			}
		}
	}
	return wanted, nil
}

// sessionOf returns the id of the session that AgentCore names, or "" if it is not as it should be:
// 33 to 256 letters, digits, hyphens and underscores.
// https://docs.aws.amazon.com/bedrock-agentcore/latest/APIReference/API_InvokeAgentRuntime.html
func sessionOf(r *http.Request) string {
	id := r.Header.Get(sessionHeader)
	if len(id) < 33 || len(id) > 256 {
		return ""
	}
	for _, c := range id {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return ""
		}
	}
	return id
}

// ping answers AgentCore.
type ping struct {
	busy func() bool

	mu      sync.Mutex // guards what follows
	said    string     // the last status
	changed time.Time  // when the status became that
}

// withPing answers at pingPath, and leaves other paths to the handler.
func withPing(busy func() bool, handler http.Handler) http.Handler {
	p := &ping{busy: busy}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == pingPath && (r.Method == http.MethodGet || r.Method == http.MethodHead) && !a2ahttp.IsNotification(r) {
			p.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// ServeHTTP says whether the server has work, and since when: a server that only says that it is
// busy is ended like an idle one (github.com/aws/bedrock-agentcore-sdk-python/issues/471).
func (p *ping) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	status := "Healthy"
	if p.busy() {
		status = "HealthyBusy"
	}
	p.mu.Lock()
	if p.said != status {
		p.said, p.changed = status, time.Now()
	}
	changed := p.changed.Unix()
	p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "time_of_last_update": changed})
}
