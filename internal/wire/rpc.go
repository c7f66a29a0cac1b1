package wire

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/errordetails"

	"a2alambda/internal/jsonline"
)

// rpc is the JSON-RPC binding: specification 1.0, 9.
type rpc struct {
	id json.RawMessage // as the client sent it; null until known
}

func (b *rpc) result() (before, after string) {
	return `{"jsonrpc":"2.0","id":` + string(jsonline.Clean(b.id)) + `,"result":`, "}"
}

func (b *rpc) contentType(*call) string { return "application/json" }

func (b *rpc) errorEvent() string { return "" }

func (b *rpc) name() string { return string(a2a.TransportProtocolJSONRPC) }

func (b *rpc) failure(c *call, f failure) (status int, body any) {
	type rpcError struct {
		Code    int                   `json:"code"`
		Message string                `json:"message"`
		Data    []*errordetails.Typed `json:"data,omitempty"`
	}
	e := rpcError{Code: f.kind.code, Message: f.message}
	if c.dialect.detailed {
		e.Data = f.details
	}
	status = http.StatusOK
	if f.status != 0 {
		status = f.status
	}
	return status, struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   rpcError        `json:"error"`
	}{"2.0", b.id, e}
}

// methods are the methods of both versions: specification 1.0, 5.3, and 0.3, 3.5.6. An empty version is 0.3 by the
// specification, in which the names of 1.0 don't exist: so a client that uses them without a version is taken at its word.
var methods = map[string]operation{
	"SendMessage":                      {"SendMessage", v1, (*call).sendMessage},
	"SendStreamingMessage":             {"SendStreamingMessage", v1, (*call).sendStreamingMessage},
	"GetTask":                          {"GetTask", v1, (*call).getTask},
	"ListTasks":                        {"ListTasks", v1, (*call).listTasks},
	"CancelTask":                       {"CancelTask", v1, (*call).cancelTask},
	"SubscribeToTask":                  {"SubscribeToTask", v1, (*call).subscribeToTask},
	"CreateTaskPushNotificationConfig": {"CreateTaskPushNotificationConfig", v1, (*call).createPushConfig},
	"GetTaskPushNotificationConfig":    {"GetTaskPushNotificationConfig", v1, (*call).getPushConfig},
	"ListTaskPushNotificationConfigs":  {"ListTaskPushNotificationConfigs", v1, (*call).listPushConfigs},
	"DeleteTaskPushNotificationConfig": {"DeleteTaskPushNotificationConfig", v1, (*call).deletePushConfig},
	"GetExtendedAgentCard":             {"GetExtendedAgentCard", v1, (*call).extendedCard},

	"message/send":                        {"SendMessage", v03, (*call).sendMessage},
	"message/stream":                      {"SendStreamingMessage", v03, (*call).sendStreamingMessage},
	"tasks/get":                           {"GetTask", v03, (*call).getTask},
	"tasks/cancel":                        {"CancelTask", v03, (*call).cancelTask},
	"tasks/resubscribe":                   {"SubscribeToTask", v03, (*call).subscribeToTask},
	"tasks/pushNotificationConfig/set":    {"CreateTaskPushNotificationConfig", v03, (*call).createPushConfig},
	"tasks/pushNotificationConfig/get":    {"GetTaskPushNotificationConfig", v03, (*call).getPushConfig},
	"tasks/pushNotificationConfig/list":   {"ListTaskPushNotificationConfigs", v03, (*call).listPushConfigs},
	"tasks/pushNotificationConfig/delete": {"DeleteTaskPushNotificationConfig", v03, (*call).deletePushConfig},
	"agent/getAuthenticatedExtendedCard":  {"GetExtendedAgentCard", v03, (*call).extendedCard},
}

// request is a JSON-RPC 2.0 request object. https://www.jsonrpc.org/specification#request_object
type request struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

func (h *handler) rpc(w http.ResponseWriter, r *http.Request) {
	b := &rpc{id: []byte("null")}
	c := h.newCall(w, r, b, v1)
	defer c.contain()
	body, ok := c.begin()
	if !ok {
		return
	}
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
		c.dialect, c.seen.operation = m.dialect, m.name
	}
	if len(req.ID) > 0 {
		if !isID(req.ID) {
			c.fail(a2a.NewError(a2a.ErrInvalidRequest, "id is not a string, a number or null"))
			return
		}
		b.id = req.ID
	}
	version, err := c.version()
	switch {
	case req.JSONRPC != "2.0":
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, `jsonrpc is not "2.0"`))
	case req.Method == "":
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, "method is required"))
	case err != nil:
		c.fail(err)
	case !known || version != "" && version != m.dialect.version:
		c.fail(a2a.NewError(a2a.ErrMethodNotFound, "Method not found"))
	default:
		c.serve(m, req.Params)
	}
}

// isID reports whether the JSON value may be the id of a request.
func isID(id json.RawMessage) bool { return !strings.ContainsAny(string(id[:1]), "{[tf") }
