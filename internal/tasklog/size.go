package tasklog

import (
	"encoding/json"
	"strconv"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// The limits of a task's log. A process that works with a task has it in memory with its executor,
// several times over at some moments. The functions of template.yaml have room for twice these
// limits.
const (
	// MaxBytes is the most bytes of events, as JSON.
	MaxBytes = 64 << 20

	// MaxEvents is the most events.
	MaxEvents = 1_000_000

	// MaxValues is the most values: see [Size].
	MaxValues = 400_000

	// MaxEventBytes is the most bytes of one event, as JSON.
	MaxEventBytes = 10 << 20
)

// Size says how much room something takes.
type Size struct {
	// Bytes is the length of the JSON.
	Bytes int64
	// Values counts what takes far more bytes in memory than as JSON, about 350 each at most: the
	// values in metadata and data, extensions, references, and all parts, messages and artifacts
	// beyond the one that each event has.
	Values int64
}

// Plus returns the sum.
func (s Size) Plus(other Size) Size { return Size{s.Bytes + other.Bytes, s.Values + other.Values} }

// Memory returns how many bytes a process needs to work with the task of such a log: the JSON in
// pieces, the values, and the garbage. It is what was measured, and a little more.
func (s Size) Memory() int64 { return 3*s.Bytes + 400*s.Values }

// EstimateSize returns the size of an event that is not decoded yet. It may count more values than
// the event has, but not fewer.
func EstimateSize(data []byte) Size { return Size{int64(len(data)), valuesIn(data)} }

// SizeOf returns the size of an event as [Encode] writes it, to some bytes.
func SizeOf(e a2a.Event) Size {
	var m meter
	switch e := e.(type) {
	case *a2a.Task:
		m.task(e)
	case *a2a.Message:
		m.message(e)
	case *a2a.TaskStatusUpdateEvent:
		m.bytes(`{"statusUpdate":{"contextId":"","taskId":"","status":}}`, e.ContextID, string(e.TaskID))
		m.status(&e.Status)
		m.metadata(e.Metadata)
	case *a2a.TaskArtifactUpdateEvent:
		m.bytes(`{"artifactUpdate":{"append":true,"artifact":,"contextId":"","taskId":""}}`, e.ContextID, string(e.TaskID))
		m.artifact(e.Artifact)
		m.metadata(e.Metadata)
	}
	return m.Size
}

type meter struct{ Size }

// bytes adds the syntax, and each value as it is in JSON, without its quotes.
func (m *meter) bytes(syntax string, values ...string) {
	m.Bytes += int64(len(syntax))
	for _, v := range values {
		m.Bytes += stringBytes(v)
	}
}

func (m *meter) task(t *a2a.Task) {
	m.bytes(`{"task":{"id":"","contextId":"","history":[],"artifacts":[],"status":}}`, string(t.ID), t.ContextID)
	for _, h := range t.History {
		m.message(h)
	}
	for _, a := range t.Artifacts {
		m.artifact(a)
	}
	m.Values += int64(max(0, len(t.History)-1) + max(0, len(t.Artifacts)-1))
	m.status(&t.Status)
	m.metadata(t.Metadata)
}

func (m *meter) status(s *a2a.TaskStatus) {
	m.bytes(`{"message":,"state":"","timestamp":"2026-01-01T00:00:00.000Z"}`, string(s.State))
	m.message(s.Message)
}

func (m *meter) message(msg *a2a.Message) {
	if msg == nil {
		return
	}
	m.bytes(`{"messageId":"","contextId":"","taskId":"","role":"","parts":},`, msg.ID, msg.ContextID, string(msg.TaskID), string(msg.Role))
	m.parts(msg.Parts)
	list(m, msg.Extensions)
	list(m, msg.ReferenceTasks)
	m.metadata(msg.Metadata)
}

func (m *meter) artifact(a *a2a.Artifact) {
	if a == nil {
		return
	}
	m.bytes(`{"artifactId":"","name":"","description":"","parts":},`, string(a.ID), a.Name, a.Description)
	m.parts(a.Parts)
	list(m, a.Extensions)
	m.metadata(a.Metadata)
}

func (m *meter) parts(parts a2a.ContentParts) {
	m.Values += int64(max(0, len(parts)-1))
	for _, p := range parts {
		if p == nil {
			continue
		}
		m.bytes(`{"text":""},`)
		switch c := p.Content.(type) {
		case a2a.Text:
			m.bytes("", string(c))
		case a2a.Raw:
			m.Bytes += int64(len(c)+2) / 3 * 4
		case a2a.URL:
			m.bytes("", string(c))
		case a2a.Data:
			m.any(c.Value)
		}
		if p.MediaType != "" {
			m.bytes(`,"mediaType":""`, p.MediaType)
		}
		if p.Filename != "" {
			m.bytes(`,"filename":""`, p.Filename)
		}
		m.metadata(p.Metadata)
	}
}

func list[S ~string](m *meter, values []S) {
	m.Values += int64(len(values))
	for _, v := range values {
		m.bytes(`"",`, string(v))
	}
}

func (m *meter) metadata(of map[string]any) {
	if len(of) > 0 {
		m.bytes(`,"metadata":`)
		m.any(of)
	}
}

// any adds a JSON value that a client or an agent has sent.
func (m *meter) any(v any) {
	m.Values++
	switch v := v.(type) {
	case nil:
		m.Bytes += int64(len("null"))
	case bool:
		m.Bytes += int64(len("true"))
	case string:
		m.bytes(`""`, v)
	case json.Number:
		m.Bytes += int64(len(v))
	case float64:
		var digits [32]byte
		m.Bytes += int64(len(strconv.AppendFloat(digits[:0], v, 'g', -1, 64)))
	case []any:
		m.bytes("[]")
		for _, one := range v {
			m.Bytes++
			m.any(one)
		}
	case map[string]any:
		m.bytes("{}")
		for k, one := range v {
			m.bytes(`"":,`, k)
			m.any(one)
		}
	default: // an agent's own type
		data, _ := json.Marshal(v)
		m.Bytes += int64(len(data))
		m.Values += valuesIn(data)
	}
}

// valuesIn returns the number of values inside a JSON value, or a greater one.
func valuesIn(data []byte) (n int64) {
	quoted := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == '{' || c == '['):
			n++
		}
	}
	return n
}

// stringBytes returns the length of a string in JSON, escaped, without its quotes.
func stringBytes(s string) (n int64) {
	n = int64(len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t':
			n++
		case c < ' ':
			n += 5
		case c == 0xe2 && (s[i:min(i+3, len(s))] == "\u2028" || s[i:min(i+3, len(s))] == "\u2029"):
			n += 3
		case c == 0xc2 && s[i:min(i+2, len(s))] == "\u0085":
			n += 4
		}
	}
	return n
}
