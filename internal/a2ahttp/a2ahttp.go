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
	// maxBody is the most bytes in a request's body: Lambda's limit for a request, base64 included.
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	maxBody = 6 << 20

	// keepAlive is the longest silence of a stream. Clients with httpx's default timeout wait for
	// 5 s, API Gateway for 30.
	keepAlive = 4 * time.Second
)

// Config is what a handler serves. A field is required unless it says otherwise.
type Config struct {
	Server *server.Server
	// Extended is the card for authenticated callers. Server.Card is for everybody. It may be nil.
	Extended *a2a.AgentCard
	// OnlyRPC says that the platform passes on no requests of HTTP+JSON: the cards don't name it.
	OnlyRPC bool
	// Signer signs the cards. If nil, they have no signatures.
	Signer *agentcard.Signer
	// BaseURL returns the URL at which the client has reached the server. It ends in a slash.
	BaseURL func(*http.Request) string
	// Room returns a function to call with each piece of an answer's body. That function returns
	// how many more bytes there may be. Where there is no limit, Room returns nil: see
	// [functionurl.Room]. If Room itself is nil, no answer has a limit.
	Room func(*http.Request) func(piece []byte) (left int)
	// Enter is called before a message is served, or a stream. These may take long, other requests are
	// short. It returns a function to call when the answer has ended, or [ErrFull]. If Enter is nil,
	// there is no limit.
	Enter func() (leave func(), err error)
	// Session returns what the log calls the session of a request, or "". It may be nil.
	Session func(*http.Request) string
	// Auth finds out who is calling.
	Auth auth.Scheme
	// Page answers browsers that ask for the agent's own URL. It may be nil.
	Page   http.Handler
	Logger *slog.Logger
}

type handler struct {
	Config
	cards *agentcard.Cards
}

// New returns the handler that serves the agent. Web pages may call it from anywhere.
//
//	POST /                             JSON-RPC
//	GET  /.well-known/agent-card.json  the card; also at agent.json, for clients before 0.3
//	GET  /.well-known/jwks.json        the public keys of the card's signatures, if it has any
//	GET  /                             the page, if there is one, for browsers
//
// All other paths belong to HTTP+JSON. One of them is ours:
//
//	GET /tasks/{id}/steps              the steps of a durable agent's task: see [server.StepsPage]
func New(c Config) http.Handler {
	h := &handler{c, agentcard.New(agentcard.Config{
		Public: c.Server.Card, Extended: c.Extended, PushNotifications: c.Server.Push != nil, OnlyRPC: c.OnlyRPC, Signer: c.Signer,
	})}
	return singleValued(h.observed(uncached(cors(http.HandlerFunc(h.route)))))
}

// route serves a request by its path, without empty and dot segments. A client that appends a path
// to the agent's URL, which ends in a slash, asks for //message:send. It is served and not
// redirected: behind API Gateway, a redirect would lead it to the wrong place. Whatever its path, a
// notification is refused.
func (h *handler) route(w http.ResponseWriter, r *http.Request) {
	path := segments(r.URL.EscapedPath())
	switch p := strings.Join(path, "/"); {
	case IsNotification(r):
		h.refuse(w, r, path)
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

// segments returns the segments of a path, unescaped. If the path ends in a slash, the last segment
// is empty: an id is missing there.
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

// root serves JSON-RPC, and the page to clients that ask for HTML.
func (h *handler) root(w http.ResponseWriter, r *http.Request) {
	if h.Page != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		w.Header().Set("Vary", "Accept")
		if acceptsHTML(r) {
			h.Page.ServeHTTP(w, r)
			return
		}
	}
	only(h.serveRPC, http.MethodPost)(w, r)
}

func (h *handler) serveRPC(w http.ResponseWriter, r *http.Request) {
	h.serve(w, r, rpc{id: []byte("null")})
}

// acceptsHTML reports whether the client names HTML in Accept, as browsers do (RFC 9110, 12.5.1).
// Other clients that get an agent's URL by mistake accept anything.
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

// only restricts a handler to some verbs. A request with another gets an error.
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
