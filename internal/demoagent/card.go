package demoagent

import "github.com/a2aproject/a2a-go/v2/a2a"

// Card returns the agent's card without interfaces: the agent does not know its URL.
func Card() *a2a.AgentCard {
	return &a2a.AgentCard{
		Name:               "Streaming Demo Agent",
		Description:        "Demonstrates official A2A streaming patterns with TaskUpdater",
		Version:            "1.0.0",
		DefaultInputModes:  []string{"text/plain", "text/markdown", "text/html", "text/csv"},
		DefaultOutputModes: []string{"text/plain", "text/markdown"},
		Capabilities:       a2a.AgentCapabilities{Streaming: true},
		Skills: []a2a.AgentSkill{{
			ID:          "streaming_response",
			Name:        "Streaming Response Generator",
			Description: "Generates real-time streaming responses with status updates",
			Tags:        []string{"streaming", "real-time", "status-updates"},
			Examples:    []string{"Process my request", "Stream me a response"},
		}},
	}
}

// ExtendedCard returns the card for authenticated callers, with one more skill.
func ExtendedCard() *a2a.AgentCard {
	card := Card()
	card.Skills = append(card.Skills, a2a.AgentSkill{
		ID:          "asks_for_input",
		Name:        "Input Request",
		Description: "Asks for a text when a message has none, and processes the answer in the same task",
		Tags:        []string{"input-required", "multi-turn"},
	})
	return card
}
