package a2a03

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	legacy "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/protojson"
)

// What an agent of 0.3 answers over JSON-RPC. What it has too much is ignored.
// https://a2a-protocol.org/v0.3.0/specification/#6-protocol-data-objects
type (
	result struct { // a Task, a Message or an update, by its kind
		Kind string

		ID, ContextID, TaskID string
		Status                resultStatus
		History               []*resultMessage
		Artifacts             []*resultArtifact
		Artifact              *resultArtifact
		Append, LastChunk     bool
		Metadata              map[string]any

		resultMessage
	}
	resultMessage struct {
		MessageID         string
		ContextID, TaskID string
		Role              string
		Parts             []resultPart
		Metadata          map[string]any
		Extensions        []string
		ReferenceTaskIDs  []a2a.TaskID
	}
	resultStatus struct {
		State     string
		Message   *resultMessage
		Timestamp *time.Time
	}
	resultArtifact struct {
		ArtifactID, Name, Description string
		Parts                         []resultPart
		Metadata                      map[string]any
		Extensions                    []string
	}
	resultPart struct {
		Kind     string
		Text     string
		Data     any
		File     *resultFile
		Metadata map[string]any
	}
	resultFile struct {
		Bytes, URI     *string
		MimeType, Name string
	}
)

// DecodeTask decodes a Task.
func DecodeTask(data []byte) (*a2a.Task, error) {
	var r result
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	if r.ID == "" {
		return nil, errors.New("it is no Task: it has no id")
	}
	return r.task()
}

// DecodeEvent decodes a Task, a Message or an update.
func DecodeEvent(data []byte) (a2a.Event, error) {
	var r result
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	switch r.Kind {
	case "task":
		return r.task()
	case "message":
		m := r.resultMessage
		m.ContextID, m.TaskID, m.Metadata = r.ContextID, r.TaskID, r.Metadata
		return m.message()
	case "status-update":
		s, err := r.Status.status()
		return &a2a.TaskStatusUpdateEvent{TaskID: a2a.TaskID(r.TaskID), ContextID: r.ContextID, Status: s, Metadata: r.Metadata}, err
	case "artifact-update":
		a, err := r.Artifact.artifact()
		return &a2a.TaskArtifactUpdateEvent{
			TaskID: a2a.TaskID(r.TaskID), ContextID: r.ContextID, Artifact: a, Append: r.Append, LastChunk: r.LastChunk, Metadata: r.Metadata,
		}, err
	}
	return nil, fmt.Errorf("the kind %.64q is none of task, message, status-update and artifact-update", r.Kind)
}

func (r *result) task() (t *a2a.Task, err error) {
	t = &a2a.Task{ID: a2a.TaskID(r.ID), ContextID: r.ContextID, Metadata: r.Metadata}
	if t.Status, err = r.Status.status(); err != nil {
		return nil, err
	}
	for _, m := range r.History {
		message, err := m.message()
		if err != nil {
			return nil, err
		}
		t.History = append(t.History, message)
	}
	for _, a := range r.Artifacts {
		artifact, err := a.artifact()
		if err != nil {
			return nil, err
		}
		t.Artifacts = append(t.Artifacts, artifact)
	}
	return t, nil
}

func (s resultStatus) status() (a2a.TaskStatus, error) {
	m, err := s.Message.message()
	return a2a.TaskStatus{State: toState(s.State), Message: m, Timestamp: s.Timestamp}, err
}

func (m *resultMessage) message() (*a2a.Message, error) {
	if m == nil {
		return nil, nil
	}
	parts, err := partsOf(m.Parts)
	return &a2a.Message{
		ID: m.MessageID, ContextID: m.ContextID, TaskID: a2a.TaskID(m.TaskID), Role: toRole[m.Role], Parts: parts,
		Metadata: m.Metadata, Extensions: m.Extensions, ReferenceTasks: m.ReferenceTaskIDs,
	}, err
}

func (a *resultArtifact) artifact() (*a2a.Artifact, error) {
	if a == nil {
		return nil, nil
	}
	parts, err := partsOf(a.Parts)
	return &a2a.Artifact{
		ID: a2a.ArtifactID(a.ArtifactID), Name: a.Name, Description: a.Description, Parts: parts, Metadata: a.Metadata, Extensions: a.Extensions,
	}, err
}

func partsOf(all []resultPart) (parts a2a.ContentParts, err error) {
	for _, p := range all {
		part := &a2a.Part{Metadata: p.Metadata}
		switch {
		case p.Kind == "text":
			part.Content = a2a.Text(p.Text)
		case p.Kind == "data":
			part.Content = a2a.Data{Value: p.Data}
			unwrap(part)
		case p.Kind == "file" && p.File != nil && p.File.Bytes != nil:
			// With padding or without, and in either alphabet: agents differ.
			raw, err := base64.RawStdEncoding.DecodeString(alphabet.Replace(strings.TrimRight(*p.File.Bytes, "=")))
			if err != nil {
				return nil, fmt.Errorf("the bytes of a file are no base64: %w", err)
			}
			part.Content, part.MediaType, part.Filename = a2a.Raw(raw), p.File.MimeType, p.File.Name
		case p.Kind == "file" && p.File != nil && p.File.URI != nil:
			part.Content, part.MediaType, part.Filename = a2a.URL(*p.File.URI), p.File.MimeType, p.File.Name
		default:
			return nil, fmt.Errorf("a part of kind %.64q has no content", p.Kind)
		}
		parts = append(parts, part)
	}
	return parts, nil
}

var alphabet = strings.NewReplacer("-", "+", "_", "/")

// toState returns the state of a name, or the unspecified one.
func toState(name string) a2a.TaskState {
	s := "TASK_STATE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	if !slices.Contains(protojson.States, s) {
		return a2a.TaskStateUnspecified
	}
	return a2a.TaskState(s)
}

// EncodeSend encodes the parameters of message/send and message/stream.
func EncodeSend(req *a2a.SendMessageRequest) ([]byte, error) {
	message, err := EncodeMessage(req.Message)
	if err != nil {
		return nil, err
	}
	params := struct {
		Message       json.RawMessage    `json:"message"`
		Configuration *sendConfiguration `json:"configuration,omitempty"`
		Metadata      map[string]any     `json:"metadata,omitempty"`
	}{Message: message, Metadata: req.Metadata}
	if c := req.Config; c != nil {
		params.Configuration = &sendConfiguration{c.AcceptedOutputModes, !c.ReturnImmediately, c.HistoryLength, nil}
		if c.PushConfig != nil {
			params.Configuration.Push = &fromPushConfig(c.PushConfig).Config
		}
	}
	return jsonline.Marshal(params)
}

type sendConfiguration struct {
	Modes    []string           `json:"acceptedOutputModes,omitempty"`
	Blocking bool               `json:"blocking"`
	Length   *int               `json:"historyLength,omitempty"`
	Push     *legacy.PushConfig `json:"pushNotificationConfig,omitempty"`
}

// EncodePush encodes the parameters of tasks/pushNotificationConfig/set, and its result.
func EncodePush(c *a2a.PushConfig) ([]byte, error) { return jsonline.Marshal(fromPushConfig(c)) }
