package tasklog

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Encode returns the JSON of a StreamResponse that holds the event, with timestamps as specification 5.6.1 wants
// them: UTC, to the millisecond.
func Encode(e a2a.Event) ([]byte, error) {
	var wrapped any
	switch e := e.(type) {
	case *a2a.TaskStatusUpdateEvent:
		wrapped = struct {
			StatusUpdate statusUpdateJSON `json:"statusUpdate"`
		}{statusUpdateJSON{e, statusJSON{&e.Status, Timestamp(e.Status.Timestamp)}}}
	case *a2a.Task:
		wrapped = struct {
			Task taskJSON `json:"task"`
		}{taskJSON{e, statusJSON{&e.Status, Timestamp(e.Status.Timestamp)}}}
	default:
		wrapped = a2a.StreamResponse{Event: e}
	}
	return json.Marshal(wrapped)
}

// EncodeTask returns the JSON of the Task object, with timestamps as in [Encode].
func EncodeTask(t *a2a.Task) ([]byte, error) {
	return json.Marshal(taskJSON{t, statusJSON{&t.Status, Timestamp(t.Status.Timestamp)}})
}

// Decode is the inverse of [Encode].
func Decode(data []byte) (a2a.Event, error) {
	var r a2a.StreamResponse
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("decoding event: %w", err)
	}
	return r.Event, nil
}

// The SDK's types marshal a time as it is, in any zone and to the nanosecond, without trailing zeros. These shadow the
// fields on the way to it.
type (
	taskJSON struct {
		*a2a.Task
		Status statusJSON `json:"status"`
	}
	statusUpdateJSON struct {
		*a2a.TaskStatusUpdateEvent
		Status statusJSON `json:"status"`
	}
	statusJSON struct {
		*a2a.TaskStatus
		Timestamp string `json:"timestamp,omitempty"`
	}
)

// Timestamp returns the time as specification 5.6.1 wants it: UTC, to the millisecond; "" for nil.
func Timestamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
