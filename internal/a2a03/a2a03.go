// Package a2a03 speaks A2A 0.3, in its two dialects: [JSONRPC] and [HTTPJSON].
//
// In JSON-RPC 0.3 has objects of its own, read in read.go and written in json.go. In HTTP+JSON it
// has its protocol buffers in JSON: readproto.go reads their requests, and the SDK writes the
// results. Tasks and events are the same as in 1.0, with two exceptions. In 0.3 data are objects,
// so other data are wrapped in one (wrap.go). And each event says whether the stream of a message
// ends with it. Timestamps are the same: UTC, to the millisecond.
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

// HTTPJSON is 0.3 in HTTP+JSON: that version's protocol buffers in JSON, which differ from its
// JSON-RPC. Ids are in the paths, so requests without a body decode like 1.0's.
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
// encodes it several times, with six bytes for each "<".
const maxProtoBytes = 8 << 20

// protoResult encodes a task, if it is not too long.
func protoResult[T any](t *a2a.Task, encode func(T) ([]byte, error)) ([]byte, error) {
	if tasklog.SizeOf(t).Bytes > maxProtoBytes {
		return nil, a2a.NewError(a2a.ErrUnsupportedOperation, fmt.Sprintf("the task %s has more than the %d MB that an answer in HTTP+JSON of 0.3 "+
			"may have: ask for less with historyLength, by JSON-RPC, or for a stream of its events", t.ID, maxProtoBytes>>20))
	}
	return encode(any(wrapTask(t)).(T))
}

// listResult encodes a list, also its empty fields, which the SDK leaves out.
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

// eventResult encodes an event of the log as clients see it.
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
		// For the SDK only terminal states are final.
		data = append(bytes.TrimSuffix(data, []byte("}}")), `,"final":true}}`...)
	}
	return data, err
}
