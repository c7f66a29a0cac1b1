package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"

	old "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2apb/v0/pbjson"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/legacy"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// v03 is 0.3 in JSON-RPC.
var v03 = &dialect{
	version:     "0.3",
	sendRequest: sendParams03,
	getRequest: converted(func(p *old.TaskQueryParams) *a2a.GetTaskRequest {
		return &a2a.GetTaskRequest{ID: a2a.TaskID(p.ID), HistoryLength: p.HistoryLength}
	}),
	cancelRequest: converted(func(p *old.TaskIDParams) *a2a.CancelTaskRequest {
		return &a2a.CancelTaskRequest{ID: a2a.TaskID(p.ID), Metadata: p.Metadata}
	}),
	subscribeRequest: converted(func(p *old.TaskIDParams) *a2a.SubscribeToTaskRequest {
		return &a2a.SubscribeToTaskRequest{ID: a2a.TaskID(p.ID)}
	}),
	createPushRequest: converted(legacy.PushConfig),
	getPushRequest: converted(func(p *old.GetTaskPushConfigParams) *a2a.GetTaskPushConfigRequest {
		return &a2a.GetTaskPushConfigRequest{TaskID: a2a.TaskID(p.TaskID), ID: p.ConfigID}
	}),
	listPushRequest: converted(func(p *old.ListTaskPushConfigParams) *a2a.ListTaskPushConfigRequest {
		return &a2a.ListTaskPushConfigRequest{TaskID: a2a.TaskID(p.TaskID)}
	}),
	deletePushRequest: converted(func(p *old.DeleteTaskPushConfigParams) *a2a.DeleteTaskPushConfigRequest {
		return &a2a.DeleteTaskPushConfigRequest{TaskID: a2a.TaskID(p.TaskID), ID: p.ConfigID}
	}),
	sendResult: legacy.EncodeTask,
	taskResult: legacy.EncodeTask,
	pushResult: func(c *a2a.PushConfig) ([]byte, error) { return json.Marshal(legacy.FromPushConfig(c)) },
	pushListResult: func(configs []*a2a.PushConfig) ([]byte, error) {
		list := make([]*old.TaskPushConfig, len(configs))
		for i, c := range configs {
			list[i] = legacy.FromPushConfig(c)
		}
		return json.Marshal(list)
	},
	nothing: "null",
	eventResult: func(stored []byte) ([]byte, error) {
		event, err := decodeShown(stored)
		if err != nil {
			return nil, err
		}
		return legacy.EncodeEvent(event)
	},
}

// decodeShown decodes an event of the log as clients are shown it.
func decodeShown(stored []byte) (a2a.Event, error) {
	event, err := tasklog.Decode(stored)
	if t, ok := event.(*a2a.Task); ok {
		tasklog.JoinTexts(t)
	}
	return event, err
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

func sendParams03(data json.RawMessage) (*a2a.SendMessageRequest, error) {
	p, err := params[old.MessageSendParams](data)
	if err != nil {
		return nil, err
	}
	if p.Message == nil { // which the conversion does not expect
		return &a2a.SendMessageRequest{}, nil
	}
	texts := sync.OnceValue(func() []*string { return textsOf(data) }) // there may be many parts without one
	for i, part := range p.Message.Parts {                             // and what it lets pass
		invalid := func(field, problem string) (*a2a.SendMessageRequest, error) {
			return nil, server.Invalid(fmt.Sprintf("message.parts[%d].%s", i, field), problem)
		}
		switch part := part.(type) {
		case old.TextPart:
			if part.Text == "" && texts()[i] == nil {
				return invalid("text", "is required")
			}
		case old.DataPart:
			if part.Data == nil {
				return invalid("data", "is required")
			}
		case old.FilePart:
			if content, ok := part.File.(old.FileBytes); ok && !isBase64(content.Bytes) {
				return invalid("file.bytes", "is not base64")
			}
		}
	}
	return legacy.SendRequest(p)
}

// textsOf returns the texts of the message's parts in the params: nil where a part has none. They have been decoded before.
func textsOf(data json.RawMessage) (texts []*string) {
	var p struct {
		Message struct{ Parts []struct{ Text *string } }
	}
	_ = json.Unmarshal(data, &p)
	for _, part := range p.Message.Parts {
		texts = append(texts, part.Text)
	}
	return texts
}

func isBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil
}

// v03http is 0.3 in HTTP+JSON, which is that version's protocol buffers in JSON and not what its JSON-RPC has. The paths have the
// ids, so that requests without a body are decoded as those of 1.0.
var v03http = &dialect{
	version:           "0.3",
	sendRequest:       sendBody03,
	getRequest:        params[a2a.GetTaskRequest],
	listRequest:       listQuery03,
	cancelRequest:     params[a2a.CancelTaskRequest],
	subscribeRequest:  params[a2a.SubscribeToTaskRequest],
	createPushRequest: pushBody03,
	getPushRequest:    params[a2a.GetTaskPushConfigRequest],
	listPushRequest:   params[a2a.ListTaskPushConfigRequest],
	deletePushRequest: params[a2a.DeleteTaskPushConfigRequest],
	sendResult:        func(t *a2a.Task) ([]byte, error) { return pbjson.ToProtoSendMessageResult(t) },
	taskResult:        pbjson.ToProtoTask,
	listResult:        listResult03,
	pushResult:        pbjson.ToProtoPushConfigResponse,
	pushListResult:    pbjson.ToProtoListPushConfigsResponse,
	nothing:           "{}",
	eventResult: func(stored []byte) ([]byte, error) {
		event, err := decodeShown(stored)
		if err != nil {
			return nil, err
		}
		data, err := pbjson.ToProtoStreamEvent(event)
		if s, ok := event.(*a2a.TaskStatusUpdateEvent); err == nil && ok && tasklog.Final(s.Status.State) {
			return final(data)
		}
		return data, err
	},
	detailed: true,
}

// sendBody03 decodes the request that the protocol buffers call SendMessageRequest. Some clients call its message request, as
// the protocol buffers do, others message, as the specification does; some encode bytes once, some twice.
func sendBody03(data json.RawMessage) (*a2a.SendMessageRequest, error) {
	p, err := params[struct {
		pbjson.SendMessageRequest
		Request *pbjson.Message `json:"request"`
	}](data)
	if err != nil {
		return nil, err
	}
	if p.Message == nil {
		p.Message = p.Request
	}
	if p.Message == nil {
		return &a2a.SendMessageRequest{}, nil
	}
	for i, part := range p.Message.Content {
		if part == nil || part.File == nil || part.File.FileWithBytes == "" {
			continue
		}
		once, err := base64.StdEncoding.DecodeString(part.File.FileWithBytes)
		if err != nil {
			return nil, server.Invalid(fmt.Sprintf("message.content[%d].file.fileWithBytes", i), "is not base64")
		}
		if !isBase64(string(once)) {
			part.File.FileWithBytes = base64.StdEncoding.EncodeToString([]byte(part.File.FileWithBytes))
		}
	}
	body, err := json.Marshal(p.SendMessageRequest)
	if err != nil {
		return nil, err
	}
	return pbjson.FromProtoSendMessageRequest(body)
}

func listQuery03(data json.RawMessage) (*a2a.ListTasksRequest, error) {
	req, err := listParams(data)
	if err == nil {
		req.Status = pbjson.DecodeTaskState(pbjson.TaskState(req.Status)) // CANCELLED has two L in 0.3
	}
	return req, err
}

// listResult03 encodes a list. The SDK leaves out what is empty.
func listResult03(list *a2a.ListTasksResponse, _ bool) ([]byte, error) {
	encoded := struct {
		Tasks         []json.RawMessage `json:"tasks"`
		NextPageToken string            `json:"nextPageToken"`
	}{make([]json.RawMessage, len(list.Tasks)), list.NextPageToken}
	var err error
	for i, t := range list.Tasks {
		if encoded.Tasks[i], err = pbjson.ToProtoTask(t); err != nil {
			return nil, err
		}
	}
	return jsonline.Marshal(encoded)
}

// pushBody03 decodes a configuration: the request to create one, as the protocol buffers have it, or the configuration itself.
func pushBody03(data json.RawMessage) (*a2a.PushConfig, error) {
	p, err := params[struct {
		pbjson.CreateTaskPushNotificationConfigRequest
		TaskID                 a2a.TaskID                     `json:"taskId"`
		PushNotificationConfig *pbjson.PushNotificationConfig `json:"pushNotificationConfig"`
	}](data)
	if err != nil {
		return nil, err
	}
	if p.Config == nil {
		p.Config = &pbjson.TaskPushNotificationConfig{PushNotificationConfig: p.PushNotificationConfig}
	}
	if p.Config.PushNotificationConfig == nil {
		return nil, server.Invalid("config.pushNotificationConfig", "is required")
	}
	body, err := json.Marshal(p.CreateTaskPushNotificationConfigRequest)
	if err != nil {
		return nil, err
	}
	return pbjson.FromProtoCreatePushConfigRequest(body, p.TaskID)
}

// final returns the status update as the last event of a stream. The SDK knows only terminal states as such.
func final(data []byte) ([]byte, error) {
	var event pbjson.StreamResponse
	if err := json.Unmarshal(data, &event); err != nil {
		return nil, err
	}
	event.StatusUpdate.Final = true
	return json.Marshal(event)
}
