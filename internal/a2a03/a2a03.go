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
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2apb/v0/pbjson"

	"a2alambda/internal/dialect"
	"a2alambda/internal/jsonline"
	"a2alambda/internal/protojson"
	"a2alambda/internal/tasklog"
)

// JSONRPC is 0.3 in JSON-RPC.
var JSONRPC = &dialect.Dialect{
	Version:           "0.3",
	SendRequest:       func(r *protojson.Reader) *a2a.SendMessageRequest { return sendParams(r, roles) },
	GetRequest:        onTask(func(q *a2a.GetTaskRequest, p taskParams) { q.ID, q.HistoryLength = p.id, p.length }),
	CancelRequest:     onTask(func(q *a2a.CancelTaskRequest, p taskParams) { q.ID, q.Metadata = p.id, p.metadata }),
	SubscribeRequest:  onTask(func(q *a2a.SubscribeToTaskRequest, p taskParams) { q.ID = p.id }),
	CreatePushRequest: createPushRequest,
	GetPushRequest:    onTask(func(q *a2a.GetTaskPushConfigRequest, p taskParams) { q.TaskID, q.ID = p.id, p.config }),
	ListPushRequest:   onTask(func(q *a2a.ListTaskPushConfigRequest, p taskParams) { q.TaskID = p.id }),
	DeletePushRequest: onTask(func(q *a2a.DeleteTaskPushConfigRequest, p taskParams) { q.TaskID, q.ID = p.id, p.config }),
	SendResult:        EncodeTask,
	TaskResult:        EncodeTask,
	PushResult:        func(c *a2a.PushConfig) ([]byte, error) { return json.Marshal(fromPushConfig(c)) },
	PushListResult: func(configs []*a2a.PushConfig) ([]byte, error) {
		return json.Marshal(protojson.Each(configs, fromPushConfig))
	},
	Nothing:     "null",
	EventResult: func(stored []byte) ([]byte, error) { return eventResult(stored, encodeEvent) },
}

// HTTPJSON is 0.3 in HTTP+JSON: that version's protocol buffers in JSON, which are not what its
// JSON-RPC has. The ids are in the paths, so requests without a body are decoded as those of 1.0.
var HTTPJSON = &dialect.Dialect{
	Version:           "0.3",
	Lenient:           true,
	SendRequest:       sendBody,
	GetRequest:        protojson.Read[a2a.GetTaskRequest],
	ListRequest:       listBody,
	CancelRequest:     protojson.Read[a2a.CancelTaskRequest],
	SubscribeRequest:  protojson.Read[a2a.SubscribeToTaskRequest],
	CreatePushRequest: createPushBody,
	GetPushRequest:    protojson.Read[a2a.GetTaskPushConfigRequest],
	ListPushRequest:   protojson.Read[a2a.ListTaskPushConfigRequest],
	DeletePushRequest: protojson.Read[a2a.DeleteTaskPushConfigRequest],
	SendResult:        func(t *a2a.Task) ([]byte, error) { return protoResult(t, pbjson.ToProtoSendMessageResult) },
	TaskResult:        func(t *a2a.Task) ([]byte, error) { return protoResult(t, pbjson.ToProtoTask) },
	ListResult:        listResult,
	PushResult:        pbjson.ToProtoPushConfigResponse,
	PushListResult:    pbjson.ToProtoListPushConfigsResponse,
	Nothing:           "{}",
	EventResult:       func(stored []byte) ([]byte, error) { return eventResult(stored, protoEvent) },
	Detailed:          true,
}

// maxProtoBytes is how many bytes of JSON a task may have in an answer over HTTP+JSON: the SDK
// encodes it several times over, with six bytes for each "<".
const maxProtoBytes = 8 << 20

// protoResult encodes a task, if it is not too long.
func protoResult[T any](t *a2a.Task, encode func(T) ([]byte, error)) ([]byte, error) {
	if tasklog.SizeOf(t).Bytes > maxProtoBytes {
		return nil, a2a.NewError(a2a.ErrUnsupportedOperation, fmt.Sprintf("the task %s has more than the %d MB that an answer in HTTP+JSON of 0.3 "+
			"may have: ask for less with historyLength, by JSON-RPC, or for a stream of its events", t.ID, maxProtoBytes>>20))
	}
	return encode(any(wrapTask(t)).(T))
}

// listResult encodes a list. The SDK leaves out what is empty.
func listResult(list *a2a.ListTasksResponse, _ bool) ([]byte, error) {
	encoded := struct {
		Tasks         []json.RawMessage `json:"tasks"`
		NextPageToken string            `json:"nextPageToken"`
	}{make([]json.RawMessage, len(list.Tasks)), list.NextPageToken}
	var err error
	for i, t := range list.Tasks {
		if encoded.Tasks[i], err = pbjson.ToProtoTask(wrapTask(t)); err != nil {
			return nil, err
		}
	}
	return jsonline.Marshal(encoded)
}

// eventResult encodes an event of the log as clients are shown it.
func eventResult(stored []byte, encode func(a2a.Event) ([]byte, error)) ([]byte, error) {
	event, err := tasklog.Decode(stored)
	if err != nil {
		return nil, err
	}
	if t, ok := event.(*a2a.Task); ok {
		tasklog.JoinTexts(t)
	}
	return encode(event)
}

func protoEvent(event a2a.Event) ([]byte, error) {
	data, err := pbjson.ToProtoStreamEvent(wrapEvent(event))
	if s, ok := event.(*a2a.TaskStatusUpdateEvent); err == nil && ok && tasklog.Final(s.Status.State) && !s.Status.State.Terminal() {
		// The SDK takes only terminal states for the last.
		data = append(bytes.TrimSuffix(data, []byte("}}")), `,"final":true}}`...)
	}
	return data, err
}
