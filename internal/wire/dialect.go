package wire

import (
	"encoding/json"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/tasklog"
)

// dialect is how a version of the protocol, in a binding, writes what the server says and reads what clients do.
type dialect struct {
	version string

	sendRequest       func(params json.RawMessage) (*a2a.SendMessageRequest, error)
	getRequest        func(params json.RawMessage) (*a2a.GetTaskRequest, error)
	listRequest       func(params json.RawMessage) (*a2a.ListTasksRequest, error)
	cancelRequest     func(params json.RawMessage) (*a2a.CancelTaskRequest, error)
	subscribeRequest  func(params json.RawMessage) (*a2a.SubscribeToTaskRequest, error)
	createPushRequest func(params json.RawMessage) (*a2a.PushConfig, error)
	getPushRequest    func(params json.RawMessage) (*a2a.GetTaskPushConfigRequest, error)
	listPushRequest   func(params json.RawMessage) (*a2a.ListTaskPushConfigRequest, error)
	deletePushRequest func(params json.RawMessage) (*a2a.DeleteTaskPushConfigRequest, error)

	// sendResult and taskResult encode the results of sending a message and of getting a task.
	sendResult, taskResult func(*a2a.Task) ([]byte, error)
	// listResult encodes a list whose tasks show their artifacts or not.
	listResult     func(list *a2a.ListTasksResponse, artifacts bool) ([]byte, error)
	pushResult     func(*a2a.PushConfig) ([]byte, error)
	pushListResult func([]*a2a.PushConfig) ([]byte, error)
	// nothing is the result of an operation that has none.
	nothing string
	// eventResult encodes an event of the log as a frame's result.
	eventResult func(stored []byte) ([]byte, error)
	// detailed says that errors carry the details of [a2a.Error].
	detailed bool
}

// v1 is 1.0, the same in both bindings.
var v1 = &dialect{
	version:           "1.0",
	sendRequest:       params[a2a.SendMessageRequest],
	getRequest:        params[a2a.GetTaskRequest],
	listRequest:       listParams,
	cancelRequest:     params[a2a.CancelTaskRequest],
	subscribeRequest:  params[a2a.SubscribeToTaskRequest],
	createPushRequest: params[a2a.PushConfig],
	getPushRequest:    params[a2a.GetTaskPushConfigRequest],
	listPushRequest:   params[a2a.ListTaskPushConfigRequest],
	deletePushRequest: params[a2a.DeleteTaskPushConfigRequest],
	sendResult:        func(t *a2a.Task) ([]byte, error) { return tasklog.Encode(t) },
	taskResult:        tasklog.EncodeTask,
	listResult:        listResult,
	pushResult:        func(c *a2a.PushConfig) ([]byte, error) { return jsonline.Marshal(c) },
	pushListResult: func(configs []*a2a.PushConfig) ([]byte, error) {
		return jsonline.Marshal(a2a.ListTaskPushConfigResponse{Configs: configs})
	},
	nothing:     "{}",
	eventResult: tasklog.Shown,
	detailed:    true,
}

// listResult encodes a list. Artifacts that are asked for are there even where there are none.
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
