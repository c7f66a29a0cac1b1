// Package a2ahttp speaks A2A over HTTP: the agent card, JSON-RPC, HTTP+JSON and Server-Sent Events,
// in protocol versions 1.0 and 0.3 at the same URL.
package a2ahttp

import (
	"cmp"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/agentcard"
	"a2alambda/internal/auth"
	"a2alambda/internal/server"
)

const (
	// maxBody is the most bytes in a request's body. Lambda's limit for a request is as much,
	// base64 included: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	maxBody = 6 << 20

	// keepAlive is the longest silence of a stream: clients with httpx's default timeout wait for 5
	// s, API Gateway for 30.
	keepAlive = 4 * time.Second
)

// Config is what a handler serves. All fields are required, but for those that say otherwise.
type Config struct {
	Server *server.Server
	// Extended is the card for authenticated callers, as Server.Card is for all. If nil, there is
	// none.
	Extended *a2a.AgentCard
	// Signer signs the cards. If nil, they have no signatures.
	Signer *agentcard.Signer
	// BaseURL returns the URL, ending in a slash, at which the client has reached the server.
	BaseURL func(*http.Request) string
	// Room returns what is told the pieces of an answer's body and returns how many more bytes
	// there may be, or nil where there may be any number: see [functionurl.Room]. If Room is nil,
	// no answer is too long.
	Room func(*http.Request) func(piece []byte) (left int)
	// Auth tells who is calling.
	Auth auth.Scheme
	// Page answers browsers that ask for the agent's URL itself. If nil, nothing does.
	Page   http.Handler
	Logger *slog.Logger
}

// New returns the handler that serves the agent: POST / takes JSON-RPC, the paths of the HTTP+JSON
// binding that, and GET /.well-known/agent-card.json and (for clients before 0.3)
// /.well-known/agent.json answer with the card, GET /.well-known/jwks.json with the public key of
// its signatures, if it has any, and GET / with the page, if there is one, for browsers. Web pages
// may call it from anywhere.
func New(c Config) http.Handler {
	h := &handler{c, agentcard.New(agentcard.Config{
		Public: c.Server.Card, Extended: c.Extended, PushNotifications: c.Server.Push != nil, Signer: c.Signer,
	})}
	return single(h.observed(uncached(cors(http.HandlerFunc(h.route)))))
}

// route serves a request by its path. Empty and dot segments are left out, for everybody: a client
// that puts a path behind the agent URL, which ends in a slash, asks for //message:send, and would
// not find its way back from a redirect behind API Gateway.
func (h *handler) route(w http.ResponseWriter, r *http.Request) {
	path := segments(r.URL.EscapedPath())
	switch p := strings.Join(path, "/"); {
	case p == "":
		h.root(w, r)
	case p == ".well-known/agent-card.json" || p == ".well-known/agent.json":
		only(h.card, http.MethodGet, http.MethodHead)(w, r)
	case p == agentcard.JWKSPath && h.Signer != nil:
		only(h.jwks, http.MethodGet, http.MethodHead)(w, r)
	default:
		h.serve(w, r, rest{path})
	}
}

// segments returns the segments of a path, without their escapes. Behind a slash at its end is an
// empty one: an id is missing there.
func segments(escaped string) (path []string) {
	for s := range strings.SplitSeq(escaped, "/") {
		s, _ := url.PathUnescape(s) // it is a path's
		switch {
		case s == "..":
			path = path[:max(0, len(path)-1)]
		case s != "" && s != ".":
			path = append(path, s)
		}
	}
	if len(path) > 0 && strings.HasSuffix(escaped, "/") {
		path = append(path, "")
	}
	return path
}

type handler struct {
	Config
	cards *agentcard.Cards
}

// root serves JSON-RPC, and the page to who asks for HTML.
func (h *handler) root(w http.ResponseWriter, r *http.Request) {
	if h.Page != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		w.Header().Set("Vary", "Accept")
		if acceptsHTML(r) {
			h.Page.ServeHTTP(w, r)
			return
		}
	}
	only(func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, rpc{[]byte("null")}) }, http.MethodPost)(w, r)
}

// acceptsHTML reports whether the client names HTML among what it accepts, as browsers do: RFC
// 9110, 12.5.1. Other clients that get an agent's URL by mistake accept anything.
func acceptsHTML(r *http.Request) bool {
	for accepted := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		mediaType, params, err := mime.ParseMediaType(accepted)
		if err != nil || mediaType != "text/html" {
			continue
		}
		q, err := strconv.ParseFloat(cmp.Or(params["q"], "1"), 64)
		return err == nil && q > 0
	}
	return false
}

// only lets requests with one of the verbs through.
func only(handler http.HandlerFunc, verbs ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(verbs, r.Method) {
			handler(w, r)
			return
		}
		w.Header().Set("Allow", strings.Join(verbs, ", "))
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	}
}
