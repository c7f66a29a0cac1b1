// Package legacy holds the JSON-RPC encodings in which A2A 0.3 differs from 1.0. Timestamps are as those of 1.0: UTC, to the millisecond.
package legacy

import (
	"fmt"

	legacy "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/tasklog"
)

// EncodeTask returns the JSON of the Task object of 0.3.
func EncodeTask(t *a2a.Task) ([]byte, error) {
	converted := fromTask(t)
	return jsonline.Marshal(taskJSON{"task", (*task)(converted), status(&converted.Status, t.Status)})
}

// EncodeEvent returns the JSON of a task, or of an event of its stream. An event after which the stream of a message ends is final
// (specification 0.3, 7.2.2), also when authentication is required.
func EncodeEvent(event a2a.Event) ([]byte, error) {
	switch e := event.(type) {
	case *a2a.Task:
		return EncodeTask(e)
	case *a2a.TaskStatusUpdateEvent:
		converted := fromStatusUpdate(e)
		converted.Final = tasklog.Final(e.Status.State)
		return jsonline.Marshal(statusUpdateJSON{"status-update", (*statusUpdate)(converted), status(&converted.Status, e.Status)})
	case *a2a.TaskArtifactUpdateEvent:
		return jsonline.Marshal(fromArtifactUpdate(e))
	case *a2a.Message:
		return jsonline.Marshal(fromMessage(e))
	}
	return nil, fmt.Errorf("0.3 has no %T", event)
}

// The SDK's types marshal themselves, and their times as they are. Without its methods a type's fields can be shadowed.
type (
	task         legacy.Task
	statusUpdate legacy.TaskStatusUpdateEvent

	taskJSON struct {
		Kind string `json:"kind"`
		*task
		Status statusJSON `json:"status"`
	}
	statusUpdateJSON struct {
		Kind string `json:"kind"`
		*statusUpdate
		Status statusJSON `json:"status"`
	}
	statusJSON struct {
		*legacy.TaskStatus
		Timestamp string `json:"timestamp,omitempty"`
	}
)

func status(converted *legacy.TaskStatus, s a2a.TaskStatus) statusJSON {
	return statusJSON{converted, tasklog.Timestamp(s.Timestamp)}
}
