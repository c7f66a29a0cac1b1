package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/sse"
)

// The transports of the SDK for 0.3 bring gRPC with them, which is four tenths of a binary's zip.
// So these are our own: for what a Peer asks, and nothing else.

const version03 a2a.ProtocolVersion = "0.3"

// transports03 returns the transports of 0.3 over a client.
func transports03(c *http.Client) []a2aclient.FactoryOption {
	make := func(wrap func(http03) a2aclient.Transport) a2aclient.TransportFactory {
		return a2aclient.TransportFactoryFn(func(_ context.Context, _ *a2a.AgentCard, i *a2a.AgentInterface) (a2aclient.Transport, error) {
			return wrap(http03{client: c, url: i.URL}), nil
		})
	}
	return []a2aclient.FactoryOption{
		a2aclient.WithCompatTransport(version03, a2a.TransportProtocolJSONRPC, make(func(h http03) a2aclient.Transport { return jsonrpc03{http03: h} })),
		a2aclient.WithCompatTransport(version03, a2a.TransportProtocolHTTPJSON, make(func(h http03) a2aclient.Transport { return rest03{http03: h} })),
	}
}

// http03 sends requests of 0.3 to a URL. What a Peer does not ask is not supported.
type http03 struct {
	client *http.Client
	url    string
}

// send sends a request. Its answer has status 200 or 204.
func (h http03) send(ctx context.Context, params a2aclient.ServiceParams, method, url string, body []byte, accept string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		r.Body = http.NoBody
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", accept)
	for name, values := range params {
		if strings.EqualFold(name, a2a.SvcParamExtensions) {
			name = "X-" + name // its name in 0.3
		}
		for _, v := range values {
			r.Header.Add(name, v)
		}
	}
	return h.client.Do(r)
}

const (
	acceptJSON   = "application/json"
	acceptStream = "text/event-stream"
)

// isStream reports whether an answer is a stream. What is not, though one was asked for, has the
// error, or the only event, as JSON.
func isStream(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), acceptStream)
}

// events sends a request for a stream, and decodes the answer.
func events(send func() (*http.Response, error), decode func([]byte) (a2a.Event, error)) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		resp, err := send()
		if err != nil {
			yield(nil, err)
			return
		}
		defer resp.Body.Close()
		if !isStream(resp) {
			data, err := io.ReadAll(resp.Body)
			if err != nil {
				yield(nil, err)
				return
			}
			yield(decode(data))
			return
		}
		for r := sse.NewReader(resp.Body); ; {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			var event a2a.Event
			if err == nil {
				event, err = decode([]byte(e.Data))
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

func failure(err error) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) { yield(nil, err) }
}

func (http03) ListTasks(context.Context, a2aclient.ServiceParams, *a2a.ListTasksRequest) (*a2a.ListTasksResponse, error) {
	return nil, a2a.ErrUnsupportedOperation
}

func (http03) GetTaskPushConfig(context.Context, a2aclient.ServiceParams, *a2a.GetTaskPushConfigRequest) (*a2a.PushConfig, error) {
	return nil, a2a.ErrUnsupportedOperation
}

func (http03) ListTaskPushConfigs(context.Context, a2aclient.ServiceParams, *a2a.ListTaskPushConfigRequest) ([]*a2a.PushConfig, error) {
	return nil, a2a.ErrUnsupportedOperation
}

func (http03) DeleteTaskPushConfig(context.Context, a2aclient.ServiceParams, *a2a.DeleteTaskPushConfigRequest) error {
	return a2a.ErrUnsupportedOperation
}

func (http03) GetExtendedAgentCard(context.Context, a2aclient.ServiceParams, *a2a.GetExtendedAgentCardRequest) (*a2a.AgentCard, error) {
	return nil, a2a.ErrUnsupportedOperation
}

func (http03) Destroy() error { return nil }

// jsonrpc03 is the transport over JSON-RPC.
// https://a2a-protocol.org/v0.3.0/specification/#7-protocol-rpc-methods
type jsonrpc03 struct{ http03 }

// request encodes a request.
func (t jsonrpc03) request(ctx context.Context, p a2aclient.ServiceParams, method string, params any, accept string) (*http.Response, error) {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": a2a.NewMessageID(), "method": method, "params": params})
	if err != nil {
		return nil, err
	}
	resp, err := t.send(ctx, p, http.MethodPost, t.url, body, accept)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, errors.New(status(resp.StatusCode))
	}
	return resp, err
}

// call returns the result of a request.
func (t jsonrpc03) call(ctx context.Context, p a2aclient.ServiceParams, method string, params any) (json.RawMessage, error) {
	resp, err := t.request(ctx, p, method, params, acceptJSON)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return resultOf(data)
}

// stream returns the events that a request is answered with.
func (t jsonrpc03) stream(ctx context.Context, p a2aclient.ServiceParams, method string, params any) iter.Seq2[a2a.Event, error] {
	send := func() (*http.Response, error) { return t.request(ctx, p, method, params, acceptStream+", "+acceptJSON) }
	return events(send, func(data []byte) (a2a.Event, error) {
		result, err := resultOf(data)
		if err != nil {
			return nil, err
		}
		return a2a03.DecodeEvent(result)
	})
}

// codes are the codes of errors that mean something to a Peer.
var codes = map[int]error{
	-32001: a2a.ErrTaskNotFound, -32002: a2a.ErrTaskNotCancelable, -32003: a2a.ErrPushNotificationNotSupported,
	-32004: a2a.ErrUnsupportedOperation, -32602: a2a.ErrInvalidParams,
}

// resultOf returns the result in a response, or its error as an [a2a.Error].
func resultOf(data []byte) (json.RawMessage, error) {
	var resp struct {
		Result json.RawMessage
		Error  *struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal(data, &resp); err != nil {
		return nil, err
	}
	if resp.Error == nil {
		if resp.Result == nil {
			return nil, errors.New("the answer has neither a result nor an error")
		}
		return resp.Result, nil
	}
	return nil, said(codes[resp.Error.Code], resp.Error.Message)
}

// said returns the error of a peer that has said why.
func said(base error, message string) error {
	if base == nil {
		base = a2a.ErrInternalError
	}
	if message == "" {
		message = base.Error()
	}
	return a2a.NewError(base, message)
}

type (
	idParams struct {
		ID       a2a.TaskID     `json:"id"`
		Metadata map[string]any `json:"metadata,omitempty"`
	}
	queryParams struct {
		ID      a2a.TaskID `json:"id"`
		History *int       `json:"historyLength,omitempty"`
	}
)

func (t jsonrpc03) SendMessage(ctx context.Context, p a2aclient.ServiceParams, req *a2a.SendMessageRequest) (a2a.SendMessageResult, error) {
	params, err := a2a03.EncodeSend(req)
	if err != nil {
		return nil, err
	}
	data, err := t.call(ctx, p, "message/send", json.RawMessage(params))
	if err != nil {
		return nil, err
	}
	event, err := a2a03.DecodeEvent(data)
	if err != nil {
		return nil, err
	}
	result, ok := event.(a2a.SendMessageResult)
	if !ok {
		return nil, fmt.Errorf("it is neither a Task nor a Message, but a %T", event)
	}
	return result, nil
}

func (t jsonrpc03) SendStreamingMessage(ctx context.Context, p a2aclient.ServiceParams, req *a2a.SendMessageRequest) iter.Seq2[a2a.Event, error] {
	params, err := a2a03.EncodeSend(req)
	if err != nil {
		return failure(err)
	}
	return t.stream(ctx, p, "message/stream", json.RawMessage(params))
}

func (t jsonrpc03) SubscribeToTask(ctx context.Context, p a2aclient.ServiceParams, req *a2a.SubscribeToTaskRequest) iter.Seq2[a2a.Event, error] {
	return t.stream(ctx, p, "tasks/resubscribe", idParams{ID: req.ID})
}

func (t jsonrpc03) GetTask(ctx context.Context, p a2aclient.ServiceParams, req *a2a.GetTaskRequest) (*a2a.Task, error) {
	data, err := t.call(ctx, p, "tasks/get", queryParams{req.ID, req.HistoryLength})
	if err != nil {
		return nil, err
	}
	return a2a03.DecodeTask(data)
}

func (t jsonrpc03) CancelTask(ctx context.Context, p a2aclient.ServiceParams, req *a2a.CancelTaskRequest) (*a2a.Task, error) {
	data, err := t.call(ctx, p, "tasks/cancel", idParams{req.ID, req.Metadata})
	if err != nil {
		return nil, err
	}
	return a2a03.DecodeTask(data)
}

// CreateTaskPushConfig returns the configuration as it was sent: a Peer asks no more.
func (t jsonrpc03) CreateTaskPushConfig(ctx context.Context, p a2aclient.ServiceParams, c *a2a.PushConfig) (*a2a.PushConfig, error) {
	params, err := a2a03.EncodePush(c)
	if err == nil {
		_, err = t.call(ctx, p, "tasks/pushNotificationConfig/set", json.RawMessage(params))
	}
	return c, err
}
