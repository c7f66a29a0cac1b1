package a2ahttp

import (
	"encoding/json"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/protojson"
	"a2alambda/internal/tasklog"
)

// dialect is how a version of the protocol, in a binding, writes what the server says and reads what clients do.
type dialect struct {
	version string

	// lenient says that requests are what parsers of protocol buffers' JSON take.
	lenient           bool
	sendRequest       func(*protojson.Reader) *a2a.SendMessageRequest
	getRequest        func(*protojson.Reader) *a2a.GetTaskRequest
	listRequest       func(*protojson.Reader) *a2a.ListTasksRequest
	cancelRequest     func(*protojson.Reader) *a2a.CancelTaskRequest
	subscribeRequest  func(*protojson.Reader) *a2a.SubscribeToTaskRequest
	createPushRequest func(*protojson.Reader) *a2a.PushConfig
	getPushRequest    func(*protojson.Reader) *a2a.GetTaskPushConfigRequest
	listPushRequest   func(*protojson.Reader) *a2a.ListTaskPushConfigRequest
	deletePushRequest func(*protojson.Reader) *a2a.DeleteTaskPushConfigRequest

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
	lenient:           true,
	sendRequest:       (*protojson.Reader).SendMessageRequest,
	getRequest:        (*protojson.Reader).GetTaskRequest,
	listRequest:       (*protojson.Reader).ListTasksRequest,
	cancelRequest:     (*protojson.Reader).CancelTaskRequest,
	subscribeRequest:  (*protojson.Reader).SubscribeToTaskRequest,
	createPushRequest: (*protojson.Reader).PushConfig,
	getPushRequest:    (*protojson.Reader).GetPushConfigRequest,
	listPushRequest:   (*protojson.Reader).ListPushConfigsRequest,
	deletePushRequest: (*protojson.Reader).DeletePushConfigRequest,
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
