// Package a2a03 speaks A2A 0.3, in its two dialects: [JSONRPC] and [HTTPJSON].
//
// In JSON-RPC 0.3 has objects of its own, which are read in read.go and written in json.go.
// HTTP+JSON has the version's protocol buffers in JSON instead: their requests are read in
// readproto.go, and the SDK writes the results. All of them are the same tasks and events as in 1.0
// but for two things. 0.3 knows only objects as data: others are wrapped in one (wrap.go). And it
// says of an event whether the stream of a message ends with it. Timestamps are those of 1.0: UTC,
// to the millisecond.
package a2a03

import (
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
)

// EncodeTask returns the JSON of the Task object of 0.3.
func EncodeTask(t *a2a.Task) ([]byte, error) { return jsonline.Marshal(fromTask(t)) }

// encodeEvent returns the JSON of a task, or of an event of its stream. An event is final if the
// stream of a message ends with it (specification 0.3, 7.2.2), also if it asks for authentication.
func encodeEvent(event a2a.Event) ([]byte, error) {
	switch e := event.(type) {
	case *a2a.Task:
		return EncodeTask(e)
	case *a2a.TaskStatusUpdateEvent:
		return jsonline.Marshal(fromStatusUpdate(e))
	case *a2a.TaskArtifactUpdateEvent:
		return jsonline.Marshal(fromArtifactUpdate(e))
	case *a2a.Message:
		return jsonline.Marshal(fromMessage(e))
	}
	return nil, fmt.Errorf("0.3 has no %T", event)
}
