// Package agentcard makes the documents that describe an agent: its card, and the public keys of
// the card's signatures.
//
// One document serves clients of both versions of the protocol. It is a card of 1.0, to which
// [merge] adds the fields that 0.3 has elsewhere. Parsers ignore the other version's fields. There
// is a field of which two parsers of 1.0 refuse each other's form: it is there in both forms, under
// names that only one of them reads (see [spellRequirements]).
//
// A card has two signatures (specification 1.0, 8.4), since clients verify it in two ways. A client
// that has parsed the card knows only the fields of 1.0 and has dropped what is empty: the first
// signature is over what is left then. A client that keeps the document verifies the second, over
// all of it without the signatures. Both are over RFC 8785's canonical JSON.
package agentcard

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
)

// maxCards is how many cards are kept in memory. On Lambda a server has few base URLs. Elsewhere
// they come from the Host header, which clients choose.
const maxCards = 64

// Config is what an agent's cards consist of. Only Public is required.
type Config struct {
	// Public is the card for everybody, without interfaces.
	Public *a2a.AgentCard
	// Extended is the card for authenticated callers. If nil, there is none.
	Extended *a2a.AgentCard
	// PushNotifications says that the agent sends them.
	PushNotifications bool
	// OnlyRPC says that requests of HTTP+JSON do not reach the agent, only those of JSON-RPC.
	OnlyRPC bool
	// Signer signs the cards. If nil, they have no signatures.
	Signer *Signer
}

// Cards makes and keeps the documents of an agent's cards.
type Cards struct {
	Config
	mu   sync.Mutex
	made map[document][]byte
}

// document names a document: a card, in a shape, for a base URL.
type document struct {
	card   *a2a.AgentCard
	merged bool // for clients of both versions, else of 1.0 only
	base   string
}

// New returns the cards of an agent.
func New(c Config) *Cards { return &Cards{Config: c, made: map[document][]byte{}} }

// PublicJSON returns the public card's document, for clients of both versions that reach the agent
// at the base URL, which ends in a slash.
func (c *Cards) PublicJSON(base string) ([]byte, error) {
	return c.json(document{c.Public, true, base})
}

// ExtendedJSON returns the extended card's document, for clients of 1.0, or, merged, of 0.3. There
// must be such a card.
func (c *Cards) ExtendedJSON(base string, merged bool) ([]byte, error) {
	return c.json(document{c.Extended, merged, base})
}

func (c *Cards) json(d document) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if data, ok := c.made[d]; ok {
		return data, nil
	}
	data, err := c.make(d)
	if err != nil {
		return nil, fmt.Errorf("agent card: %w", err)
	}
	if len(c.made) >= maxCards {
		clear(c.made)
	}
	c.made[d] = data
	return data, nil
}

// make makes the document, signed if there is a signer.
func (c *Cards) make(d document) ([]byte, error) {
	card := *d.card
	card.Capabilities.Streaming = true // every agent's events are streamed
	card.Capabilities.ExtendedAgentCard = c.Extended != nil
	card.Capabilities.PushNotifications = c.PushNotifications
	card.SupportedInterfaces, card.Signatures = nil, nil
	bindings := []a2a.TransportProtocol{a2a.TransportProtocolJSONRPC, a2a.TransportProtocolHTTPJSON}
	if c.OnlyRPC {
		bindings = bindings[:1]
	}
	for _, version := range []a2a.ProtocolVersion{"1.0", "0.3"} {
		for _, binding := range bindings {
			card.SupportedInterfaces = append(card.SupportedInterfaces, &a2a.AgentInterface{
				URL: d.base, ProtocolBinding: binding, ProtocolVersion: version,
			})
		}
	}
	data, err := json.Marshal(&card)
	if err != nil {
		return nil, err
	}
	served, err := fields(data)
	if err == nil && d.merged {
		err = merge(served)
	}
	if err != nil {
		return nil, err
	}
	spellRequirements(served)
	if c.Signer != nil {
		pure, err := fields(data)
		if err != nil {
			return nil, err
		}
		for _, object := range withSkills(pure) {
			object["securityRequirements"] = inProtoJSON(object["securityRequirements"])
		}
		// The Python and JavaScript SDKs verify a parsed card of 1.0, and drop what is empty.
		parsed, _ := nonempty(pure).(map[string]any)
		first, err := c.Signer.sign(parsed, d.base)
		if err != nil {
			return nil, err
		}
		second, err := c.Signer.sign(served, d.base)
		if err != nil {
			return nil, err
		}
		served["signatures"] = []a2a.AgentCardSignature{first, second}
	}
	data, err = json.MarshalIndent(served, "", "  ")
	return jsonline.Clean(data), err
}

// fields returns the fields of a JSON document.
func fields(data []byte) (map[string]any, error) {
	var fields map[string]any
	err := json.Unmarshal(data, &fields)
	return fields, err
}
