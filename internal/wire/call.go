package wire

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// call is one JSON-RPC call.
type call struct {
	*handler
	w       http.ResponseWriter
	r       *http.Request
	id      json.RawMessage // as the client sent it; null until known
	dialect *dialect        // of the answer; 1.0 until known
	stream  *sseWriter      // set once a stream has begun
}

// request is a JSON-RPC 2.0 request object. https://www.jsonrpc.org/specification#request_object
type request struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

func (c *call) serve(body []byte) {
	var req request
	err := json.Unmarshal(body, &req)
	if wrongType := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrongType) {
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, "the body is not a JSON-RPC request object"))
		return
	} else if err != nil {
		c.fail(a2a.NewError(a2a.ErrParseError, "the body is not JSON"))
		return
	}
	m, known := methods[req.Method]
	if known {
		c.dialect = m.dialect
	}
	if len(req.ID) > 0 {
		if !isID(req.ID) {
			c.fail(a2a.NewError(a2a.ErrInvalidRequest, "id is not a string, an integer or null"))
			return
		}
		c.id = req.ID
	}
	switch version, ok := c.version(); {
	case req.JSONRPC != "2.0":
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, `jsonrpc is not "2.0"`))
	case req.Method == "":
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, "method is required"))
	case !ok:
		c.fail(a2a.NewError(a2a.ErrVersionNotSupported, "A2A-Version is not one of 1.0 and 0.3").
			WithErrorInfoMeta(map[string]string{"supportedVersions": "1.0,0.3"}))
	case !known || version != "" && version != m.dialect.version:
		c.fail(a2a.NewError(a2a.ErrMethodNotFound, "Method not found"))
	default:
		m.serve(c, req.Params)
	}
}

// version returns the protocol version that the client names in a header or a query parameter (specification 3.6.1), "" if it
// names none, and whether it is a version spoken here. The patch number doesn't count.
func (c *call) version() (string, bool) {
	v := strings.TrimSpace(c.r.Header.Get(a2a.SvcParamVersion))
	if v == "" {
		v = c.r.URL.Query().Get(a2a.SvcParamVersion)
	}
	if v == "" {
		return "", true
	}
	if parts := strings.SplitN(v, ".", 3); len(parts) > 2 {
		v = parts[0] + "." + parts[1]
	}
	return v, v == v1.version || v == v03.version
}

// isID reports whether the JSON value may be the id of a request.
func isID(id json.RawMessage) bool {
	switch c := id[0]; {
	case c == '"', c == 'n':
		return true
	case c == '-', c >= '0' && c <= '9':
		return !strings.ContainsAny(string(id), ".eE")
	}
	return false
}

// method is what serves a JSON-RPC method, in the dialect that has its name.
type method struct {
	dialect *dialect
	serve   func(*call, json.RawMessage)
}

// methods are the methods of both versions: specification 1.0, 5.3, and 0.3, 3.5.6. An empty version is 0.3 by the
// specification, in which the names of 1.0 don't exist: so a client that uses them without a version is taken at its word.
var methods = map[string]method{
	"SendMessage":                      {v1, (*call).sendMessage},
	"SendStreamingMessage":             {v1, (*call).sendStreamingMessage},
	"GetTask":                          {v1, (*call).getTask},
	"ListTasks":                        {v1, unsupported(a2a.ErrUnsupportedOperation)},
	"CancelTask":                       {v1, (*call).cancelTask},
	"SubscribeToTask":                  {v1, (*call).subscribeToTask},
	"CreateTaskPushNotificationConfig": {v1, unsupported(a2a.ErrPushNotificationNotSupported)},
	"GetTaskPushNotificationConfig":    {v1, unsupported(a2a.ErrPushNotificationNotSupported)},
	"ListTaskPushNotificationConfigs":  {v1, unsupported(a2a.ErrPushNotificationNotSupported)},
	"DeleteTaskPushNotificationConfig": {v1, unsupported(a2a.ErrPushNotificationNotSupported)},
	"GetExtendedAgentCard":             {v1, unsupported(a2a.ErrUnsupportedOperation)},

	"message/send":                        {v03, (*call).sendMessage},
	"message/stream":                      {v03, (*call).sendStreamingMessage},
	"tasks/get":                           {v03, (*call).getTask},
	"tasks/cancel":                        {v03, (*call).cancelTask},
	"tasks/resubscribe":                   {v03, (*call).subscribeToTask},
	"tasks/pushNotificationConfig/set":    {v03, unsupported(a2a.ErrPushNotificationNotSupported)},
	"tasks/pushNotificationConfig/get":    {v03, unsupported(a2a.ErrPushNotificationNotSupported)},
	"tasks/pushNotificationConfig/list":   {v03, unsupported(a2a.ErrPushNotificationNotSupported)},
	"tasks/pushNotificationConfig/delete": {v03, unsupported(a2a.ErrPushNotificationNotSupported)},
	"agent/getAuthenticatedExtendedCard":  {v03, unsupported(a2a.ErrExtendedCardNotConfigured)},
}

func unsupported(err error) func(*call, json.RawMessage) {
	return func(c *call, _ json.RawMessage) { c.fail(err) }
}

func (c *call) sendMessage(params json.RawMessage) {
	answer(c, params, c.dialect.sendRequest, c.Server.SendMessage, c.dialect.sendResult)
}

func (c *call) getTask(params json.RawMessage) {
	answer(c, params, c.dialect.getRequest, c.Server.GetTask, c.dialect.taskResult)
}

func (c *call) cancelTask(params json.RawMessage) {
	answer(c, params, c.dialect.cancelRequest, c.Server.CancelTask, c.dialect.taskResult)
}

// answer decodes the params, serves the request, and answers with the task.
func answer[Request any](
	c *call, params json.RawMessage,
	decode func(json.RawMessage) (*Request, error),
	serve func(context.Context, *Request) (*a2a.Task, error),
	encode func(*a2a.Task) ([]byte, error),
) {
	req, err := decode(params)
	if err != nil {
		c.fail(err)
		return
	}
	task, err := serve(c.r.Context(), req)
	if err != nil {
		c.fail(err)
		return
	}
	c.reply(encode(task))
}

// reply answers with the result.
func (c *call) reply(result []byte, err error) {
	if err != nil {
		c.fail(err)
		return
	}
	c.w.Header().Set("Content-Type", "application/json")
	body := append(c.prefix(nil), result...)
	_, _ = c.w.Write(append(body, "}\n"...)) // a client that is gone needs no answer
}

// prefix appends the beginning of a response, up to its result.
func (c *call) prefix(b []byte) []byte {
	b = append(b, `{"jsonrpc":"2.0","id":`...)
	b = append(b, c.id...)
	return append(b, `,"result":`...)
}
