package a2ahttp

import (
	"bytes"
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

	"a2alambda/internal/protojson"
	"a2alambda/internal/server"
)

// rest is the HTTP+JSON binding: specification 1.0, 11.
type rest struct{}

func (rest) result() (before, after string) { return "", "" }

func (rest) contentType(c *call) string {
	if c.dialect == v1 {
		return "application/a2a+json"
	}
	return "application/json"
}

// errorType returns the content type of an error: that of a result, but for clients that accept application/json and do not name
// that of 1.0. Up to 2.4.0, the Go SDK is one, and reads the error of nothing else.
func (c *call) errorType() string {
	contentType := c.binding.contentType(c)
	if contentType == "application/json" {
		return contentType
	}
	c.w.Header().Add("Vary", "Accept")
	if accept := strings.Join(c.r.Header.Values("Accept"), ","); strings.Contains(accept, "application/json") && !strings.Contains(accept, contentType) {
		return "application/json"
	}
	return contentType
}

// errorEvent names the event as two of the three SDKs expect it; the third takes it by its data.
func (rest) errorEvent() string { return "event: error\n" }

func (rest) name() string { return string(a2a.TransportProtocolHTTPJSON) }

func (rest) failure(c *call, f failure) (status int, body any) {
	status = f.kind.status
	if f.status != 0 {
		status = f.status
	}
	type restError struct {
		Code    int                   `json:"code"`
		Status  string                `json:"status"`
		Message string                `json:"message"`
		Details []*errordetails.Typed `json:"details,omitempty"`
	}
	e := restError{status, f.kind.grpc, f.message, f.details}
	if c.dialect == v1 {
		return status, struct {
			Error restError `json:"error"`
		}{e}
	}
	// 0.3 does not say what an error is. Each client looks for its own server's: the JavaScript SDK for code and message, the
	// Python SDK for type and message, the Go SDK for error.
	return status, struct {
		Code    int       `json:"code"`
		Message string    `json:"message"`
		Type    string    `json:"type"`
		Error   restError `json:"error"`
	}{f.kind.code, f.message, f.kind.name, e}
}

// route is a path of the binding, without what may be before it: a tenant (1.0) or v1 (0.3).
type route struct {
	path  []string // segments; in braces the name of a parameter, before what the segment ends with
	verbs map[string]operation
}

// routes are those of 1.0 (specification 5.3 and 11.3; the protocol buffers have GET for subscribing) and of 0.3 (3.5.6).
var routes, routes03 = routesOf(v1), append(routesOf(v03http), route{[]string{"card"}, verbs("GetExtendedAgentCard", v03http, http.MethodGet, (*call).extendedCard)})

func routesOf(d *dialect) []route {
	subscribe := verbs("SubscribeToTask", d, http.MethodPost, (*call).subscribeToTask)
	subscribe[http.MethodGet] = subscribe[http.MethodPost]
	configs := verbs("CreateTaskPushNotificationConfig", d, http.MethodPost, (*call).createPushConfig)
	configs[http.MethodGet] = operation{"ListTaskPushNotificationConfigs", d, (*call).listPushConfigs}
	config := verbs("GetTaskPushNotificationConfig", d, http.MethodGet, (*call).getPushConfig)
	config[http.MethodDelete] = operation{"DeleteTaskPushNotificationConfig", d, (*call).deletePushConfig}
	return []route{
		{[]string{"message:send"}, verbs("SendMessage", d, http.MethodPost, (*call).sendMessage)},
		{[]string{"message:stream"}, verbs("SendStreamingMessage", d, http.MethodPost, (*call).sendStreamingMessage)},
		{[]string{"tasks"}, verbs("ListTasks", d, http.MethodGet, (*call).listTasks)},
		{[]string{"tasks", "{id}:cancel"}, verbs("CancelTask", d, http.MethodPost, (*call).cancelTask)},
		{[]string{"tasks", "{id}:subscribe"}, subscribe},
		{[]string{"tasks", "{id}"}, verbs("GetTask", d, http.MethodGet, (*call).getTask)},
		{[]string{"tasks", "{taskId}", "pushNotificationConfigs"}, configs},
		{[]string{"tasks", "{taskId}", "pushNotificationConfigs", "{id}"}, config},
		{[]string{"extendedAgentCard"}, verbs("GetExtendedAgentCard", d, http.MethodGet, (*call).extendedCard)},
	}
}

func verbs(name string, d *dialect, verb string, serve func(*call, *protojson.Reader)) map[string]operation {
	return map[string]operation{verb: {name, d, serve}}
}

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

// find returns the route of a path, and its parameters. Paths of 0.3 begin with v1; for a client of 1.0 that is a tenant.
func find(segments []string, version string) (*dialect, route, map[string]string) {
	if segments[0] == "v1" && version != v1.version {
		for _, r := range routes03 {
			if p, ok := r.match(segments[1:]); ok {
				return v03http, r, p
			}
		}
	}
	if version == v03.version {
		return v03http, route{}, nil
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
				return v1, r, p
			}
		}
	}
	return v1, route{}, nil
}

func (h *handler) rest(w http.ResponseWriter, r *http.Request, path []string) {
	c := h.newCall(w, r, rest{}, v1)
	defer c.contain()
	version, err := c.version()
	var found route
	var parameters map[string]string
	c.dialect, found, parameters = find(path, version)
	operation, ok := found.verbs[r.Method]
	switch {
	case ok:
		c.rest(operation, parameters, err)
	case found.path != nil:
		allowed := strings.Join(slices.Sorted(maps.Keys(found.verbs)), ", ")
		w.Header().Set("Allow", allowed)
		c.failStatus(http.StatusMethodNotAllowed, a2a.NewError(a2a.ErrMethodNotFound,
			fmt.Sprintf("the method is %s, not one of %s", protojson.Echo(r.Method), allowed)))
	default:
		begin := ""
		if c.dialect == v03http {
			begin = "/v1"
		}
		c.fail(a2a.NewError(a2a.ErrMethodNotFound, fmt.Sprintf("there is no such path as %s: paths are %[2]s/message:send and "+
			"%[2]s/message:stream, and those that begin with %[2]s/tasks", protojson.Echo("/"+strings.Join(path, "/")), begin)))
	}
}

// rest serves a request for an operation. err is what is wrong with its version.
func (c *call) rest(o operation, parameters map[string]string, err error) {
	c.seen.operation = o.name
	body, ok := c.begin()
	if !ok {
		return
	}
	if err != nil {
		c.fail(err)
		return
	}
	params, err := restParams(c.r, o.dialect, parameters, body)
	if err != nil {
		c.fail(err)
		return
	}
	c.serve(o, params)
}

// restParams returns the params as JSON-RPC would have them: of the path's parameters, and the body or the query.
func restParams(r *http.Request, d *dialect, parameters map[string]string, body []byte) (*protojson.Reader, error) {
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
		return nil, invalid(err)
	}
	if body = bytes.TrimLeft(body, " \t\r\n"); body[0] != '{' {
		return nil, a2a.NewError(a2a.ErrInvalidRequest, "the body is not a JSON object")
	}
	return newParams(d, body, given), nil
}

// queryFields are what may be in a query: specification 1.0, 11.5. The Go SDK calls the time lastUpdatedAfter.
var queryFields = protojson.FieldsOf("tenant", "contextId", "status", "pageToken", "pageSize", "historyLength", "includeArtifacts",
	"statusTimestampAfter", "lastUpdatedAfter")

// addQuery adds what is in a query to what is given. What is not a parameter is none of ours.
func addQuery(given map[string][]byte, query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return a2a.NewError(a2a.ErrInvalidRequest, "the query is not one of a URL, or too long")
	}
	asked := map[string]bool{}
	for key, values := range values {
		name, known := queryFields.Name(key)
		if name == "lastUpdatedAfter" {
			name = "statusTimestampAfter"
		}
		if !known || given[name] != nil && !asked[name] { // the path counts
			continue
		}
		if asked[name] || len(values) > 1 {
			return server.Invalid(name, "is given twice")
		}
		asked[name] = true
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
