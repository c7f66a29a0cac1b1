// Package peer calls other A2A agents: those that a deployment lets its durable agents call, each
// by a name. It speaks both versions of A2A, over JSON-RPC and HTTP+JSON, as the peer's agent card
// says, by the client of the SDK; 0.3 by transports of its own.
//
// A peer is chosen by whoever deploys, never by a client or a model. Its card is not trusted with
// more than that: an interface at another host than the configured one is not used, since it would
// get the credentials.
package peer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2aclient"

	"a2alambda/internal/outgoing"
)

// Set is the peers of a deployment, by name.
type Set map[string]*Peer

// Peer is another agent.
type Peer struct {
	Name string
	// URL is where its agent card is, at /.well-known/agent-card.json.
	URL string
	// Deduplicates says that the peer takes a message with an id that it knows for the one before.
	// A2A does not promise that. The agents of this project do it.
	Deduplicates bool
	// Adopt says that the peer takes the context id of a client, and lists the tasks of a context
	// (1.0 only). So it can be asked whether it has got a message.
	Adopt bool

	guard  outgoing.Guard
	header http.Header // credentials; nil without

	through http.RoundTripper // see Through; nil for the network

	mu      sync.Mutex // guards what follows
	client  *a2aclient.Client
	pushes  bool
	streams bool
	until   time.Time // when the card is read again
	about   string    // what the card says
	asked   time.Time // when About last read it in vain
}

// maxName is the most bytes of a peer's name.
const maxName = 64

// Parse returns the peers of a list
//
//	name=url,name=url;deduplicates,name=url;adopt
//
// Credentials is a JSON object of strings that has the peers' credentials by name: the value of the
// header Authorization, such as "Bearer abc", or another header, such as "X-API-Key: abc". Allowed
// are prefixes of addresses at which peers may be beside the public internet, as for
// [outgoing.ParseAllow]. A peer whose URL has an address, or localhost, may always be there. An
// error contains nothing of the credentials.
func Parse(list, credentials, allowed string) (Set, error) {
	guard, err := outgoing.ParseAllow(allowed)
	if err != nil {
		return nil, fmt.Errorf("PEERS_ALLOWED_CIDRS: %w", err)
	}
	set := Set{}
	for field := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
		p, err := parse(field, guard)
		if err != nil {
			return nil, fmt.Errorf("PEERS: %w", err)
		}
		if set[p.Name] != nil {
			return nil, fmt.Errorf("PEERS has %s twice", p.Name)
		}
		set[p.Name] = p
	}
	secrets := map[string]string{}
	if credentials != "" {
		if json.Unmarshal([]byte(credentials), &secrets) != nil { // the decoder's error may quote it
			return nil, errors.New(`PEER_CREDENTIALS is not a JSON object of strings, such as {"writer":"Bearer …"}`)
		}
	}
	for name, secret := range secrets {
		p := set[name]
		if p == nil {
			return nil, fmt.Errorf("PEER_CREDENTIALS has %.64q, which PEERS has not", name)
		}
		if p.header, err = header(secret); err != nil {
			return nil, fmt.Errorf("PEER_CREDENTIALS: of %s: %w", name, err)
		}
	}
	return set, nil
}

// parse parses name=url;option;option.
func parse(field string, guard outgoing.Guard) (*Peer, error) {
	name, rest, ok := strings.Cut(field, "=")
	if !ok || !isName(name) {
		return nil, fmt.Errorf("%.100q is not name=url, with letters, digits, - and _ in the name", field)
	}
	options := strings.Split(rest, ";")
	p := &Peer{Name: name, URL: options[0], guard: guard}
	for _, o := range options[1:] {
		switch o {
		case "deduplicates":
			p.Deduplicates = true
		case "adopt":
			p.Adopt = true
		default:
			return nil, fmt.Errorf("%s has %.64q, which is none of deduplicates and adopt", name, o)
		}
	}
	if u, err := url.Parse(p.URL); err == nil {
		p.guard = guard.With(u)
		if u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("of %s: url must not have a query", name)
		}
	}
	if err := p.guard.CheckURL(p.URL); err != nil {
		return nil, fmt.Errorf("of %s: %w", name, err)
	}
	return p, nil
}

// isName reports whether s can be a peer's name. All of it can be in a header's name, too.
func isName(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// header returns the header of credentials: "Name: value", or the value of Authorization.
func header(secret string) (http.Header, error) {
	name, value, ok := strings.Cut(secret, ": ")
	if !ok || !isName(name) {
		name, value = "Authorization", secret
	}
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, errors.New("it is empty, or has characters that no header may have")
	}
	return http.Header{http.CanonicalHeaderKey(name): {value}}, nil
}

// Names returns the names, sorted.
func (s Set) Names() []string { return slices.Sorted(maps.Keys(s)) }
