package wire

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/errordetails"

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

func verbs(name string, d *dialect, verb string, serve func(*call, json.RawMessage)) map[string]operation {
	return map[string]operation{verb: {name, d, serve}}
}

// match returns the parameters in the path's segments.
func (r route) match(segments []string) (parameters map[string]any, ok bool) {
	if len(segments) != len(r.path) {
		return nil, false
	}
	parameters = map[string]any{}
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
func find(segments []string, version string) (*dialect, route, map[string]any) {
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

func (h *handler) rest(w http.ResponseWriter, r *http.Request) {
	var segments []string
	for s := range strings.SplitSeq(strings.TrimLeft(r.URL.EscapedPath(), "/"), "/") {
		s, _ := url.PathUnescape(s) // it is a path's
		segments = append(segments, s)
	}
	c := h.newCall(w, r, rest{}, v1)
	defer c.contain()
	version, err := c.version()
	var found route
	var parameters map[string]any
	c.dialect, found, parameters = find(segments, version)
	operation, ok := found.verbs[r.Method]
	switch {
	case ok:
		c.rest(operation, parameters, err)
	case found.path != nil:
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(found.verbs)), ", "))
		c.failStatus(http.StatusMethodNotAllowed, a2a.NewError(a2a.ErrMethodNotFound, "Method Not Allowed"))
	default:
		c.fail(a2a.NewError(a2a.ErrMethodNotFound, "there is no such path"))
	}
}

// rest serves a request for an operation. err is what is wrong with its version.
func (c *call) rest(o operation, parameters map[string]any, err error) {
	c.seen.operation = o.name
	body, ok := c.begin()
	if !ok {
		return
	}
	if err != nil {
		c.fail(err)
		return
	}
	params, err := restParams(c.r, parameters, body)
	if err != nil {
		c.fail(err)
		return
	}
	c.serve(o, params)
}

// restParams returns the params as JSON-RPC would have them, from the path's parameters, the query (specification 11.5) and the body.
func restParams(r *http.Request, parameters map[string]any, body []byte) (json.RawMessage, error) {
	if len(body) > 0 && r.Method == http.MethodPost {
		var fields map[string]json.RawMessage
		if !json.Valid(body) {
			return nil, a2a.NewError(a2a.ErrParseError, "the body is not JSON")
		}
		if json.Unmarshal(body, &fields) != nil {
			return nil, a2a.NewError(a2a.ErrInvalidRequest, "the body is not a JSON object")
		}
		if len(parameters) == 0 {
			return body, nil
		}
		inPath := slices.Collect(maps.Keys(parameters))
		for k, v := range fields {
			// In any case: whoever decodes the params takes it for the same field.
			same := func(name string) bool { return strings.EqualFold(name, camelKey(k)) }
			if !slices.ContainsFunc(inPath, same) {
				parameters[k] = v
			}
		}
		return json.Marshal(parameters)
	}
	for k, values := range r.URL.Query() {
		k = camelKey(k)
		if _, inPath := parameters[k]; inPath {
			continue
		}
		var err error
		switch value := values[0]; k {
		case "historyLength", "pageSize":
			parameters[k], err = strconv.Atoi(value)
		case "includeArtifacts":
			parameters[k], err = strconv.ParseBool(value)
		case "statusTimestampAfter", "lastUpdatedAfter": // the latter is how the Go SDK calls it
			parameters["statusTimestampAfter"] = value
		case "tenant", "contextId", "status", "pageToken":
			parameters[k] = value
		}
		if err != nil {
			return nil, server.Invalid(k, "is %q", values[0])
		}
	}
	return json.Marshal(parameters)
}
