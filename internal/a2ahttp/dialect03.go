package a2ahttp

import (
	"bytes"
	"encoding/json"
	"fmt"

	old "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2apb/v0/pbjson"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/jsonline"
	"a2alambda/internal/protojson"
	"a2alambda/internal/tasklog"
)

// v03 is 0.3 in JSON-RPC.
var v03 = &dialect{
	version:           "0.3",
	sendRequest:       a2a03.SendRequest,
	getRequest:        a2a03.GetRequest,
	cancelRequest:     a2a03.CancelRequest,
	subscribeRequest:  a2a03.SubscribeRequest,
	createPushRequest: a2a03.CreatePushRequest,
	getPushRequest:    a2a03.GetPushRequest,
	listPushRequest:   a2a03.ListPushRequest,
	deletePushRequest: a2a03.DeletePushRequest,
	sendResult:        a2a03.EncodeTask,
	taskResult:        a2a03.EncodeTask,
	pushResult:        func(c *a2a.PushConfig) ([]byte, error) { return json.Marshal(a2a03.FromPushConfig(c)) },
	pushListResult: func(configs []*a2a.PushConfig) ([]byte, error) {
		list := make([]*old.TaskPushConfig, len(configs))
		for i, c := range configs {
			list[i] = a2a03.FromPushConfig(c)
		}
		return json.Marshal(list)
	},
	nothing: "null",
	eventResult: func(stored []byte) ([]byte, error) {
		event, err := decodeShown(stored)
		if err != nil {
			return nil, err
		}
		return a2a03.EncodeEvent(event)
	},
}

// v03http is 0.3 in HTTP+JSON, which is that version's protocol buffers in JSON and not what its JSON-RPC has. The paths have the
// ids, so that requests without a body are decoded as those of 1.0.
var v03http = &dialect{
	version:           "0.3",
	lenient:           true,
	sendRequest:       a2a03.SendBody,
	getRequest:        (*protojson.Reader).GetTaskRequest,
	listRequest:       a2a03.ListBody,
	cancelRequest:     (*protojson.Reader).CancelTaskRequest,
	subscribeRequest:  (*protojson.Reader).SubscribeToTaskRequest,
	createPushRequest: a2a03.CreatePushBody,
	getPushRequest:    (*protojson.Reader).GetPushConfigRequest,
	listPushRequest:   (*protojson.Reader).ListPushConfigsRequest,
	deletePushRequest: (*protojson.Reader).DeletePushConfigRequest,
	sendResult:        func(t *a2a.Task) ([]byte, error) { return protoResult(t, pbjson.ToProtoSendMessageResult) },
	taskResult:        func(t *a2a.Task) ([]byte, error) { return protoResult(t, pbjson.ToProtoTask) },
	listResult:        listResult03,
	pushResult:        pbjson.ToProtoPushConfigResponse,
	pushListResult:    pbjson.ToProtoListPushConfigsResponse,
	nothing:           "{}",
	eventResult: func(stored []byte) ([]byte, error) {
		event, err := decodeShown(stored)
		if err != nil {
			return nil, err
		}
		data, err := pbjson.ToProtoStreamEvent(a2a03.WrapEvent(event))
		if s, ok := event.(*a2a.TaskStatusUpdateEvent); err == nil && ok && tasklog.Final(s.Status.State) && !s.Status.State.Terminal() {
			// The SDK takes only terminal states for the last.
			data = append(bytes.TrimSuffix(data, []byte("}}")), `,"final":true}}`...)
		}
		return data, err
	},
	detailed: true,
}

// maxProtoBytes is how much JSON a task may have that is answered in this dialect: the SDK writes "<" in six bytes, several times over.
const maxProtoBytes = 8 << 20

// protoResult encodes a task if there is the memory for it.
func protoResult[T any](t *a2a.Task, encode func(T) ([]byte, error)) ([]byte, error) {
	if tasklog.SizeOf(t).Bytes > maxProtoBytes {
		return nil, a2a.NewError(a2a.ErrUnsupportedOperation, fmt.Sprintf("the task %s has more than the %d MB that an answer in HTTP+JSON of 0.3 "+
			"may have: ask for less with historyLength, by JSON-RPC, or for a stream of its events", t.ID, maxProtoBytes>>20))
	}
	return encode(any(a2a03.WrapTask(t)).(T))
}

// listResult03 encodes a list. The SDK leaves out what is empty.
func listResult03(list *a2a.ListTasksResponse, _ bool) ([]byte, error) {
	encoded := struct {
		Tasks         []json.RawMessage `json:"tasks"`
		NextPageToken string            `json:"nextPageToken"`
	}{make([]json.RawMessage, len(list.Tasks)), list.NextPageToken}
	var err error
	for i, t := range list.Tasks {
		if encoded.Tasks[i], err = pbjson.ToProtoTask(a2a03.WrapTask(t)); err != nil {
			return nil, err
		}
	}
	return jsonline.Marshal(encoded)
}

// decodeShown decodes an event of the log as clients are shown it.
func decodeShown(stored []byte) (a2a.Event, error) {
	event, err := tasklog.Decode(stored)
	if t, ok := event.(*a2a.Task); ok {
		tasklog.JoinTexts(t)
	}
	return event, err
}
