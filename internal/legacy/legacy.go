// Package legacy encodes tasks and events as A2A 0.3 has them in JSON, with timestamps as those of 1.0: UTC, to the millisecond.
package legacy

import (
	"encoding/json"

	legacy "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"a2alambda/internal/tasklog"
)

// EncodeTask returns the JSON of the Task object of 0.3.
func EncodeTask(t *a2a.Task) ([]byte, error) {
	converted := a2av0.FromV1Task(t)
	return json.Marshal(taskJSON{"task", (*task)(converted), status(&converted.Status, t.Status)})
}

// EncodeEvent returns the JSON of a task, or of an event of its stream. An event after which the stream of a message ends is final
// (specification 0.3, 7.2.2), also when authentication is required.
func EncodeEvent(event a2a.Event) ([]byte, error) {
	switch e := event.(type) {
	case *a2a.Task:
		return EncodeTask(e)
	case *a2a.TaskStatusUpdateEvent:
		converted := a2av0.FromV1TaskStatusUpdateEvent(e)
		converted.Final = tasklog.Final(e.Status.State)
		return json.Marshal(statusUpdateJSON{"status-update", (*statusUpdate)(converted), status(&converted.Status, e.Status)})
	}
	converted, err := a2av0.FromV1Event(event)
	if err != nil {
		return nil, err
	}
	return json.Marshal(converted)
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
