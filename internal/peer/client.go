package peer

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"

	"a2alambda/internal/outgoing"
)

const (
	// maxAnswer is the most bytes of an answer, and of a stream.
	maxAnswer = 16 << 20

	// maxCard is the most bytes of a card.
	maxCard = 1 << 20

	// cardFor is how long a card counts, and a connection is kept.
	cardFor = 5 * time.Minute

	// answerWithin is how long a peer may take to answer a question: its card, a task.
	answerWithin = 30 * time.Second
)

// connect returns a client, by the peer's card.
func (p *Peer) connect(ctx context.Context) (*a2aclient.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client != nil && time.Now().Before(p.until) {
		return p.client, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	s := new(seen)
	ctx = context.WithValue(ctx, seenKey{}, s)
	client := p.http()
	resolver := agentcard.Resolver{Client: client, CardParser: parseCard}
	card, err := resolver.Resolve(ctx, p.URL)
	if err != nil {
		var e *Error
		errors.As(p.failed(ctx, s, err), &e)
		e.Text = p.Name + ": agent card: " + strings.TrimPrefix(e.Text, p.Name+": ")
		if e.Outcome == Unknown {
			e.Outcome = Unsent // the request itself was not sent
		}
		return nil, e
	}
	refused := func(text string) error { return &Error{Outcome: Refused, Text: p.Name + ": agent card: " + text} }
	// What is elsewhere would get the credentials.
	card.SupportedInterfaces = slices.DeleteFunc(card.SupportedInterfaces, func(i *a2a.AgentInterface) bool {
		return i == nil || !sameHost(i.URL, p.URL)
	})
	if len(card.SupportedInterfaces) == 0 {
		return nil, refused("it has no interface at the host of the configured URL")
	}
	c, err := a2aclient.NewFromCard(ctx, card, append(transports03(client),
		a2aclient.WithConfig(a2aclient.Config{DisableTenantPropagation: true}),
		a2aclient.WithJSONRPCTransport(client), a2aclient.WithRESTTransport(client))...)
	if err != nil {
		return nil, refused("it has no interface of A2A 1.0 or 0.3 over JSON-RPC or HTTP+JSON")
	}
	p.client, p.until = c, time.Now().Add(cardFor)
	p.pushes, p.streams = card.Capabilities.PushNotifications, card.Capabilities.Streaming
	p.about = about(card)
	return c, nil
}

// http returns a client that sends the peer's credentials, and notes what happens to requests.
func (p *Peer) http() *http.Client {
	kept, fresh := p.guard.Client(), p.guard.Client()
	if p.through != nil {
		kept.Transport, fresh.Transport = p.through, p.through
	}
	kept.Transport = transport{p, kept.Transport, fresh.Transport}
	return kept
}

// Through has the peer's requests sent by another transport, in a test. It must be called before
// the first request.
func (p *Peer) Through(t http.RoundTripper) { p.through = t }

// sameHost reports whether two URLs are at one host, and the first has no user.
func sameHost(a, b string) bool {
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	return errA == nil && errB == nil && ua.User == nil && outgoing.SameHost(ua, ub)
}

type (
	seenKey  struct{}
	freshKey struct{} // in the context of what needs a connection of its own
)

// transport sends requests with the peer's credentials.
type transport struct {
	peer        *Peer
	kept, fresh http.RoundTripper
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	s, _ := r.Context().Value(seenKey{}).(*seen)
	if s == nil {
		return nil, errors.New("peer: a request of an unknown call")
	}
	s.again()
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{WroteHeaderField: func(string, []string) { s.written.Store(true) }})
	r = r.Clone(ctx)
	maps.Copy(r.Header, t.peer.header)
	next := t.kept
	if r.Context().Value(freshKey{}) != nil {
		// While an instance is frozen, the peer closes connections. A message that is sent over one of
		// those may have arrived, or not. So nothing is kept here: the transport is told to close.
		next, r.Close = t.fresh, true
	}
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	s.status, s.after = resp.StatusCode, resp.Header.Get("Retry-After")
	limit := int64(maxAnswer)
	if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/.well-known/agent-card.json") {
		limit = maxCard
	}
	resp.Body = &body{resp.Body, s, limit, limit}
	return resp, nil
}

var errTooLarge = errors.New("the answer is too large")

// body is the body of an answer, bounded.
type body struct {
	io.ReadCloser
	seen  *seen
	limit int64
	left  int64
}

func (b *body) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.seen.tooLarge = b.limit
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.seen.broken = err
	}
	return n, err
}
