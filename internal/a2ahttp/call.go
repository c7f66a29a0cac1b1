package a2ahttp

import (
	"context"
	"net/http"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/protojson"
	"a2alambda/internal/server"
)

// call is one request for an operation of the protocol.
type call struct {
	*handler
	w       http.ResponseWriter
	r       *http.Request
	caller  server.Caller
	binding binding
	dialect *dialect // of the answer; 1.0 until known
	seen    *observation
	stream  *sseWriter // set once a stream has begun
}

// binding is how operations are put into HTTP: specification 1.0, 9 and 11.
type binding interface {
	// result returns what surrounds a result, in a response and in the event of a stream.
	result() (before, after string)
	// contentType returns that of a result.
	contentType(*call) string
	// failure returns the status of a response that says so, and what is the JSON of its body.
	failure(*call, failure) (status int, body any)
	// errorEvent returns the lines before the data of an event that is an error.
	errorEvent() string
	// name returns what the agent card calls it.
	name() string
}

// operation is what serves an operation, in the dialect of those who ask for it. The params are its JSON-RPC params, or, over HTTP,
// what JSON-RPC would have had for them.
type operation struct {
	name    string // in 1.0
	dialect *dialect
	serve   func(c *call, params *protojson.Reader)
}

func (c *call) sendMessage(params *protojson.Reader) {
	answer(c, params, c.dialect.sendRequest, c.Server.SendMessage, c.dialect.sendResult)
}

func (c *call) getTask(params *protojson.Reader) {
	answer(c, params, c.dialect.getRequest, c.Server.GetTask, c.dialect.taskResult)
}

func (c *call) listTasks(params *protojson.Reader) {
	artifacts := false
	decode := func(params *protojson.Reader) *a2a.ListTasksRequest {
		req := c.dialect.listRequest(params)
		artifacts = req.IncludeArtifacts
		return req
	}
	answer(c, params, decode, c.Server.ListTasks, func(list *a2a.ListTasksResponse) ([]byte, error) {
		return c.dialect.listResult(list, artifacts)
	})
}

func (c *call) cancelTask(params *protojson.Reader) {
	answer(c, params, c.dialect.cancelRequest, c.Server.CancelTask, c.dialect.taskResult)
}

func (c *call) createPushConfig(params *protojson.Reader) {
	answer(c, params, c.dialect.createPushRequest, c.Server.CreatePushConfig, c.dialect.pushResult)
}

func (c *call) getPushConfig(params *protojson.Reader) {
	answer(c, params, c.dialect.getPushRequest, c.Server.GetPushConfig, c.dialect.pushResult)
}

func (c *call) listPushConfigs(params *protojson.Reader) {
	answer(c, params, c.dialect.listPushRequest, c.Server.ListPushConfigs, c.dialect.pushListResult)
}

func (c *call) deletePushConfig(params *protojson.Reader) {
	answer(c, params, c.dialect.deletePushRequest, c.Server.DeletePushConfig, func(struct{}) ([]byte, error) {
		return []byte(c.dialect.nothing), nil
	})
}

// answer decodes the params, serves the request, and answers with the result.
func answer[Request, Result any](
	c *call, params *protojson.Reader,
	decode func(*protojson.Reader) *Request,
	serve func(context.Context, server.Caller, *Request) (Result, error),
	encode func(Result) ([]byte, error),
) {
	req := decode(params)
	if err := params.Err(); err != nil {
		c.fail(invalid(err))
		return
	}
	c.seen.of(req)
	result, err := serve(c.r.Context(), c.caller, req)
	if err != nil {
		c.fail(err)
		return
	}
	c.seen.of(result)
	data, err := encode(result)
	if err != nil {
		c.fail(err)
		return
	}
	c.reply(data)
}

// reply answers with the result.
func (c *call) reply(result []byte) {
	before, after := c.binding.result()
	pieces := [][]byte{[]byte(before), jsonline.Clean(result), append([]byte(after), '\n')}
	if room := c.room(); room != nil {
		left := 0
		for _, p := range pieces {
			left = room(p)
		}
		if left < 0 {
			c.fail(a2a.NewError(a2a.ErrUnsupportedOperation, "the answer is longer than the 6 MB that can be sent in one piece here: "+
				"ask for less, with historyLength or pageSize, get the task with GetTask, or use the agent's function URL, which streams"))
			return
		}
	}
	c.w.Header().Set("Content-Type", c.binding.contentType(c))
	for _, p := range pieces {
		_, _ = c.w.Write(p) // a client that is gone needs no answer
	}
}

// room is that of the answer to the request: see [Config].
func (c *call) room() func(piece []byte) (left int) {
	if c.Room == nil {
		return nil
	}
	return c.Room(c.r)
}
