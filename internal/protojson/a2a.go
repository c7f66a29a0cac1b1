package protojson

import (
	"encoding/json"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Roles and States are the names of the enums, in the order of their numbers: specification 1.0, 4.1.3 and 4.1.5.
var (
	Roles  = []string{"ROLE_UNSPECIFIED", "ROLE_USER", "ROLE_AGENT"}
	States = []string{
		"TASK_STATE_UNSPECIFIED", "TASK_STATE_SUBMITTED", "TASK_STATE_WORKING", "TASK_STATE_COMPLETED", "TASK_STATE_FAILED",
		"TASK_STATE_CANCELED", "TASK_STATE_INPUT_REQUIRED", "TASK_STATE_REJECTED", "TASK_STATE_AUTH_REQUIRED",
	}
)

var (
	messageFields  = FieldsOf("messageId", "contextId", "taskId", "role", "parts", "metadata", "extensions", "referenceTaskIds")
	partFields     = FieldsOf("text", "raw", "url", "data", "metadata", "filename", "mediaType")
	artifactFields = FieldsOf("artifactId", "name", "description", "parts", "metadata", "extensions")
	statusFields   = FieldsOf("state", "message", "timestamp")
	taskFields     = FieldsOf("id", "contextId", "status", "artifacts", "history", "metadata")
	updateFields   = FieldsOf("taskId", "contextId", "status", "artifact", "append", "lastChunk", "metadata")
	eventFields    = FieldsOf("task", "message", "statusUpdate", "artifactUpdate")
)

// Role reads a role.
func (r *Reader) Role() a2a.MessageRole { return a2a.MessageRole(r.enum(Roles)) }

// State reads the state of a task.
func (r *Reader) State() a2a.TaskState {
	if r.States != nil {
		return a2a.TaskState(r.enum(r.States))
	}
	return a2a.TaskState(r.enum(States))
}

// enum reads a name, which for the SDK is "" if it is the first. An agent may have had others stored.
func (r *Reader) enum(names []string) (name string) {
	if r.Stored {
		name = r.String()
	} else {
		name = r.Enum(names)
	}
	if name == names[0] {
		return ""
	}
	return name
}

// Message reads a message.
func (r *Reader) Message() *a2a.Message {
	m := new(a2a.Message)
	for name := range r.Members(messageFields) {
		switch name {
		case "messageId":
			m.ID = r.String()
		case "contextId":
			m.ContextID = r.String()
		case "taskId":
			m.TaskID = a2a.TaskID(r.String())
		case "role":
			m.Role = r.Role()
		case "parts":
			m.Parts = r.parts()
		case "metadata":
			m.Metadata = r.Object()
		case "extensions":
			m.Extensions = Strings[string](r)
		case "referenceTaskIds":
			m.ReferenceTasks = Strings[a2a.TaskID](r)
		}
	}
	return m
}

func (r *Reader) parts() a2a.ContentParts {
	parts := a2a.ContentParts{}
	for range r.Elements() {
		parts = append(parts, r.part())
	}
	return parts
}

func (r *Reader) part() *a2a.Part {
	p := new(a2a.Part)
	content := "" // the name of the field
	for name := range r.Members(partFields) {
		switch name {
		case "metadata":
			p.Metadata = r.Object()
			continue
		case "filename":
			p.Filename = r.String()
			continue
		case "mediaType":
			p.MediaType = r.String()
			continue
		}
		if content != "" {
			r.Fail("is there beside %s: a part has one of text, raw, url and data", content)
			continue
		}
		switch content = name; name {
		case "text":
			p.Content = a2a.Text(r.String())
		case "raw":
			p.Content = a2a.Raw(r.Bytes())
		case "url":
			p.Content = a2a.URL(r.String())
		case "data":
			p.Content = a2a.Data{Value: r.Any()}
		}
	}
	if content == "" {
		r.Fail("has none of text, raw, url and data that is not null")
	}
	return p
}

func (r *Reader) artifact() *a2a.Artifact {
	a := new(a2a.Artifact)
	for name := range r.Members(artifactFields) {
		switch name {
		case "artifactId":
			a.ID = a2a.ArtifactID(r.String())
		case "name":
			a.Name = r.String()
		case "description":
			a.Description = r.String()
		case "parts":
			a.Parts = r.parts()
		case "metadata":
			a.Metadata = r.Object()
		case "extensions":
			a.Extensions = Strings[string](r)
		}
	}
	return a
}

func (r *Reader) status() (s a2a.TaskStatus) {
	for name := range r.Members(statusFields) {
		switch name {
		case "state":
			s.State = r.State()
		case "message":
			s.Message = r.Message()
		case "timestamp":
			s.Timestamp = r.Time()
		}
	}
	return s
}

func (r *Reader) task() *a2a.Task {
	t := new(a2a.Task)
	for name := range r.Members(taskFields) {
		switch name {
		case "id":
			t.ID = a2a.TaskID(r.String())
		case "contextId":
			t.ContextID = r.String()
		case "status":
			t.Status = r.status()
		case "artifacts":
			t.Artifacts = []*a2a.Artifact{}
			for range r.Elements() {
				t.Artifacts = append(t.Artifacts, r.artifact())
			}
		case "history":
			t.History = []*a2a.Message{}
			for range r.Elements() {
				t.History = append(t.History, r.Message())
			}
		case "metadata":
			t.Metadata = r.Object()
		}
	}
	return t
}

func (r *Reader) statusUpdate() *a2a.TaskStatusUpdateEvent {
	e := new(a2a.TaskStatusUpdateEvent)
	for name := range r.Members(updateFields) {
		switch name {
		case "taskId":
			e.TaskID = a2a.TaskID(r.String())
		case "contextId":
			e.ContextID = r.String()
		case "status":
			e.Status = r.status()
		case "metadata":
			e.Metadata = r.Object()
		}
	}
	return e
}

func (r *Reader) artifactUpdate() *a2a.TaskArtifactUpdateEvent {
	e := new(a2a.TaskArtifactUpdateEvent)
	for name := range r.Members(updateFields) {
		switch name {
		case "taskId":
			e.TaskID = a2a.TaskID(r.String())
		case "contextId":
			e.ContextID = r.String()
		case "artifact":
			e.Artifact = r.artifact()
		case "append":
			e.Append = r.Bool()
		case "lastChunk":
			e.LastChunk = r.Bool()
		case "metadata":
			e.Metadata = r.Object()
		}
	}
	return e
}

// Event returns the event of a StreamResponse that was stored.
func Event(data []byte) (a2a.Event, error) {
	var events []a2a.Event
	r, err := stored(data)
	if err != nil {
		return nil, err
	}
	for name := range r.Members(eventFields) {
		var e a2a.Event
		switch name {
		case "task":
			e = r.task()
		case "message":
			e = r.Message()
		case "statusUpdate":
			e = r.statusUpdate()
		case "artifactUpdate":
			e = r.artifactUpdate()
		}
		events = append(events, e)
	}
	switch {
	case r.err != nil:
		return nil, r.err
	case len(events) != 1:
		return nil, fmt.Errorf("%d events, want one", len(events))
	}
	return events[0], nil
}

// Metadata returns an object without a schema that was stored.
func Metadata(data []byte) (map[string]any, error) {
	r, err := stored(data)
	if err != nil {
		return nil, err
	}
	object := r.Object()
	return object, r.Err()
}

func stored(data []byte) (*Reader, error) {
	if !json.Valid(data) {
		return nil, ErrSyntax
	}
	r := NewReader(data)
	r.Stored = true
	return r, nil
}
