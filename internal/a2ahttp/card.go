package a2ahttp

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/protojson"
)

// maxCards is how many cards are kept in memory. A server has one base URL or a few, but one that is not on Lambda takes its own
// from the Host header, which clients choose.
const maxCards = 64

// cards are the documents that were made so far.
type cards struct {
	mu   sync.Mutex
	made map[cardKey][]byte
}

// cardKey names a document: a card, in a shape, for a base URL.
type cardKey struct {
	card   *a2a.AgentCard
	merged bool // for clients of both versions, else 1.0
	base   string
}

// card serves the public card, as clients of both versions read it. Specification 1.0, 8.6: caching.
func (h *handler) card(w http.ResponseWriter, r *http.Request) {
	observationOf(r).operation = "GetAgentCard" // which the specification has no name for
	data, err := h.cardJSON(cardKey{h.Server.Card, true, h.BaseURL(r)})
	if err != nil {
		h.Logger.ErrorContext(r.Context(), "request failed", "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	serveJSON(w, r, data)
}

// extendedCard answers with the card for authenticated callers: specification 1.0, 3.1.11 and 13.3.
func (c *call) extendedCard(*protojson.Reader) {
	switch {
	case c.Extended == nil && c.dialect.version == v03.version:
		c.fail(a2a.ErrExtendedCardNotConfigured)
		return
	case c.Extended == nil:
		c.fail(a2a.ErrUnsupportedOperation)
		return
	}
	data, err := c.cardJSON(cardKey{c.Extended, c.dialect.version == v03.version, c.BaseURL(c.r)})
	if err != nil {
		c.fail(err)
		return
	}
	c.w.Header().Set("Cache-Control", "private, max-age=300")
	c.reply(data)
}

func (h *handler) cardJSON(key cardKey) ([]byte, error) {
	h.cards.mu.Lock()
	defer h.cards.mu.Unlock()
	if data, ok := h.cards.made[key]; ok {
		return data, nil
	}
	data, err := h.newCard(key)
	if err != nil {
		return nil, fmt.Errorf("agent card: %w", err)
	}
	if len(h.cards.made) >= maxCards || h.cards.made == nil {
		h.cards.made = make(map[cardKey][]byte)
	}
	h.cards.made[key] = data
	return data, nil
}

// newCard makes the document, signed if there is a signer.
func (h *handler) newCard(key cardKey) ([]byte, error) {
	card := *key.card
	card.Capabilities.Streaming = true // whatever the agent is
	card.Capabilities.ExtendedAgentCard = h.Extended != nil
	card.Capabilities.PushNotifications = h.Server.Push != nil
	card.SupportedInterfaces, card.Signatures = nil, nil
	for _, version := range []string{v1.version, v03.version} {
		for _, binding := range []a2a.TransportProtocol{a2a.TransportProtocolJSONRPC, a2a.TransportProtocolHTTPJSON} {
			card.SupportedInterfaces = append(card.SupportedInterfaces, &a2a.AgentInterface{
				URL: key.base, ProtocolBinding: binding, ProtocolVersion: a2a.ProtocolVersion(version),
			})
		}
	}
	data, err := json.Marshal(&card)
	if err != nil {
		return nil, err
	}
	served, err := document(data)
	if err == nil && key.merged {
		err = merge(served)
	}
	if err != nil {
		return nil, err
	}
	spellRequirements(served)
	if h.Signer != nil {
		// Who verifies has either parsed the card, and knows only the fields of 1.0, or has the document.
		pure, err := document(data)
		if err != nil {
			return nil, err
		}
		for _, doc := range withSkills(pure) {
			doc["securityRequirements"] = inProtoJSON(doc["securityRequirements"])
		}
		first, err := h.Signer.sign(parsed(pure), key.base)
		if err != nil {
			return nil, err
		}
		second, err := h.Signer.sign(served, key.base)
		if err != nil {
			return nil, err
		}
		served = maps.Clone(served)
		served["signatures"] = []a2a.AgentCardSignature{first, second}
	}
	data, err = json.MarshalIndent(served, "", "  ")
	return jsonline.Clean(data), err
}

// merge adds to a card of 1.0 the fields that 0.3 has elsewhere, so that clients of both versions can read it.
func merge(doc map[string]any) error {
	doc["protocolVersion"] = "0.3.0" // the only one of 0.3, and its schema has three numbers
	// The main interface is among the additional ones too, for completeness (specification 0.3, 5.6.2).
	var interfaces []any
	all, _ := doc["supportedInterfaces"].([]any)
	for _, i := range all {
		if i, _ := i.(map[string]any); i["protocolVersion"] == v03.version {
			interfaces = append(interfaces, map[string]any{"url": i["url"], "transport": i["protocolBinding"]})
			if len(interfaces) == 1 {
				doc["url"], doc["preferredTransport"] = i["url"], i["protocolBinding"]
			}
		}
	}
	doc["additionalInterfaces"] = interfaces
	// The SDK's type has no field for it: a task keeps the messages of all its states.
	if capabilities, ok := doc["capabilities"].(map[string]any); ok {
		capabilities["stateTransitionHistory"] = true
		if capabilities["extendedAgentCard"] == true {
			doc["supportsAuthenticatedExtendedCard"] = true
		}
	}
	for _, d := range withSkills(doc) {
		addSecurity(d)
	}
	schemes, _ := doc["securitySchemes"].(map[string]any)
	for name, scheme := range schemes {
		scheme, _ := scheme.(map[string]any)
		if !addType(scheme) {
			return fmt.Errorf("no 0.3 shape of the security scheme %q", name)
		}
	}
	return nil
}

// withSkills returns the objects of a card that may have security requirements: itself and its skills.
func withSkills(card map[string]any) []map[string]any {
	all := []map[string]any{card}
	skills, _ := card["skills"].([]any)
	for _, skill := range skills {
		if skill, ok := skill.(map[string]any); ok {
			all = append(all, skill)
		}
	}
	return all
}

// spellRequirements writes the security requirements so that as many clients as possible can read them, and all of them the card.
//
// The SDK for Go writes and reads the scopes of a scheme as an array, where ProtoJSON has an object: {"list":[…]}. Each of the
// two fails to read a whole card for the other's form of that one field, so there is no form for securityRequirements, its name.
// Parsers of ProtoJSON also read a field by its name in the protocol buffers, security_requirements: there they find their form.
// Go's parser ignores the case of names, which ProtoJSON does not. Who looks for securityRequirements in the JSON itself finds only
// the fields of 0.3 beside it. localtest/clients/testdata/cards.txt tells who reads what.
func spellRequirements(card map[string]any) {
	for _, doc := range withSkills(card) {
		if requirements, ok := doc["securityRequirements"]; ok {
			delete(doc, "securityRequirements")
			doc["SecurityRequirements"], doc["security_requirements"] = requirements, inProtoJSON(requirements)
		}
	}
}

// inProtoJSON returns the security requirements that the SDK has written as ProtoJSON has them.
func inProtoJSON(requirements any) (converted []any) {
	all, _ := requirements.([]any)
	for _, r := range all {
		r, _ := r.(map[string]any)
		of, _ := r["schemes"].(map[string]any)
		schemes := map[string]any{}
		for name, scopes := range of {
			schemes[name] = map[string]any{"list": scopes}
		}
		converted = append(converted, map[string]any{"schemes": schemes})
	}
	return converted
}

// addSecurity adds the security requirements of a card or a skill as 0.3 has them.
func addSecurity(doc map[string]any) {
	var security []any
	requirements, _ := doc["securityRequirements"].([]any)
	for _, r := range requirements {
		if r, ok := r.(map[string]any); ok {
			security = append(security, r["schemes"])
		}
	}
	if len(security) > 0 {
		doc["security"] = security
	}
}

// schemeTypes are the types of security schemes in 0.3, by what they are wrapped in in 1.0.
var schemeTypes = map[string]string{
	"apiKeySecurityScheme":        "apiKey",
	"httpAuthSecurityScheme":      "http",
	"mtlsSecurityScheme":          "mutualTLS",
	"oauth2SecurityScheme":        "oauth2",
	"openIdConnectSecurityScheme": "openIdConnect",
}

// addType adds to a security scheme its fields as 0.3 has them, not wrapped and with a type. Each version's parsers ignore what they
// don't know. It reports false if there is no such type.
func addType(scheme map[string]any) bool {
	for wrapper, kind := range schemeTypes {
		if fields, ok := scheme[wrapper].(map[string]any); ok {
			maps.Copy(scheme, fields)
			if kind == "apiKey" {
				scheme["in"] = fields["location"]
				delete(scheme, "location")
			}
			scheme["type"] = kind
			return true
		}
	}
	return false
}

// document returns the fields of a JSON document.
func document(data []byte) (map[string]any, error) {
	var fields map[string]any
	err := json.Unmarshal(data, &fields)
	return fields, err
}

// serveJSON serves a document that everybody may see and keep for five minutes, and then ask for again by its ETag.
func serveJSON(w http.ResponseWriter, r *http.Request, data []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(data)))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(append(data[:len(data):len(data)], '\n')))
}
