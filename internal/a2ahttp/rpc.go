package a2ahttp

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/errordetails"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/protojson"
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

// maxRequestID is the most bytes in the id of a request, as it is sent: each answer, and each frame of a stream, repeats it.
const maxRequestID = 256

// request is a JSON-RPC 2.0 request object. https://www.jsonrpc.org/specification#request_object
type request struct {
	version, method string
	id, params      []byte // nil where there are none
}

var requestFields = protojson.FieldsOf("jsonrpc", "id", "method", "params")

// readRequest reads a request, up to an error.
func readRequest(body []byte) (req request, err error) {
	r := protojson.NewReader(body)
	r.Nulls = true
	for name := range r.Members(requestFields) {
		switch name {
		case "jsonrpc":
			req.version = r.String()
		case "method":
			req.method = r.String()
		case "id":
			req.id = r.Raw()
		case "params":
			if r.Kind() != "null" {
				req.params = r.Raw()
			}
		}
	}
	return req, r.Err()
}

func (h *handler) rpc(w http.ResponseWriter, r *http.Request) {
	b := &rpc{id: []byte("null")}
	c := h.newCall(w, r, b, v1)
	defer c.contain()
	body, ok := c.begin()
	if !ok {
		return
	}
	scanned := scan(body, 1)
	if scanned != nil && !json.Valid(body) { // there is no id to be read
		c.fail(inParams(scanned))
		return
	}
	switch bytes.TrimLeft(body, " \t\r\n")[0] {
	case '{':
	case '[':
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, "the body is an array: send each request by itself, not in a batch"))
		return
	default:
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, "the body is not a JSON-RPC request object"))
		return
	}
	req, malformed := readRequest(body)
	m, known := methods[req.method]
	if known {
		c.dialect, c.seen.operation = m.dialect, m.name
	}
	if len(req.id) > maxRequestID {
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, fmt.Sprintf("id is longer than %d bytes", maxRequestID)))
		return
	}
	if req.id != nil && !isID(req.id) {
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, "id is not a string, a number or null"))
		return
	}
	if faulty := (*protojson.FieldError)(nil); req.id != nil && !(errors.As(scanned, &faulty) && faulty.Field == "id") {
		b.id = req.id
	}
	version, err := c.version()
	switch {
	case scanned != nil:
		c.fail(inParams(scanned))
	case malformed != nil:
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, malformed.Error()))
	case req.version != "2.0":
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, `jsonrpc is not "2.0"`))
	case req.method == "":
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, "method is required"))
	case req.id == nil && known && streaming[m.name]:
		c.fail(a2a.NewError(a2a.ErrInvalidRequest, "id is required: "+req.method+" answers with a stream"))
	default:
		if req.id == nil {
			c.w = &notified{ResponseWriter: c.w}
		}
		switch {
		case err != nil:
			c.fail(err)
		case !known || version != "" && version != m.dialect.version:
			c.fail(unknownMethod(req.method, version))
		default:
			c.serve(m, newParams(m.dialect, req.params, nil))
		}
	}
}

// isID reports whether the JSON value may be the id of a request.
func isID(id []byte) bool { return !strings.ContainsAny(string(id[:1]), "{[tf") }

// inParams returns the error of a scan as that of the params in the body, if it is there.
func inParams(err error) error {
	field := (*protojson.FieldError)(nil)
	if !errors.As(err, &field) {
		return err
	}
	switch name, rest, _ := strings.Cut(field.Field, "."); {
	case name != "params":
		return a2a.NewError(a2a.ErrInvalidRequest, strings.TrimSpace(cmp.Or(field.Field, "the body")+" "+field.Problem))
	default:
		return invalid(&protojson.FieldError{Field: rest, Problem: field.Problem})
	}
}

// unknownMethod returns the error for a method that the version does not have. If the client names none, the version is that whose
// methods look alike.
func unknownMethod(method, version string) error {
	if version == "" {
		version = v1.version
		if strings.Contains(method, "/") {
			version = v03.version
		}
	}
	var names []string
	for name, m := range methods {
		if m.dialect.version == version {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return a2a.NewError(a2a.ErrMethodNotFound, fmt.Sprintf("method is %s, not one of those of %s: %s",
		protojson.Echo(method), version, strings.Join(names, ", ")))
}

// notified is the response to a notification, a request without an id, which is not answered: JSON-RPC 2.0, 4.1. What HTTP itself
// has to say of it, by its status, is said.
type notified struct {
	http.ResponseWriter
	begun, said bool
}

func (w *notified) WriteHeader(status int) {
	w.begun, w.said = true, status != http.StatusOK
	if !w.said {
		status = http.StatusNoContent
		w.Header().Del("Content-Type")
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *notified) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if !w.said {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}
