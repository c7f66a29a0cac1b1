package a2ahttp

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/errordetails"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/dialect"
	"a2alambda/internal/heavy"
	"a2alambda/internal/protojson"
	"a2alambda/internal/server"
)

// rest is the HTTP+JSON binding: specification 1.0, 11.
type rest struct {
	path []string // the segments of the request's path
}

func (rest) name() string { return string(a2a.TransportProtocolHTTPJSON) }

func (rest) result(d *dialect.Dialect) (contentType, before, after string) {
	if d == dialect.V1 {
		return "application/a2a+json", "", ""
	}
	return "application/json", "", ""
}

// failure calls an error's event "error", as two of the three SDKs expect. The third ignores it.
func (rest) failure(d *dialect.Dialect, f failure) (status int, field string, body any) {
	status = cmp.Or(f.status, f.kind.status)
	type restError struct {
		Code    int                   `json:"code"`
		Status  string                `json:"status"`
		Message string                `json:"message"`
		Details []*errordetails.Typed `json:"details,omitempty"`
	}
	e := restError{status, f.kind.grpc, f.message, f.details}
	if d == dialect.V1 {
		body = struct {
			Error restError `json:"error"`
		}{e}
	} else {
		// 0.3 does not define errors. Each client looks for its own server's: the JavaScript SDK
		// for code and message, the Python SDK for type and message, the Go SDK for error.
		body = struct {
			Code    int       `json:"code"`
			Message string    `json:"message"`
			Type    string    `json:"type"`
			Error   restError `json:"error"`
		}{f.kind.code, f.message, f.kind.name, e}
	}
	return status, "event: error\n", body
}

// route is a path of the binding, without its prefix: a tenant (1.0) or v1 (0.3).
type route struct {
	path       []string          // segments: "{id}:cancel" is an id and ":cancel"
	operations map[string]string // by the verb
}

// routes are the same in both versions (specification 1.0, 5.3 and 11.3; 0.3, 3.5.6; the protocol
// buffers have GET for subscribing), except that 0.3 has one more path for the card.
var (
	routes = []route{
		{[]string{"message:send"}, map[string]string{"POST": "SendMessage"}},
		{[]string{"message:stream"}, map[string]string{"POST": "SendStreamingMessage"}},
		{[]string{"tasks"}, map[string]string{"GET": "ListTasks"}},
		{[]string{"tasks", "{id}:cancel"}, map[string]string{"POST": "CancelTask"}},
		{[]string{"tasks", "{id}:subscribe"}, map[string]string{"GET": "SubscribeToTask", "POST": "SubscribeToTask"}},
		{[]string{"tasks", "{id}"}, map[string]string{"GET": "GetTask"}},
		{[]string{"tasks", "{id}", "steps"}, map[string]string{"GET": "ListTaskSteps"}}, // ours
		{[]string{"tasks", "{taskId}", "pushNotificationConfigs"}, map[string]string{
			"GET": "ListTaskPushNotificationConfigs", "POST": "CreateTaskPushNotificationConfig",
		}},
		{[]string{"tasks", "{taskId}", "pushNotificationConfigs", "{id}"}, map[string]string{
			"GET": "GetTaskPushNotificationConfig", "DELETE": "DeleteTaskPushNotificationConfig",
		}},
		{[]string{"extendedAgentCard"}, getCard},
	}
	routes03 = append(slices.Clone(routes), route{[]string{"card"}, getCard})
	getCard  = map[string]string{"GET": "GetExtendedAgentCard"}
)

// match returns the parameters in the path's segments.
func (r route) match(segments []string) (parameters map[string]string, ok bool) {
	if len(segments) != len(r.path) {
		return nil, false
	}
	parameters = map[string]string{}
	for i, want := range r.path {
		name, suffix, isParameter := strings.Cut(strings.TrimPrefix(want, "{"), "}")
		if !isParameter {
			if segments[i] != want {
				return nil, false
			}
			continue
		}
		value, ok := strings.CutSuffix(segments[i], suffix)
		if !ok || value == "" {
			return nil, false
		}
		parameters[name] = value
	}
	return parameters, true
}

// find returns a path's dialect, route and parameters. Paths of 0.3 begin with v1, which a client
// of 1.0 could have as a tenant.
func find(segments []string, version string) (*dialect.Dialect, route, map[string]string) {
	if segments[0] == "v1" && version != dialect.V1.Version {
		for _, r := range routes03 {
			if p, ok := r.match(segments[1:]); ok {
				return a2a03.HTTPJSON, r, p
			}
		}
	}
	if version == a2a03.JSONRPC.Version {
		return a2a03.HTTPJSON, route{}, nil
	}
	for _, tenant := range []bool{false, true} {
		path := segments
		if tenant {
			path = segments[1:]
		}
		for _, r := range routes {
			if p, ok := r.match(path); ok {
				if tenant {
					p["tenant"] = segments[0]
				}
				return dialect.V1, r, p
			}
		}
	}
	return dialect.V1, route{}, nil
}

func (b rest) decode(h *handler, r *http.Request) (request, error) {
	version, versionErr := versionOf(r)
	d, found, parameters := find(b.path, version)
	q := request{binding: b, dialect: d}
	operation, ok := found.operations[r.Method]
	switch {
	case found.path == nil:
		begin := ""
		if d == a2a03.HTTPJSON {
			begin = "/v1"
		}
		return q, a2a.NewError(a2a.ErrMethodNotFound, fmt.Sprintf("there is no such path as %s: paths are %[2]s/message:send and "+
			"%[2]s/message:stream, and those that begin with %[2]s/tasks", protojson.Echo("/"+strings.Join(b.path, "/")), begin))
	case !ok:
		allowed := strings.Join(slices.Sorted(maps.Keys(found.operations)), ", ")
		err := a2a.NewError(a2a.ErrMethodNotFound, fmt.Sprintf("the method is %s, not one of %s", protojson.Echo(r.Method), allowed))
		return q, &httpError{err, http.StatusMethodNotAllowed, "Allow", allowed}
	}
	q.operation = operation
	owner, body, err := h.readRequest(r)
	if err != nil {
		return q, err
	}
	if versionErr != nil {
		return q, versionErr
	}
	defer heavy.Begin(int64(len(body)))()
	if q.params, err = restParams(r, d, parameters, body); err != nil {
		return q, err
	}
	q.caller, err = h.newCaller(r, owner, d.Version)
	return q, err
}

// restParams returns the params as JSON-RPC would have them, from the path and the body or query.
func restParams(r *http.Request, d *dialect.Dialect, parameters map[string]string, body []byte) (*protojson.Reader, error) {
	given := map[string][]byte{}
	for name, value := range parameters {
		given[name], _ = json.Marshal(value) // a string
	}
	if len(body) == 0 || r.Method != http.MethodPost {
		if err := addQuery(given, r.URL.RawQuery); err != nil {
			return nil, err
		}
		return newParams(d, nil, given), nil
	}
	if err := scan(body, 0); err != nil {
		return nil, paramsError(err)
	}
	if body = bytes.TrimLeft(body, " \t\r\n"); body[0] != '{' {
		return nil, a2a.NewError(a2a.ErrInvalidRequest, "the body is not a JSON object")
	}
	return newParams(d, body, given), nil
}

// queryFields are a query's parameters (specification 1.0, 11.5). lastUpdatedAfter is the Go SDK's
// name for the time.
var queryFields = protojson.FieldsOf("tenant", "contextId", "status", "pageToken", "pageSize", "historyLength", "includeArtifacts",
	"statusTimestampAfter", "lastUpdatedAfter", "after", "limit")

// addQuery adds a query's parameters to those given, and ignores unknown ones.
func addQuery(given map[string][]byte, query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return a2a.NewError(a2a.ErrInvalidRequest, "the query is not one of a URL, or too long")
	}
	found := map[string]bool{}
	for key, values := range values {
		name, known := queryFields.Name(key)
		if name == "lastUpdatedAfter" {
			name = "statusTimestampAfter"
		}
		if !known || given[name] != nil && !found[name] { // the path counts
			continue
		}
		if found[name] || len(values) > 1 {
			return server.Invalid(name, "is given twice")
		}
		found[name] = true
		value := values[0]
		given[name], _ = json.Marshal(value)
		switch name {
		case "includeArtifacts":
			yes, err := strconv.ParseBool(value)
			if err != nil {
				return server.Invalid(name, "is %s, not true or false", protojson.Echo(value))
			}
			given[name] = strconv.AppendBool(nil, yes)
		case "status":
			if number, err := strconv.ParseInt(value, 10, 32); err == nil {
				given[name] = strconv.AppendInt(nil, number, 10)
			}
		}
	}
	return nil
}
