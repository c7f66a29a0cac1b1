package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2apb/v0/pbjson"

	"a2alambda/internal/a2a03"
)

// rest03 is the transport over HTTP+JSON, in the JSON of 0.3's protocol buffers.
// https://a2a-protocol.org/v0.3.0/specification/#353-http-method-mapping
type rest03 struct{ http03 }

// request sends a request to a path below /v1.
func (t rest03) request(ctx context.Context, p a2aclient.ServiceParams, method, path string, body []byte, accept string) (*http.Response, error) {
	resp, err := t.send(ctx, p, method, strings.TrimSuffix(t.url, "/")+"/v1/"+path, body, accept)
	if err == nil && resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		return nil, restError(resp.StatusCode, data)
	}
	return resp, err
}

func (t rest03) call(ctx context.Context, p a2aclient.ServiceParams, method, path string, body []byte) ([]byte, error) {
	resp, err := t.request(ctx, p, method, path, body, acceptJSON)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

func (t rest03) stream(ctx context.Context, p a2aclient.ServiceParams, method, path string, body []byte) iter.Seq2[a2a.Event, error] {
	send := func() (*http.Response, error) {
		return t.request(ctx, p, method, path, body, acceptStream+", "+acceptJSON)
	}
	return events(send, func(data []byte) (a2a.Event, error) {
		if bytes.HasPrefix(bytes.TrimSpace(data), []byte(`{"error"`)) {
			return nil, restError(http.StatusOK, data)
		}
		event, err := pbjson.FromProtoStreamEvent(data)
		return a2a03.Unwrapped(event), err
	})
}

// reasons are the errors that mean something to a Peer.
var reasons = []error{
	a2a.ErrTaskNotFound, a2a.ErrTaskNotCancelable, a2a.ErrPushNotificationNotSupported, a2a.ErrUnsupportedOperation, a2a.ErrInvalidParams,
}

// restError returns the error of an answer. It is an [a2a.Error] if the peer has said why: as a
// google.rpc.Status, or as {"message":…}, as the SDK for Python does.
func restError(code int, data []byte) error {
	var body struct {
		Error struct {
			Message string
			Details []struct{ Reason string }
		}
		Message string
	}
	if json.Unmarshal(data, &body) != nil {
		return a2a.ErrServerError
	}
	var base error
	for _, d := range body.Error.Details {
		for _, e := range reasons {
			if a2a.ErrorReason(e) == d.Reason {
				base = e
			}
		}
	}
	if base == nil && code == http.StatusNotFound && strings.Contains(strings.ToLower(body.Message+body.Error.Message), "task") {
		base = a2a.ErrTaskNotFound
	}
	if body.Error.Message == "" {
		body.Error.Message = body.Message
	}
	return said(base, body.Error.Message)
}

func (t rest03) SendMessage(ctx context.Context, p a2aclient.ServiceParams, req *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
	body, err := sendBody(req)
	if err != nil {
		return nil, err
	}
	data, err := t.call(ctx, p, http.MethodPost, "message:send", body)
	if err != nil {
		return nil, err
	}
	result, err := pbjson.FromProtoSendMessageResponse(data)
	if err != nil {
		return nil, err
	}
	unwrapped, _ := a2a03.Unwrapped(result).(a2a.SendMessageResult)
	return unwrapped, nil
}

func (t rest03) SendStreamingMessage(ctx context.Context, p a2aclient.ServiceParams, req *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
	body, err := sendBody(req)
	if err != nil {
		return failure(err)
	}
	return t.stream(ctx, p, http.MethodPost, "message:stream", body)
}

func sendBody(req *a2a.SendMessageRequest) ([]byte, error) {
	wrapped := *req
	wrapped.Message, _ = a2a03.Wrapped(req.Message).(*a2a.Message)
	return pbjson.ToProtoSendMessageRequest(&wrapped)
}

func (t rest03) SubscribeToTask(ctx context.Context, p a2aclient.ServiceParams, req *a2a.SubscribeToTaskRequest) iter.Seq2[a2a.Event, error] {
	return t.stream(ctx, p, http.MethodGet, of(req.ID)+":subscribe", nil)
}

// of returns the path of a task.
func of(id a2a.TaskID) string { return "tasks/" + url.PathEscape(string(id)) }

func (t rest03) GetTask(ctx context.Context, p a2aclient.ServiceParams, req *a2a.GetTaskRequest) (*a2a.Task, error) {
	path := of(req.ID)
	if req.HistoryLength != nil {
		path += "?historyLength=" + strconv.Itoa(*req.HistoryLength)
	}
	return task03(t.call(ctx, p, http.MethodGet, path, nil))
}

func (t rest03) CancelTask(ctx context.Context, p a2aclient.ServiceParams, req *a2a.CancelTaskRequest) (*a2a.Task, error) {
	return task03(t.call(ctx, p, http.MethodPost, of(req.ID)+":cancel", nil))
}

func task03(data []byte, err error) (*a2a.Task, error) {
	if err != nil {
		return nil, err
	}
	task, err := pbjson.FromProtoTask(data)
	if err != nil {
		return nil, err
	}
	unwrapped, _ := a2a03.Unwrapped(task).(*a2a.Task)
	return unwrapped, nil
}

// ListTasks lists the tasks of a context, which HTTP+JSON of 0.3 can, unlike its JSON-RPC.
func (t rest03) ListTasks(ctx context.Context, p a2aclient.ServiceParams, req *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error) {
	query := url.Values{"contextId": {req.ContextID}, "pageSize": {strconv.Itoa(req.PageSize)}}
	if req.HistoryLength != nil {
		query.Set("historyLength", strconv.Itoa(*req.HistoryLength))
	}
	data, err := t.call(ctx, p, http.MethodGet, "tasks?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return pbjson.FromProtoListTasksResponse(data)
}

// CreateTaskPushConfig returns the configuration as it was sent: a Peer asks no more.
func (t rest03) CreateTaskPushConfig(ctx context.Context, p a2aclient.ServiceParams, c *a2a.PushConfig) (*a2a.PushConfig, error) {
	body, err := pbjson.ToProtoCreatePushConfigRequest(c)
	if err == nil {
		_, err = t.call(ctx, p, http.MethodPost, of(c.TaskID)+"/pushNotificationConfigs", body)
	}
	return c, err
}
