package bedrock

import "github.com/a2aproject/a2a-go/v2/a2a"

// Card returns the agent's card without interfaces.
func Card() *a2a.AgentCard {
	return &a2a.AgentCard{
		Name:               "Bedrock Agent",
		Description:        "Answers with a large language model, and remembers the conversation of a context",
		Version:            "1.0.0",
		DefaultInputModes:  []string{"text/plain"},
		DefaultOutputModes: []string{"text/plain"},
		Capabilities:       a2a.AgentCapabilities{Streaming: true},
		Skills: []a2a.AgentSkill{{
			ID:          "chat",
			Name:        "Conversation",
			Description: "Answers questions as they are asked, one task each; those with the same contextId are one conversation",
			Tags:        []string{"chat", "llm", "streaming"},
			Examples:    []string{"What is an event log, in two sentences?", "And in one?"},
		}},
	}
}
