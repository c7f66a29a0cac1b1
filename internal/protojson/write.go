package protojson

import (
	"encoding/json"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// The SDK's types marshal themselves, part by part and list by list. Each level copies the levels
// below it and writes six bytes for each <, and a time keeps its zone and its nanoseconds. These
// types have the same fields in the same order, and are encoded at once. Tests in packages tasklog
// (1.0) and a2a03 (0.3 in JSON-RPC) compare them with the SDK's.
type (
	// Task is the Task object.
	Task struct {
		Kind      string         `json:"kind,omitempty"` // 0.3 only, like every Kind
		ID        a2a.TaskID     `json:"id"`
		Artifacts []*artifact    `json:"artifacts,omitempty"`
		ContextID string         `json:"contextId"`
		History   []*Message     `json:"history,omitempty"`
		Metadata  map[string]any `json:"metadata,omitempty"`
		Status    status         `json:"status"`
	}
	// StatusUpdate is the TaskStatusUpdateEvent object.
	StatusUpdate struct {
		Kind      string         `json:"kind,omitempty"`
		ContextID string         `json:"contextId"`
		Final     any            `json:"final,omitempty"` // a bool in 0.3
		TaskID    a2a.TaskID     `json:"taskId"`
		Metadata  map[string]any `json:"metadata,omitempty"`
		Status    status         `json:"status"`
	}
	// ArtifactUpdate is the TaskArtifactUpdateEvent object.
	ArtifactUpdate struct {
		Kind      string         `json:"kind,omitempty"`
		Append    bool           `json:"append,omitempty"`
		Artifact  *artifact      `json:"artifact"`
		ContextID string         `json:"contextId"`
		LastChunk bool           `json:"lastChunk,omitempty"`
		TaskID    a2a.TaskID     `json:"taskId"`
		Metadata  map[string]any `json:"metadata,omitempty"`
	}
	// Message is the Message object.
	Message struct {
		Kind           string         `json:"kind,omitempty"`
		ID             string         `json:"messageId"`
		ContextID      string         `json:"contextId,omitempty"`
		Extensions     []string       `json:"extensions,omitempty"`
		Metadata       map[string]any `json:"metadata,omitempty"`
		Parts          []*Part        `json:"parts"`
		ReferenceTasks []a2a.TaskID   `json:"referenceTaskIds,omitempty"`
		Role           string         `json:"role"`
		TaskID         a2a.TaskID     `json:"taskId,omitempty"`
	}
	// Part is the Part object, which has one of Text, Raw, Data, URL and File.
	Part struct {
		Kind      string         `json:"kind,omitempty"`
		Text      any            `json:"text,omitempty"` // an [a2a.Text]
		Raw       any            `json:"raw,omitempty"`  // an [a2a.Raw]
		Data      any            `json:"data,omitempty"`
		URL       a2a.URL        `json:"url,omitempty"`
		File      any            `json:"file,omitempty"` // 0.3 only
		Filename  string         `json:"filename,omitempty"`
		MediaType string         `json:"mediaType,omitempty"`
		Metadata  map[string]any `json:"metadata,omitempty"`
	}
	artifact struct {
		ID          a2a.ArtifactID `json:"artifactId"`
		Description string         `json:"description,omitempty"`
		Extensions  []string       `json:"extensions,omitempty"`
		Metadata    map[string]any `json:"metadata,omitempty"`
		Name        string         `json:"name,omitempty"`
		Parts       []*Part        `json:"parts"`
	}
	status struct {
		Message   *Message `json:"message,omitempty"`
		State     string   `json:"state"`
		Timestamp string   `json:"timestamp,omitempty"`
	}
)

// Form is what differs between the versions of the protocol.
type Form struct {
	Kinds bool // objects say what they are, and a list of parts is never null
	State func(a2a.TaskState) string
	Role  func(a2a.MessageRole) string
	Part  func(*a2a.Part) *Part
}

// V1 is the form of 1.0.
var V1 = &Form{State: a2a.TaskState.String, Role: a2a.MessageRole.String, Part: partOf}

func (f *Form) kind(name string) string {
	if !f.Kinds {
		return ""
	}
	return name
}

// Task returns the task in a form to encode.
func (f *Form) Task(t *a2a.Task) *Task {
	return &Task{f.kind("task"), t.ID, Each(t.Artifacts, f.artifact), t.ContextID, Each(t.History, f.Message), t.Metadata, f.status(t.Status)}
}

// StatusUpdate returns the event in a form to encode, without what only 0.3 has.
func (f *Form) StatusUpdate(e *a2a.TaskStatusUpdateEvent) StatusUpdate {
	return StatusUpdate{f.kind("status-update"), e.ContextID, nil, e.TaskID, e.Metadata, f.status(e.Status)}
}

// ArtifactUpdate returns the event in a form to encode.
func (f *Form) ArtifactUpdate(e *a2a.TaskArtifactUpdateEvent) ArtifactUpdate {
	return ArtifactUpdate{f.kind("artifact-update"), e.Append, f.artifact(e.Artifact), e.ContextID, e.LastChunk, e.TaskID, e.Metadata}
}

// Message returns the message in a form to encode.
func (f *Form) Message(m *a2a.Message) *Message {
	if m == nil {
		return nil
	}
	return &Message{f.kind("message"), m.ID, m.ContextID, m.Extensions, m.Metadata, f.Parts(m.Parts), m.ReferenceTasks, f.Role(m.Role), m.TaskID}
}

// Parts returns the parts in a form to encode.
func (f *Form) Parts(parts a2a.ContentParts) []*Part {
	if parts == nil && f.Kinds {
		return []*Part{}
	}
	return Each(parts, f.Part)
}

func (f *Form) artifact(a *a2a.Artifact) *artifact {
	if a == nil {
		return nil
	}
	return &artifact{a.ID, a.Description, a.Extensions, a.Metadata, a.Name, f.Parts(a.Parts)}
}

func (f *Form) status(s a2a.TaskStatus) status {
	encoded := status{f.Message(s.Message), f.State(s.State), ""}
	if s.Timestamp != nil {
		encoded.Timestamp = s.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z") // specification 1.0, 5.6.1
	}
	return encoded
}

func partOf(p *a2a.Part) *Part {
	if p == nil {
		return nil
	}
	encoded := &Part{Filename: p.Filename, MediaType: p.MediaType, Metadata: p.Metadata}
	switch c := p.Content.(type) {
	case a2a.Text:
		encoded.Text = p.Content
	case a2a.Raw:
		encoded.Raw = p.Content
	case a2a.URL:
		encoded.URL = c
	case a2a.Data:
		if encoded.Data = c.Value; c.Value == nil {
			encoded.Data = json.RawMessage("null")
		}
	}
	return encoded
}

// Each returns f of each member; of nil, nil.
func Each[From, To any, S ~[]From](s S, f func(From) To) []To {
	if s == nil {
		return nil
	}
	to := make([]To, len(s))
	for i := range s {
		to[i] = f(s[i])
	}
	return to
}
