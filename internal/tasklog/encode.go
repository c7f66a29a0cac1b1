package tasklog

import (
	"encoding/json"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/protojson"
)

// Encode returns the JSON of a StreamResponse that holds the event, on one line (see package
// jsonline). Timestamps are as specification 5.6.1 wants them: UTC, to the millisecond. Encode
// returns an error for an event that [Decode] would refuse: a log with such an event could never be
// read again.
func Encode(e a2a.Event) ([]byte, error) {
	var wrapped any
	var err error
	switch e := e.(type) {
	case *a2a.TaskStatusUpdateEvent:
		err = checkMessage(e.Status.Message)
		wrapped = struct {
			StatusUpdate protojson.StatusUpdate `json:"statusUpdate"`
		}{protojson.V1.StatusUpdate(e)}
	case *a2a.TaskArtifactUpdateEvent:
		err = checkParts(e.Artifact.Parts)
		wrapped = struct {
			ArtifactUpdate protojson.ArtifactUpdate `json:"artifactUpdate"`
		}{protojson.V1.ArtifactUpdate(e)}
	case *a2a.Task:
		err = checkTask(e)
		wrapped = struct {
			Task *protojson.Task `json:"task"`
		}{protojson.V1.Task(e)}
	case *a2a.Message:
		wrapped = struct {
			Message *protojson.Message `json:"message"`
		}{protojson.V1.Message(e)}
	default:
		wrapped = a2a.StreamResponse{Event: e}
	}
	if err != nil {
		return nil, err
	}
	return jsonline.Marshal(wrapped)
}

// EncodeTask returns the JSON of the Task object, with timestamps as in [Encode].
func EncodeTask(t *a2a.Task) ([]byte, error) { return jsonline.Marshal(protojson.V1.Task(t)) }

// EncodeParts returns the JSON of a list of parts, as [Encode] writes it.
func EncodeParts(parts a2a.ContentParts) ([]byte, error) {
	return jsonline.Marshal(protojson.V1.Parts(parts))
}

// EncodedSize returns the length of the message's JSON, as [Encode] writes it.
func EncodedSize(m *a2a.Message) (int, error) {
	data, err := jsonline.Marshal(protojson.V1.Message(m))
	return len(data), err
}

// HasContent reports whether the part has content that JSON keeps. A nil content, an empty URL, and
// data that is null in JSON are no content.
func HasContent(p *a2a.Part) bool {
	if p == nil {
		return false
	}
	switch c := p.Content.(type) {
	case a2a.Text:
		return true
	case a2a.Raw:
		return c != nil
	case a2a.URL:
		return c != ""
	case a2a.Data:
		return !isNull(c.Value)
	}
	return false
}

// isNull reports whether the JSON of a value is null.
func isNull(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return v == nil
	case []any:
		return v == nil
	case string, bool, float64:
		return false
	}
	data, err := json.Marshal(v)
	return err == nil && string(data) == "null"
}

// checkTask returns an error for a task with a part that has no content.
func checkTask(t *a2a.Task) error {
	for _, a := range t.Artifacts {
		if err := checkParts(a.Parts); err != nil {
			return err
		}
	}
	for _, m := range t.History {
		if err := checkMessage(m); err != nil {
			return err
		}
	}
	return checkMessage(t.Status.Message)
}

func checkMessage(m *a2a.Message) error {
	if m == nil {
		return nil
	}
	return checkParts(m.Parts)
}

func checkParts(parts a2a.ContentParts) error {
	for i, p := range parts {
		if !HasContent(p) {
			return fmt.Errorf("part %d has no content: %w", i, a2a.ErrInvalidAgentResponse)
		}
	}
	return nil
}

// Decode is the inverse of [Encode]. Numbers in metadata and data parts that a float64 would change
// are of type [json.Number].
func Decode(data []byte) (a2a.Event, error) {
	event, err := protojson.Event(data)
	if err != nil {
		return nil, fmt.Errorf("decoding event: %w", err)
	}
	return event, nil
}
