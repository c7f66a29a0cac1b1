// Package a2a03 holds the JSON-RPC encodings in which A2A 0.3 differs from 1.0. Timestamps are as
// those of 1.0: UTC, to the millisecond.
package a2a03

import (
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
)

// EncodeTask returns the JSON of the Task object of 0.3.
func EncodeTask(t *a2a.Task) ([]byte, error) { return jsonline.Marshal(fromTask(t)) }

// encodeEvent returns the JSON of a task, or of an event of its stream. An event after which the
// stream of a message ends is final (specification 0.3, 7.2.2), also when authentication is
// required.
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
