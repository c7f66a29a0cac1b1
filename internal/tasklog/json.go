package tasklog

import (
	"github.com/a2aproject/a2a-go/v2/a2a"
)

// The SDK's types marshal themselves, part by part and list by list: each level copies what is below it, with six bytes for each <,
// and a time comes out as it is, in any zone and to the nanosecond. What is here has the same fields in the same order
// (TestEncodeAsSDK), and is encoded in one go.
type (
	taskJSON struct {
		ID        a2a.TaskID      `json:"id"`
		Artifacts []*artifactJSON `json:"artifacts,omitempty"`
		ContextID string          `json:"contextId"`
		History   []*messageJSON  `json:"history,omitempty"`
		Metadata  map[string]any  `json:"metadata,omitempty"`
		Status    statusJSON      `json:"status"`
	}
	statusUpdateJSON struct {
		ContextID string         `json:"contextId"`
		TaskID    a2a.TaskID     `json:"taskId"`
		Metadata  map[string]any `json:"metadata,omitempty"`
		Status    statusJSON     `json:"status"`
	}
	artifactUpdateJSON struct {
		Append    bool           `json:"append,omitempty"`
		Artifact  *artifactJSON  `json:"artifact"`
		ContextID string         `json:"contextId"`
		LastChunk bool           `json:"lastChunk,omitempty"`
		TaskID    a2a.TaskID     `json:"taskId"`
		Metadata  map[string]any `json:"metadata,omitempty"`
	}
	statusJSON struct {
		Message   *messageJSON  `json:"message,omitempty"`
		State     a2a.TaskState `json:"state"`
		Timestamp string        `json:"timestamp,omitempty"`
	}
	messageJSON struct {
		ID             string          `json:"messageId"`
		ContextID      string          `json:"contextId,omitempty"`
		Extensions     []string        `json:"extensions,omitempty"`
		Metadata       map[string]any  `json:"metadata,omitempty"`
		Parts          []*partJSON     `json:"parts"`
		ReferenceTasks []a2a.TaskID    `json:"referenceTaskIds,omitempty"`
		Role           a2a.MessageRole `json:"role"`
		TaskID         a2a.TaskID      `json:"taskId,omitempty"`
	}
	artifactJSON struct {
		ID          a2a.ArtifactID `json:"artifactId"`
		Description string         `json:"description,omitempty"`
		Extensions  []string       `json:"extensions,omitempty"`
		Metadata    map[string]any `json:"metadata,omitempty"`
		Name        string         `json:"name,omitempty"`
		Parts       []*partJSON    `json:"parts"`
	}
	partJSON struct {
		Text      *a2a.Text      `json:"text,omitempty"`
		Raw       *a2a.Raw       `json:"raw,omitempty"`
		Data      *any           `json:"data,omitempty"`
		URL       a2a.URL        `json:"url,omitempty"`
		Filename  string         `json:"filename,omitempty"`
		MediaType string         `json:"mediaType,omitempty"`
		Metadata  map[string]any `json:"metadata,omitempty"`
	}
)

func jsonOfTask(t *a2a.Task) *taskJSON {
	return &taskJSON{t.ID, each(t.Artifacts, jsonOfArtifact), t.ContextID, each(t.History, jsonOfMessage), t.Metadata, jsonOfStatus(t.Status)}
}

func jsonOfStatus(s a2a.TaskStatus) statusJSON {
	return statusJSON{jsonOfMessage(s.Message), s.State, Timestamp(s.Timestamp)}
}

func jsonOfMessage(m *a2a.Message) *messageJSON {
	if m == nil {
		return nil
	}
	return &messageJSON{m.ID, m.ContextID, m.Extensions, m.Metadata, each(m.Parts, jsonOfPart), m.ReferenceTasks, m.Role, m.TaskID}
}

func jsonOfArtifact(a *a2a.Artifact) *artifactJSON {
	if a == nil {
		return nil
	}
	return &artifactJSON{a.ID, a.Description, a.Extensions, a.Metadata, a.Name, each(a.Parts, jsonOfPart)}
}

func jsonOfPart(p *a2a.Part) *partJSON {
	if p == nil {
		return nil
	}
	j := &partJSON{Filename: p.Filename, MediaType: p.MediaType, Metadata: p.Metadata}
	switch c := p.Content.(type) {
	case a2a.Text:
		j.Text = &c
	case a2a.Raw:
		j.Raw = &c
	case a2a.Data:
		j.Data = &c.Value
	case a2a.URL:
		j.URL = c
	}
	return j
}

// each returns what f makes of the members; of nil, nil.
func each[From, To any, S ~[]From](s S, f func(From) To) []To {
	if s == nil {
		return nil
	}
	to := make([]To, len(s))
	for i := range s {
		to[i] = f(s[i])
	}
	return to
}
