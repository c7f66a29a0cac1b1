package a2ahttp

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/errordetails"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/dialect"
	"a2alambda/internal/heavy"
	"a2alambda/internal/jsonline"
	"a2alambda/internal/protojson"
)

// rpc is the JSON-RPC binding: specification 1.0, 9.
type rpc struct {
	id json.RawMessage // the request's, as the client sent it, or null
}

func (rpc) name() string { return string(a2a.TransportProtocolJSONRPC) }

func (b rpc) result(*dialect.Dialect) (contentType, before, after string) {
	return "application/json", `{"jsonrpc":"2.0","id":` + string(jsonline.Clean(b.id)) + `,"result":`, "}"
}

func (b rpc) failure(d *dialect.Dialect, f failure) (status int, field string, body any) {
	type rpcError struct {
		Code    int                   `json:"code"`
		Message string                `json:"message"`
		Data    []*errordetails.Typed `json:"data,omitempty"`
	}
	e := rpcError{Code: f.kind.code, Message: f.message}
	if d.Detailed {
		e.Data = f.details
	}
	return cmp.Or(f.status, http.StatusOK), "", struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   rpcError        `json:"error"`
	}{"2.0", b.id, e}
}

// methods03 maps the methods of 0.3 (specification 0.3, 3.5.6) to operations.
var methods03 = map[string]string{
	"message/send":                        "SendMessage",
	"message/stream":                      "SendStreamingMessage",
	"tasks/get":                           "GetTask",
	"tasks/cancel":                        "CancelTask",
	"tasks/resubscribe":                   "SubscribeToTask",
	"tasks/pushNotificationConfig/set":    "CreateTaskPushNotificationConfig",
	"tasks/pushNotificationConfig/get":    "GetTaskPushNotificationConfig",
	"tasks/pushNotificationConfig/list":   "ListTaskPushNotificationConfigs",
	"tasks/pushNotificationConfig/delete": "DeleteTaskPushNotificationConfig",
	"agent/getAuthenticatedExtendedCard":  "GetExtendedAgentCard",
}

// operationOf returns the operation and the dialect of a method of either version. The operation of
// an unknown method is "".
func operationOf(method string) (string, *dialect.Dialect) {
	if o, known := operations[method]; known && !o.ours {
		return method, dialect.V1
	}
	if name, known := methods03[method]; known {
		return name, a2a03.JSONRPC
	}
	return "", dialect.V1
}

// maxRequestID is the most bytes in the JSON of a request's id. Each frame of a stream repeats it.
const maxRequestID = 256

// requestObject is a JSON-RPC 2.0 request object.
// https://www.jsonrpc.org/specification#request_object
type requestObject struct {
	version, method string
	id, params      []byte // nil where there are none
}

var requestFields = protojson.FieldsOf("jsonrpc", "id", "method", "params")

// readRequestObject reads a request object up to its first error.
func readRequestObject(body []byte) (o requestObject, err error) {
	r := protojson.NewReader(body)
	r.Nulls = true
	params := func() {
		if r.Kind() != "null" {
			o.params = r.Raw()
		}
	}
	r.Fill(requestFields, &o.version, func() { o.id = r.Raw() }, &o.method, params)
	return o, r.Err()
}

func (b rpc) decode(h *handler, r *http.Request) (request, error) {
	q := request{binding: b, dialect: dialect.V1}
	refuse := func(text string) (request, error) { return q, a2a.NewError(a2a.ErrInvalidRequest, text) }
	owner, body, err := h.readRequest(r)
	if err != nil {
		return q, err
	}
	defer heavy.Begin(int64(len(body)))()
	scanned := scan(body, 1)
	if scanned != nil && !json.Valid(body) { // so there is no id to read
		return q, bodyError(scanned)
	}
	switch bytes.TrimLeft(body, " \t\r\n")[0] {
	case '{':
	case '[':
		return refuse("the body is an array: send each request by itself, not in a batch")
	default:
		return refuse("the body is not a JSON-RPC request object")
	}
	o, malformed := readRequestObject(body)
	q.operation, q.dialect = operationOf(o.method)
	if len(o.id) > maxRequestID {
		return refuse(fmt.Sprintf("id is longer than %d bytes", maxRequestID))
	}
	if o.id != nil && !isID(o.id) {
		return refuse("id is not a string, a number or null")
	}
	if faulty := (*protojson.FieldError)(nil); o.id != nil && !(errors.As(scanned, &faulty) && faulty.Field == "id") {
		q.binding = rpc{o.id}
	}
	switch {
	case scanned != nil:
		return q, bodyError(scanned)
	case malformed != nil:
		return refuse(malformed.Error())
	case o.version != "2.0":
		return refuse(`jsonrpc is not "2.0"`)
	case o.method == "":
		return refuse("method is required")
	case o.id == nil && operations[q.operation].stream != nil:
		return refuse("id is required: " + o.method + " answers with a stream")
	}
	q.notification = o.id == nil
	version, err := versionOf(r)
	if err != nil {
		return q, err
	}
	if q.operation == "" || version != "" && version != q.dialect.Version {
		return q, unknownMethod(o.method, version)
	}
	q.params = newParams(q.dialect, o.params, nil)
	q.caller, err = h.newCaller(r, owner, q.dialect.Version)
	return q, err
}

func isID(id []byte) bool { return !strings.ContainsAny(string(id[:1]), "{[tf") }

// bodyError returns a scan's error as a client sees it. It may be about the params.
func bodyError(err error) error {
	field := (*protojson.FieldError)(nil)
	if !errors.As(err, &field) {
		return err
	}
	name, rest, _ := strings.Cut(field.Field, ".")
	if name != "params" {
		return a2a.NewError(a2a.ErrInvalidRequest, strings.TrimSpace(cmp.Or(field.Field, "the body")+" "+field.Problem))
	}
	return paramsError(&protojson.FieldError{Field: rest, Problem: field.Problem})
}

// unknownMethod returns the error for a method that the version does not have. An empty version is
// 0.3 by the specification, which has no names of 1.0. So if the client names no version, the
// method's look decides which methods the error lists.
func unknownMethod(method, version string) error {
	if version == "" {
		version = dialect.V1.Version
		if strings.Contains(method, "/") {
			version = a2a03.JSONRPC.Version
		}
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(operations)), func(name string) bool { return operations[name].ours })
	if version == a2a03.JSONRPC.Version {
		names = slices.Sorted(maps.Keys(methods03))
	}
	return a2a.NewError(a2a.ErrMethodNotFound, fmt.Sprintf("method is %s, not one of those of %s: %s",
		protojson.Echo(method), version, strings.Join(names, ", ")))
}
