// Package dialect says how a version of the protocol, in one of its bindings, reads requests and
// writes results. The server itself knows only the SDK's types, which are 1.0's.
package dialect

import (
	"encoding/json"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/protojson"
	"a2alambda/internal/tasklog"
)

// Dialect is a version of the protocol in a binding. A function that reads a request leaves errors
// in its reader.
type Dialect struct {
	// Version is "1.0" or "0.3".
	Version string

	// Lenient says that requests may have all that parsers of protocol buffers' JSON take.
	Lenient           bool
	SendRequest       func(*protojson.Reader) *a2a.SendMessageRequest
	GetRequest        func(*protojson.Reader) *a2a.GetTaskRequest
	ListRequest       func(*protojson.Reader) *a2a.ListTasksRequest // may be nil
	CancelRequest     func(*protojson.Reader) *a2a.CancelTaskRequest
	SubscribeRequest  func(*protojson.Reader) *a2a.SubscribeToTaskRequest
	CreatePushRequest func(*protojson.Reader) *a2a.PushConfig
	GetPushRequest    func(*protojson.Reader) *a2a.GetTaskPushConfigRequest
	ListPushRequest   func(*protojson.Reader) *a2a.ListTaskPushConfigRequest
	DeletePushRequest func(*protojson.Reader) *a2a.DeleteTaskPushConfigRequest

	// SendResult and TaskResult encode the results of sending a message and of getting a task.
	SendResult, TaskResult func(*a2a.Task) ([]byte, error)
	// ListResult encodes a list. Artifacts says whether its tasks show theirs.
	ListResult     func(list *a2a.ListTasksResponse, artifacts bool) ([]byte, error)
	PushResult     func(*a2a.PushConfig) ([]byte, error)
	PushListResult func([]*a2a.PushConfig) ([]byte, error)
	// Nothing is the result of an operation that has none.
	Nothing string
	// EventResult encodes an event of the log, as it is stored, as the result in a stream.
	EventResult func(stored []byte) ([]byte, error)
	// Detailed says that errors carry the details of [a2a.Error].
	Detailed bool
}

// V1 is 1.0, the same in both bindings.
var V1 = &Dialect{
	Version:           "1.0",
	Lenient:           true,
	SendRequest:       protojson.Read[a2a.SendMessageRequest],
	GetRequest:        protojson.Read[a2a.GetTaskRequest],
	ListRequest:       protojson.Read[a2a.ListTasksRequest],
	CancelRequest:     protojson.Read[a2a.CancelTaskRequest],
	SubscribeRequest:  protojson.Read[a2a.SubscribeToTaskRequest],
	CreatePushRequest: protojson.Read[a2a.PushConfig],
	GetPushRequest:    protojson.Read[a2a.GetTaskPushConfigRequest],
	ListPushRequest:   protojson.Read[a2a.ListTaskPushConfigRequest],
	DeletePushRequest: protojson.Read[a2a.DeleteTaskPushConfigRequest],
	SendResult:        func(t *a2a.Task) ([]byte, error) { return tasklog.Encode(t) },
	TaskResult:        tasklog.EncodeTask,
	ListResult:        listResult,
	PushResult:        func(c *a2a.PushConfig) ([]byte, error) { return jsonline.Marshal(c) },
	PushListResult: func(configs []*a2a.PushConfig) ([]byte, error) {
		return jsonline.Marshal(a2a.ListTaskPushConfigResponse{Configs: configs})
	},
	Nothing:     "{}",
	EventResult: tasklog.Shown,
	Detailed:    true,
}

// listResult encodes a list. If its tasks show their artifacts, one without any shows an empty
// list.
func listResult(list *a2a.ListTasksResponse, artifacts bool) ([]byte, error) {
	encoded := struct {
		Tasks         []json.RawMessage `json:"tasks"`
		NextPageToken string            `json:"nextPageToken"`
		PageSize      int               `json:"pageSize"`
		TotalSize     int               `json:"totalSize"`
	}{make([]json.RawMessage, len(list.Tasks)), list.NextPageToken, list.PageSize, list.TotalSize}
	for i, t := range list.Tasks {
		data, err := tasklog.EncodeTask(t)
		if err != nil {
			return nil, err
		}
		if artifacts && len(t.Artifacts) == 0 {
			data = append(data[:len(data)-1], `,"artifacts":[]}`...)
		}
		encoded.Tasks[i] = data
	}
	return jsonline.Marshal(encoded)
}
