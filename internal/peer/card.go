package peer

import (
	"encoding/json"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// parseCard parses what a Peer needs of a card of either version: what the agent can do, and where.
func parseCard(body []byte) (*a2a.AgentCard, error) {
	var card struct {
		Name, Description   string
		Skills              []struct{ Name, Description string }
		Capabilities        a2a.AgentCapabilities
		SupportedInterfaces []*a2a.AgentInterface

		// Of 0.3: the agent's URL, and others. https://a2a-protocol.org/v0.3.0/specification/#55-agentcard-object-structure
		URL                  string
		ProtocolVersion      a2a.ProtocolVersion
		PreferredTransport   a2a.TransportProtocol
		AdditionalInterfaces []struct {
			URL       string
			Transport a2a.TransportProtocol
		}
	}
	if err := json.Unmarshal(body, &card); err != nil {
		return nil, err
	}
	if len(card.SupportedInterfaces) == 0 && card.URL != "" {
		if card.ProtocolVersion == "" {
			card.ProtocolVersion = version03
		}
		if card.PreferredTransport == "" {
			card.PreferredTransport = a2a.TransportProtocolJSONRPC // 0.3.0, 5.6.1
		}
		add := func(url string, transport a2a.TransportProtocol) {
			card.SupportedInterfaces = append(card.SupportedInterfaces,
				&a2a.AgentInterface{URL: url, ProtocolBinding: transport, ProtocolVersion: card.ProtocolVersion})
		}
		add(card.URL, card.PreferredTransport)
		for _, i := range card.AdditionalInterfaces {
			if i.URL != card.URL || i.Transport != card.PreferredTransport { // it may be there again
				add(i.URL, i.Transport)
			}
		}
	}
	made := &a2a.AgentCard{
		Name: card.Name, Description: card.Description, Capabilities: card.Capabilities, SupportedInterfaces: card.SupportedInterfaces,
	}
	for _, s := range card.Skills {
		made.Skills = append(made.Skills, a2a.AgentSkill{Name: s.Name, Description: s.Description})
	}
	return made, nil
}
