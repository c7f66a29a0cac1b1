package a2a03

import (
	"encoding/base64"
	"fmt"

	legacy "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/protojson"
	"a2alambda/internal/tasklog"
)

var form = &protojson.Form{Kinds: true, State: fromState, Role: func(r a2a.MessageRole) string { return fromRole[r] }, Part: fromPart}

// EncodeTask returns the JSON of the Task object of 0.3.
func EncodeTask(t *a2a.Task) ([]byte, error) { return jsonline.Marshal(form.Task(t)) }

// encodeEvent returns the JSON of a task, or of an event of its stream. An event is final if the
// stream of a message ends with it (specification 0.3, 7.2.2), also if it asks for authentication.
func encodeEvent(event a2a.Event) ([]byte, error) {
	switch e := event.(type) {
	case *a2a.Task:
		return EncodeTask(e)
	case *a2a.TaskStatusUpdateEvent:
		update := form.StatusUpdate(e)
		update.Final = tasklog.Final(e.Status.State)
		return jsonline.Marshal(update)
	case *a2a.TaskArtifactUpdateEvent:
		return jsonline.Marshal(form.ArtifactUpdate(e))
	case *a2a.Message:
		return jsonline.Marshal(form.Message(e))
	}
	return nil, fmt.Errorf("0.3 has no %T", event)
}

func fromPart(p *a2a.Part) *protojson.Part {
	encoded := &protojson.Part{Kind: "data", Metadata: p.Metadata}
	file := legacy.FileMeta{MimeType: p.MediaType, Name: p.Filename}
	switch c := p.Content.(type) {
	case a2a.Text:
		encoded.Kind, encoded.Text = "text", p.Content
	case a2a.Raw:
		encoded.Kind, encoded.File = "file", legacy.FileBytes{FileMeta: file, Bytes: base64.StdEncoding.EncodeToString(c)}
	case a2a.URL:
		encoded.Kind, encoded.File = "file", legacy.FileURI{FileMeta: file, URI: string(c)}
	case a2a.Data:
		if isBare(p) {
			return fromPart(wrap(p))
		}
		encoded.Data = c.Value
	default:
		encoded.Data = map[string]any{"value": p}
	}
	return encoded
}

// EncodeMessage returns the JSON of the Message object of 0.3.
func EncodeMessage(m *a2a.Message) ([]byte, error) { return jsonline.Marshal(form.Message(m)) }

// EncodeStatus returns the JSON of the TaskStatus object of 0.3. It begins with the message, if any.
func EncodeStatus(s a2a.TaskStatus) ([]byte, error) {
	return jsonline.Marshal(form.StatusUpdate(&a2a.TaskStatusUpdateEvent{Status: s}).Status)
}

// EncodeArtifact returns the JSON of the Artifact object of 0.3. Its last member are the parts.
func EncodeArtifact(a *a2a.Artifact) ([]byte, error) {
	return jsonline.Marshal(form.ArtifactUpdate(&a2a.TaskArtifactUpdateEvent{Artifact: a}).Artifact)
}

// EncodePart returns the JSON of the Part object of 0.3.
func EncodePart(p *a2a.Part) ([]byte, error) { return jsonline.Marshal(fromPart(p)) }
