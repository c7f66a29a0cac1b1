package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	legacy "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"a2alambda/internal/tasklog"
)

// dialect is how a version of the protocol writes what the server says and reads what clients do.
type dialect struct {
	version string

	sendRequest      func(params json.RawMessage) (*a2a.SendMessageRequest, error)
	getRequest       func(params json.RawMessage) (*a2a.GetTaskRequest, error)
	cancelRequest    func(params json.RawMessage) (*a2a.CancelTaskRequest, error)
	subscribeRequest func(params json.RawMessage) (*a2a.SubscribeToTaskRequest, error)

	// sendResult and taskResult encode the results of sending a message and of getting a task.
	sendResult, taskResult func(*a2a.Task) ([]byte, error)
	// eventResult encodes an event of the log as a frame's result.
	eventResult func(stored []byte) ([]byte, error)
	// detailed says that errors carry the details of [a2a.Error].
	detailed bool
}

var v1 = &dialect{
	version:          "1.0",
	sendRequest:      params[a2a.SendMessageRequest],
	getRequest:       params[a2a.GetTaskRequest],
	cancelRequest:    params[a2a.CancelTaskRequest],
	subscribeRequest: params[a2a.SubscribeToTaskRequest],
	sendResult:       func(t *a2a.Task) ([]byte, error) { return tasklog.Encode(t) },
	taskResult:       tasklog.EncodeTask,
	eventResult:      func(stored []byte) ([]byte, error) { return stored, nil },
	detailed:         true,
}

var v03 = &dialect{
	version: "0.3",
	sendRequest: func(data json.RawMessage) (*a2a.SendMessageRequest, error) {
		p, err := params[legacy.MessageSendParams](data)
		if err != nil {
			return nil, err
		}
		if p.Message == nil { // which the conversion does not expect
			return &a2a.SendMessageRequest{}, nil
		}
		return a2av0.ToV1SendMessageRequest(p)
	},
	getRequest:       converted(a2av0.ToV1GetTaskRequest),
	cancelRequest:    converted(a2av0.ToV1CancelTaskRequest),
	subscribeRequest: converted(a2av0.ToV1SubscribeToTaskRequest),
	sendResult:       func(t *a2a.Task) ([]byte, error) { return json.Marshal(a2av0.FromV1Task(t)) },
	taskResult:       func(t *a2a.Task) ([]byte, error) { return json.Marshal(a2av0.FromV1Task(t)) },
	eventResult: func(stored []byte) ([]byte, error) {
		event, err := tasklog.Decode(stored)
		if err != nil {
			return nil, err
		}
		converted, err := a2av0.FromV1Event(event)
		if err != nil {
			return nil, err
		}
		if s, ok := converted.(*legacy.TaskStatusUpdateEvent); ok {
			// The stream ends with it (specification 0.3, 7.2.2), also when authentication is required.
			s.Final = tasklog.Final(a2av0.ToV1TaskState(s.Status.State))
		}
		return json.Marshal(converted)
	},
}

// converted decodes params of 0.3 and converts them.
func converted[Old, New any](convert func(*Old) *New) func(json.RawMessage) (*New, error) {
	return func(data json.RawMessage) (*New, error) {
		p, err := params[Old](data)
		if err != nil {
			return nil, err
		}
		return convert(p), nil
	}
}

// params decodes the params of a request.
func params[T any](data json.RawMessage) (*T, error) {
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return nil, a2a.NewError(a2a.ErrInvalidParams, "params are required")
	}
	p := new(T)
	err := json.Unmarshal(data, p)
	if err == nil {
		return p, nil
	}
	var wrongType *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &wrongType):
		return nil, a2a.NewError(a2a.ErrInvalidParams, "params: "+strings.TrimPrefix(err.Error(), "json: "))
	case wrongType.Field == "":
		return nil, a2a.NewError(a2a.ErrInvalidParams, "params: unexpected "+wrongType.Value)
	}
	return nil, a2a.NewError(a2a.ErrInvalidParams, "params."+wrongType.Field+": unexpected "+wrongType.Value)
}
