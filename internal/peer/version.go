package peer

import (
	"encoding/json"
	"net/http"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
)

// Old is what peers of A2A 0.3 need. See package old, which registers it.
type Old struct {
	// ParseCard parses the card of either version.
	ParseCard func(body []byte) (*a2a.AgentCard, error)
	// Version is the version of an interface.
	Version a2a.ProtocolVersion
	// Transports returns the transports over a client.
	Transports func(*http.Client) []a2aclient.FactoryOption
}

var old Old

// Register has peers speak A2A 0.3, too. It is called while the program starts.
func Register(o Old) { old = o }

// transports returns the transports of 0.3, if they are registered.
func (o Old) transports(c *http.Client) []a2aclient.FactoryOption {
	if o.Transports == nil {
		return nil
	}
	return o.Transports(c)
}

// card parses the card of either version.
func (o Old) card(body []byte) (*a2a.AgentCard, error) {
	if o.ParseCard == nil {
		card := new(a2a.AgentCard)
		return card, json.Unmarshal(body, card)
	}
	card, err := o.ParseCard(body)
	if err != nil || len(card.SupportedInterfaces) > 0 {
		return card, err
	}
	// In 0.3, preferredTransport may be missing, and is JSONRPC then (0.3.0, 5.6.1).
	var bare struct{ URL, ProtocolVersion string }
	if json.Unmarshal(body, &bare) == nil && bare.URL != "" {
		card.SupportedInterfaces = []*a2a.AgentInterface{
			{URL: bare.URL, ProtocolBinding: a2a.TransportProtocolJSONRPC, ProtocolVersion: o.Version},
		}
	}
	return card, nil
}
