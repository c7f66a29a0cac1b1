package protojson

import (
	"encoding/json"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Roles and States are the enums' names, in the order of their numbers: specification 1.0, 4.1.3
// and 4.1.5.
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

	statusUpdateFields   = FieldsOf("taskId", "contextId", "status", "metadata")
	artifactUpdateFields = FieldsOf("taskId", "contextId", "artifact", "append", "lastChunk", "metadata")
	eventFields          = FieldsOf("task", "message", "statusUpdate", "artifactUpdate")
)

// object reads an object that is part of tasks and events, or else calls request.
func (r *Reader) object(target any) {
	switch v := target.(type) {
	case *a2a.Message:
		r.Fill(messageFields, &v.ID, &v.ContextID, &v.TaskID, &v.Role, &v.Parts, &v.Metadata, &v.Extensions, &v.ReferenceTasks)
	case *a2a.Part:
		r.part(v)
	case *a2a.Artifact:
		r.Fill(artifactFields, &v.ID, &v.Name, &v.Description, &v.Parts, &v.Metadata, &v.Extensions)
	case *a2a.TaskStatus:
		r.Fill(statusFields, &v.State, &v.Message, &v.Timestamp)
	case *a2a.Task:
		r.Fill(taskFields, &v.ID, &v.ContextID, &v.Status, &v.Artifacts, &v.History, &v.Metadata)
	case *a2a.TaskStatusUpdateEvent:
		r.Fill(statusUpdateFields, &v.TaskID, &v.ContextID, &v.Status, &v.Metadata)
	case *a2a.TaskArtifactUpdateEvent:
		r.Fill(artifactUpdateFields, &v.TaskID, &v.ContextID, &v.Artifact, &v.Append, &v.LastChunk, &v.Metadata)
	default:
		r.request(target)
	}
}

func (r *Reader) part(p *a2a.Part) {
	content := "" // the name of the field
	only := func(name string) {
		if content != "" {
			r.Fail("is there beside %s: a part has one of text, raw, url and data", content)
		}
		content = name
	}
	r.Fill(partFields,
		func() { only("text"); p.Content = a2a.Text(r.String()) },
		func() { only("raw"); p.Content = a2a.Raw(r.Bytes()) },
		func() { only("url"); p.Content = a2a.URL(r.String()) },
		func() { only("data"); p.Content = a2a.Data{Value: r.Any()} },
		&p.Metadata, &p.Filename, &p.MediaType)
	if content == "" {
		r.Fail("has none of text, raw, url and data that is not null")
	}
}

// Event returns the event of a stored StreamResponse.
func Event(data []byte) (a2a.Event, error) {
	var events []a2a.Event
	r, err := stored(data)
	if err != nil {
		return nil, err
	}
	r.Fill(eventFields,
		func() { events = append(events, Read[a2a.Task](r)) },
		func() { events = append(events, Read[a2a.Message](r)) },
		func() { events = append(events, Read[a2a.TaskStatusUpdateEvent](r)) },
		func() { events = append(events, Read[a2a.TaskArtifactUpdateEvent](r)) })
	switch {
	case r.err != nil:
		return nil, r.err
	case len(events) != 1:
		return nil, fmt.Errorf("%d events, want one", len(events))
	}
	return events[0], nil
}

// Metadata returns a stored object without a schema.
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
