// Package wire is A2A over HTTP: the agent card, JSON-RPC, and Server-Sent Events, in protocol versions 1.0 and 0.3 at the
// same URL.
package wire

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/server"
)

const (
	// maxBody is the most bytes in a request's body. Lambda's limit for a request is as much, base64 included:
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	maxBody = 6 << 20

	// keepAlive is the longest silence of a stream. API Gateway cuts a stream that is idle for 30 s.
	keepAlive = 15 * time.Second
)

// Config is what a handler serves. All fields are required.
type Config struct {
	Server *server.Server
	// Card is the agent's card without interfaces.
	Card *a2a.AgentCard
	// BaseURL returns the URL, ending in a slash, at which the client has reached the server.
	BaseURL func(*http.Request) string
	Logger  *slog.Logger
}

// New returns the handler that serves the agent: POST / takes JSON-RPC, GET /.well-known/agent-card.json and (for
// clients before 0.3) /.well-known/agent.json answer with the card.
func New(c Config) http.Handler {
	h := &handler{c}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", h.rpc)
	mux.HandleFunc("GET /.well-known/agent-card.json", h.card)
	mux.HandleFunc("GET /.well-known/agent.json", h.card)
	return mux
}

type handler struct{ Config }

func (h *handler) rpc(w http.ResponseWriter, r *http.Request) {
	c := &call{handler: h, w: w, r: r, dialect: v1, id: []byte("null")}
	defer func() {
		if p := recover(); p != nil {
			h.Logger.ErrorContext(r.Context(), "panic", "error", p, "stack", string(debug.Stack()))
			c.fail(a2a.ErrInternalError)
		}
	}()
	if t := r.Header.Get("Content-Type"); t != "" && !isJSON(t) {
		c.failStatus(http.StatusUnsupportedMediaType, a2a.NewError(a2a.ErrInvalidRequest, "Content-Type must be application/json"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		c.failStatus(http.StatusRequestEntityTooLarge, a2a.NewError(a2a.ErrInvalidRequest, "the body is longer than 6 MB"))
		return
	}
	if err != nil {
		return // the client is gone
	}
	c.serve(body)
}

// isJSON reports whether the content type is application/json or another that is JSON, as application/a2a+json.
func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}
