// Package mcp has the tools of MCP servers: servers that a deployment lists, by streamable HTTP or,
// on a developer's machine, as commands. It speaks the revisions of MCP that the official SDK speaks.
//
// # Trust
//
// A server is chosen by whoever deploys, never by a client or a model. By being listed it is trusted
// to say of its tools what they do: see [sdk.ToolAnnotations]. What a tool answers is not trusted with
// anything. Headers go to the server's own scheme, host and port only. Secrets are in no result, error
// or log line, whatever the server says.
//
// # Sessions
//
// A [Run] has sessions of its own, one call at a time in each, and ends them. So nothing is open
// while an instance is frozen, no two users share what a server keeps in a session, and an answer
// that breaks a session breaks one call. A session that the server no longer knows is made anew. No
// stream is opened for what a server has to say when nobody asks. Servers by command have one
// process, and one session in it, for all: they are for a developer's machine.
package mcp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Server is an MCP server.
type Server struct {
	// Name is the beginning of its tools' names: see [ValidName].
	Name string
	// URL is that of a server by streamable HTTP. Its host may be anywhere.
	URL string
	// Header goes with each request to the URL.
	Header http.Header
	// Command is that of a server without a URL, which speaks over stdin and stdout. It gets Env
	// (NAME=value), and of this process's environment only what programs need to start.
	Command []string
	Env     []string
	// Secrets, and the header Authorization, are replaced by *** in all that the server says, if they
	// have six bytes or more.
	Secrets []string
	// Connect is how long a connection, and a list of tools, may take: 10 seconds if it is 0. Call
	// is the same for a call: a minute.
	Connect, Call time.Duration
}

// Config is what a [Set] is made of.
type Config struct {
	Servers []Server
	// Allow and Approve have names of tools, such as shop_search, and beginnings of names, such as
	// shop_*. A tool of Approve waits for a yes; one of Allow does not; for others their server says.
	Allow, Approve []string
	// Logger gets a line when a server cannot be reached, or a tool cannot be used. The default is
	// none.
	Logger *slog.Logger
}

// Set is the MCP servers of an agent. A nil Set has none. Its methods may be used from several
// goroutines.
type Set struct {
	servers        []*server
	allow, approve []string
	logger         *slog.Logger
}

// maxServer is the most bytes of a server's name.
const maxServer = 32

// ValidName reports whether s can be a server's name: up to 32 letters, digits and "-". There is no
// "_", which separates it from the name of the tool.
func ValidName(s string) bool {
	return s != "" && len(s) <= maxServer && !strings.ContainsFunc(s, func(r rune) bool { return r == '_' || !isNameRune(r) })
}

// New returns a set. It sends no request and starts no command.
func New(c Config) (*Set, error) {
	s := &Set{allow: c.Allow, approve: c.Approve, logger: c.Logger}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	for _, one := range c.Servers {
		if err := check(one); err != nil {
			return nil, fmt.Errorf("mcp: %s: %w", one.Name, err)
		}
		if slices.ContainsFunc(s.servers, func(o *server) bool { return o.Name == one.Name }) {
			return nil, fmt.Errorf("mcp: there are two servers of the name %s", one.Name)
		}
		one.Connect, one.Call = cmp.Or(one.Connect, 10*time.Second), cmp.Or(one.Call, time.Minute)
		s.servers = append(s.servers, newServer(one, s.logger))
	}
	return s, nil
}

func check(s Server) error {
	switch {
	case !ValidName(s.Name):
		return fmt.Errorf("a server's name has 1 to %d letters, digits and -", maxServer)
	case (s.URL == "") == (len(s.Command) == 0):
		return errors.New("a server has either a URL or a command")
	case s.Connect < 0 || s.Call < 0:
		return errors.New("a negative time")
	case s.URL == "":
		return nil
	}
	return CheckURL(s.URL)
}

// CheckURL returns an error, which does not contain the URL, if it cannot be that of a server.
func CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the URL is no http or https URL")
	case u.User != nil:
		return errors.New("the URL has a user: use headers")
	case u.Fragment != "":
		return errors.New("the URL has a fragment")
	}
	return nil
}

// Check asks each server for its tools. The error has a line for each server that does not answer,
// and for each name of Allow and Approve that no tool has.
func (s *Set) Check(ctx context.Context) error {
	if s == nil {
		return nil
	}
	r := s.Run()
	r.quiet = true
	defer r.Close()
	errs := make([]error, len(s.servers))
	var all sync.WaitGroup
	for i, one := range s.servers {
		all.Go(func() {
			if _, err := r.list(ctx, one); err != nil {
				errs[i] = fmt.Errorf("MCP server %w", err)
			}
		})
	}
	all.Wait()
	for _, pattern := range slices.Concat(s.allow, s.approve) {
		if one := s.of(pattern); one == nil || one.known() && !one.has(pattern) {
			errs = append(errs, fmt.Errorf("no tool has the name %s", pattern))
		}
	}
	return errors.Join(errs...)
}

// of returns the server whose tools the name or beginning of a name can be of, or nil.
func (s *Set) of(pattern string) *server {
	for _, one := range s.servers {
		if strings.HasPrefix(pattern, one.Name+"_") {
			return one
		}
	}
	return nil
}

// Close ends the commands.
func (s *Set) Close() {
	if s == nil {
		return
	}
	for _, one := range s.servers {
		if one.process != nil {
			one.process.close()
		}
	}
}

// Match reports whether a name is one of the names and beginnings of names.
func Match(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if begin, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(name, begin)
		}
		return p == name
	})
}

// server is a server of a set.
type server struct {
	Server
	client  *sdk.Client
	http    *http.Client // of a URL
	process *process     // of a command
	redact  func(string) string
	tools   cache
	// revision is that of MCP, a string, if the server speaks one with sessions: it spares the
	// question for the newer one.
	revision atomic.Value
}

func newServer(c Server, logger *slog.Logger) *server {
	s := &server{Server: c, redact: redactor(c), tools: newCache()}
	options := &sdk.ClientOptions{
		// No roots, sampling or elicitation: a server that asks for one gets an error.
		Capabilities:   &sdk.ClientCapabilities{},
		MultiRoundTrip: &sdk.MultiRoundTripOptions{Disabled: true},
	}
	if c.URL == "" {
		// By HTTP, a handler would have the SDK open a stream.
		options.ToolListChangedHandler = func(context.Context, *sdk.ToolListChangedRequest) {}
	}
	s.client = sdk.NewClient(&sdk.Implementation{Name: "a2alambda", Version: "1"}, options)
	s.client.AddReceivingMiddleware(func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
			if method == "notifications/tools/list_changed" {
				s.tools.expire()
			}
			return next(ctx, method, req)
		}
	})
	if c.URL != "" {
		s.http = newHTTP(c)
	} else {
		s.process = &process{server: s, logger: logger}
	}
	return s
}

// redactor returns a function that replaces the server's secrets in a text, as they are, and as they
// are written in JSON and in URLs.
func redactor(s Server) func(string) string {
	var pairs []string
	secrets := slices.Clone(s.Secrets)
	for _, v := range s.Header.Values("Authorization") {
		_, token, _ := strings.Cut(v, " ") // Bearer …
		secrets = append(secrets, v, token)
	}
	// The longest first: one may be a part of another.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, v := range secrets {
		if len(v) < 6 { // what is shorter is in many a text
			continue
		}
		var plain strings.Builder
		e := json.NewEncoder(&plain)
		e.SetEscapeHTML(false)
		_ = e.Encode(v) // of a text
		html, _ := json.Marshal(v)
		written := []string{v, inQuotes(plain.String()), inQuotes(string(html)), url.QueryEscape(v), url.PathEscape(v)}
		slices.SortStableFunc(written[1:], func(a, b string) int { return len(b) - len(a) })
		for _, w := range slices.Compact(written) {
			pairs = append(pairs, w, "***")
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// inQuotes returns what is in the quotes of a text in JSON.
func inQuotes(text string) string {
	text = strings.TrimSpace(text)
	return text[1 : len(text)-1]
}
