package a2ahttp

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/heavy"
	"a2alambda/internal/protojson"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// operation serves requests for an operation of the protocol. Either result or stream is set.
type operation struct {
	// result returns the JSON of the result.
	result func(*handler, *http.Request, *request) ([]byte, error)
	// stream returns the stream to answer with.
	stream func(*handler, *http.Request, *request) (*server.Stream, error)
	// waits says that a result may be that of a task.
	waits bool
	// cache is the Cache-Control of a result, if it may be kept.
	cache string
	// ours says that the protocol does not have it: it is at a path only.
	ours bool
}

// long says that a request may take as long as a task.
func (o operation) long() bool { return o.stream != nil || o.waits }

// operations are the protocol's, by their names in 1.0, and ours.
var operations = map[string]operation{
	"SendMessage": {waits: true, result: func(h *handler, r *http.Request, q *request) ([]byte, error) {
		return call(r, q, q.dialect.SendRequest, h.Server.SendMessage, q.dialect.SendResult)
	}},
	"SendStreamingMessage": {stream: func(h *handler, r *http.Request, q *request) (*server.Stream, error) {
		return open(r, q, q.dialect.SendRequest, h.Server.SendStreamingMessage)
	}},
	"GetTask": {result: func(h *handler, r *http.Request, q *request) ([]byte, error) {
		return call(r, q, q.dialect.GetRequest, h.Server.GetTask, q.dialect.TaskResult)
	}},
	"ListTasks": {result: listTasks},
	"CancelTask": {result: func(h *handler, r *http.Request, q *request) ([]byte, error) {
		return call(r, q, q.dialect.CancelRequest, h.Server.CancelTask, q.dialect.TaskResult)
	}},
	"SubscribeToTask": {stream: func(h *handler, r *http.Request, q *request) (*server.Stream, error) {
		return open(r, q, q.dialect.SubscribeRequest, h.Server.SubscribeToTask)
	}},
	"CreateTaskPushNotificationConfig": {result: func(h *handler, r *http.Request, q *request) ([]byte, error) {
		return call(r, q, q.dialect.CreatePushRequest, h.Server.CreatePushConfig, q.dialect.PushResult)
	}},
	"GetTaskPushNotificationConfig": {result: func(h *handler, r *http.Request, q *request) ([]byte, error) {
		return call(r, q, q.dialect.GetPushRequest, h.Server.GetPushConfig, q.dialect.PushResult)
	}},
	"ListTaskPushNotificationConfigs": {result: func(h *handler, r *http.Request, q *request) ([]byte, error) {
		return call(r, q, q.dialect.ListPushRequest, h.Server.ListPushConfigs, q.dialect.PushListResult)
	}},
	"DeleteTaskPushNotificationConfig": {result: func(h *handler, r *http.Request, q *request) ([]byte, error) {
		nothing := func(struct{}) ([]byte, error) { return []byte(q.dialect.Nothing), nil }
		return call(r, q, q.dialect.DeletePushRequest, h.Server.DeletePushConfig, nothing)
	}},
	"ListTaskSteps": {ours: true, result: func(h *handler, r *http.Request, q *request) ([]byte, error) {
		encode := func(page *server.StepsPage) ([]byte, error) { return json.Marshal(page) }
		return call(r, q, stepsRequest, h.Server.ListSteps, encode)
	}},
	"GetExtendedAgentCard": {result: extendedCard, cache: "private, max-age=300"},
}

func listTasks(h *handler, r *http.Request, q *request) ([]byte, error) {
	artifacts := false
	decode := func(params *protojson.Reader) *a2a.ListTasksRequest {
		req := q.dialect.ListRequest(params)
		artifacts = req.IncludeArtifacts
		return req
	}
	return call(r, q, decode, h.Server.ListTasks, func(list *a2a.ListTasksResponse) ([]byte, error) {
		return q.dialect.ListResult(list, artifacts)
	})
}

var stepsFields = protojson.FieldsOf("tenant", "id", "after", "limit")

func stepsRequest(params *protojson.Reader) *server.ListStepsRequest {
	req := new(server.ListStepsRequest)
	params.Lenient = true // numbers of a query are text
	limit := func() {
		if req.Limit = params.Int32(); req.Limit < 1 {
			params.Fail("is not between 1 and 1000")
		}
	}
	after := func() { req.After = params.Int32() }
	params.Fill(stepsFields, &req.Tenant, &req.ID, after, limit)
	return req
}

// extendedCard returns the card for authenticated callers: specification 1.0, 3.1.11 and 13.3.
func extendedCard(h *handler, r *http.Request, q *request) ([]byte, error) {
	is03 := q.dialect.Version == a2a03.JSONRPC.Version
	switch {
	case h.Extended == nil && is03:
		return nil, a2a.ErrExtendedCardNotConfigured
	case h.Extended == nil:
		return nil, a2a.ErrUnsupportedOperation
	}
	return h.cards.ExtendedJSON(h.BaseURL(r), is03)
}

// call decodes the params, calls the server, and encodes the result.
func call[Params, Result any](
	r *http.Request, q *request,
	decode func(*protojson.Reader) *Params,
	serve func(context.Context, server.Caller, *Params) (Result, error),
	encode func(Result) ([]byte, error),
) ([]byte, error) {
	params, err := decoded(r, q, decode)
	if err != nil {
		return nil, err
	}
	observationOf(r).about(params)
	result, err := serve(r.Context(), q.caller, params)
	if err != nil {
		return nil, err
	}
	observationOf(r).about(result)
	defer heavy.Begin(bytesIn(result))()
	return encode(result)
}

// decoded returns the params.
func decoded[Params any](r *http.Request, q *request, decode func(*protojson.Reader) *Params) (*Params, error) {
	defer heavy.Begin(r.ContentLength)()
	params := decode(q.params)
	if err := q.params.Err(); err != nil {
		return nil, paramsError(err)
	}
	return params, nil
}

// bytesIn returns how much JSON a result has that may be large.
func bytesIn(result any) (n int64) {
	switch v := result.(type) {
	case *a2a.Task:
		n = tasklog.SizeOf(v).Bytes
	case *a2a.ListTasksResponse:
		for _, t := range v.Tasks {
			n += tasklog.SizeOf(t).Bytes
		}
	}
	return n
}

// open decodes the params, and has the server open a stream.
func open[Params any](
	r *http.Request, q *request,
	decode func(*protojson.Reader) *Params,
	serve func(context.Context, server.Caller, *Params) (*server.Stream, error),
) (*server.Stream, error) {
	params, err := decoded(r, q, decode)
	if err != nil {
		return nil, err
	}
	caller := q.caller
	if caller.Seen, err = lastEventID(r); err != nil {
		return nil, err
	}
	observationOf(r).about(params)
	return serve(r.Context(), caller, params)
}
