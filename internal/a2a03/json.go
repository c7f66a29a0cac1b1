package a2a03

import (
	"encoding/base64"

	legacy "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// The SDK's types marshal themselves, level by level, and each level copies what is below it. What
// is here has the same fields in the same order, and is encoded in one go.
type (
	taskJSON struct {
		Kind      string          `json:"kind"`
		ID        a2a.TaskID      `json:"id"`
		Artifacts []*artifactJSON `json:"artifacts,omitempty"`
		ContextID string          `json:"contextId"`
		History   []*messageJSON  `json:"history,omitempty"`
		Metadata  map[string]any  `json:"metadata,omitempty"`
		Status    statusJSON      `json:"status"`
	}
	statusUpdateJSON struct {
		Kind      string         `json:"kind"`
		ContextID string         `json:"contextId"`
		Final     bool           `json:"final"`
		TaskID    a2a.TaskID     `json:"taskId"`
		Metadata  map[string]any `json:"metadata,omitempty"`
		Status    statusJSON     `json:"status"`
	}
	artifactUpdateJSON struct {
		Kind      string         `json:"kind"`
		Append    bool           `json:"append,omitempty"`
		Artifact  *artifactJSON  `json:"artifact"`
		ContextID string         `json:"contextId"`
		LastChunk bool           `json:"lastChunk,omitempty"`
		TaskID    a2a.TaskID     `json:"taskId"`
		Metadata  map[string]any `json:"metadata,omitempty"`
	}
	statusJSON struct {
		Message   *messageJSON     `json:"message,omitempty"`
		State     legacy.TaskState `json:"state"`
		Timestamp string           `json:"timestamp,omitempty"`
	}
	messageJSON struct {
		Kind           string             `json:"kind"`
		ID             string             `json:"messageId"`
		ContextID      string             `json:"contextId,omitempty"`
		Extensions     []string           `json:"extensions,omitempty"`
		Metadata       map[string]any     `json:"metadata,omitempty"`
		Parts          []any              `json:"parts"`
		ReferenceTasks []a2a.TaskID       `json:"referenceTaskIds,omitempty"`
		Role           legacy.MessageRole `json:"role"`
		TaskID         a2a.TaskID         `json:"taskId,omitempty"`
	}
	artifactJSON struct {
		ID          a2a.ArtifactID `json:"artifactId"`
		Description string         `json:"description,omitempty"`
		Extensions  []string       `json:"extensions,omitempty"`
		Metadata    map[string]any `json:"metadata,omitempty"`
		Name        string         `json:"name,omitempty"`
		Parts       []any          `json:"parts"`
	}
	textJSON struct {
		Kind     string         `json:"kind"`
		Text     a2a.Text       `json:"text"`
		Metadata map[string]any `json:"metadata,omitempty"`
	}
	dataJSON struct {
		Kind     string         `json:"kind"`
		Data     map[string]any `json:"data"`
		Metadata map[string]any `json:"metadata,omitempty"`
	}
	fileJSON struct {
		Kind     string         `json:"kind"`
		File     any            `json:"file"` // FileBytes or FileURI of the SDK for 0.3
		Metadata map[string]any `json:"metadata,omitempty"`
	}
)

func fromTask(t *a2a.Task) taskJSON {
	return taskJSON{"task", t.ID, each(t.Artifacts, fromArtifact), t.ContextID, each(t.History, fromMessage), t.Metadata, fromStatus(t.Status)}
}

func fromStatusUpdate(e *a2a.TaskStatusUpdateEvent) statusUpdateJSON {
	return statusUpdateJSON{"status-update", e.ContextID, tasklog.Final(e.Status.State), e.TaskID, e.Metadata, fromStatus(e.Status)}
}

func fromArtifactUpdate(e *a2a.TaskArtifactUpdateEvent) artifactUpdateJSON {
	return artifactUpdateJSON{"artifact-update", e.Append, fromArtifact(e.Artifact), e.ContextID, e.LastChunk, e.TaskID, e.Metadata}
}

func fromStatus(s a2a.TaskStatus) statusJSON {
	return statusJSON{fromMessage(s.Message), fromState(s.State), tasklog.Timestamp(s.Timestamp)}
}

func fromMessage(m *a2a.Message) *messageJSON {
	if m == nil {
		return nil
	}
	return &messageJSON{"message", m.ID, m.ContextID, m.Extensions, m.Metadata, fromParts(m.Parts), m.ReferenceTasks, fromRole(m.Role), m.TaskID}
}

func fromArtifact(a *a2a.Artifact) *artifactJSON {
	if a == nil {
		return nil
	}
	return &artifactJSON{a.ID, a.Description, a.Extensions, a.Metadata, a.Name, fromParts(a.Parts)}
}

// fromParts returns a list, also where there are none.
func fromParts(parts a2a.ContentParts) []any {
	list := make([]any, len(parts))
	for i, p := range parts {
		list[i] = fromPart(p)
	}
	return list
}

func fromPart(p *a2a.Part) any {
	file := legacy.FileMeta{MimeType: p.MediaType, Name: p.Filename}
	switch c := p.Content.(type) {
	case a2a.Text:
		return textJSON{"text", c, p.Metadata}
	case a2a.Raw:
		return fileJSON{"file", legacy.FileBytes{FileMeta: file, Bytes: base64.StdEncoding.EncodeToString(c)}, p.Metadata}
	case a2a.URL:
		return fileJSON{"file", legacy.FileURI{FileMeta: file, URI: string(c)}, p.Metadata}
	case a2a.Data:
		if isBare(p) {
			return fromPart(wrap(p))
		}
		object, _ := c.Value.(map[string]any)
		return dataJSON{"data", object, p.Metadata}
	}
	return dataJSON{"data", map[string]any{"value": p}, p.Metadata}
}
