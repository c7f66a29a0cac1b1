package model

import (
	"github.com/a2aproject/a2a-go/v2/a2a"
)

// files are the media types of files that models may read, but for texts.
var files = []string{
	"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "application/msword", "application/vnd.ms-excel",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

// Card returns the card, without interfaces, of an agent with a model. It takes texts, and what files
// the model reads.
func Card(name string, m Model) *a2a.AgentCard {
	modes := []string{"text/plain", "text/markdown", "text/csv", "text/html"}
	for _, f := range files {
		if m.Reads(f) {
			modes = append(modes, f)
		}
	}
	return &a2a.AgentCard{
		Name:               name,
		Description:        "Answers with a large language model, and remembers the conversation of a context",
		Version:            "1.0.0",
		DefaultInputModes:  modes,
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
