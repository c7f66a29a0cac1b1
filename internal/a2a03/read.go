package a2a03

import (
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/protojson"
)

// The params of JSON-RPC: specification 0.3, 6 and 7.

var (
	paramsFields  = protojson.FieldsOf("message", "configuration", "metadata")
	configFields  = protojson.FieldsOf("acceptedOutputModes", "blocking", "historyLength", "pushNotificationConfig")
	messageFields = protojson.FieldsOf("messageId", "contextId", "taskId", "role", "parts", "metadata", "extensions", "referenceTaskIds")
	partFields    = protojson.FieldsOf("kind", "text", "file", "data", "metadata")
	fileFields    = protojson.FieldsOf("bytes", "uri", "mimeType", "name")
	pushFields    = protojson.FieldsOf("id", "url", "token", "authentication")
	authFields    = protojson.FieldsOf("schemes", "credentials")
	taskFields    = protojson.FieldsOf("id", "historyLength", "metadata", "pushNotificationConfig", "pushNotificationConfigId", "taskId")
	queryFields   = taskFields.Only("id", "historyLength", "metadata", "pushNotificationConfigId")
	setPushFields = taskFields.Only("taskId", "pushNotificationConfig")
)

// sendParams reads MessageSendParams, with roles of these names.
func sendParams(r *protojson.Reader, roles []string) *a2a.SendMessageRequest {
	req := new(a2a.SendMessageRequest)
	r.Fill(paramsFields,
		func() { req.Message = message(r, messageFields, roles, part) },
		func() { req.Config = sendConfig(r) },
		&req.Metadata)
	if req.Message != nil && req.Config != nil && req.Config.PushConfig != nil {
		req.Config.PushConfig.TaskID = req.Message.TaskID
	}
	return req
}

func sendConfig(r *protojson.Reader) *a2a.SendMessageConfig {
	c := new(a2a.SendMessageConfig)
	r.Fill(configFields, &c.AcceptedOutputModes, func() { c.ReturnImmediately = !r.Bool() }, &c.HistoryLength, func() { c.PushConfig = push(r) })
	return c
}

// message reads a message. Its parts are the fifth field.
func message(r *protojson.Reader, fields protojson.Fields, roles []string, part func(*protojson.Reader) *a2a.Part) *a2a.Message {
	m := new(a2a.Message)
	role := func() { m.Role = toRole[r.Enum(roles)] }
	parts := func() {
		for range r.Elements() {
			m.Parts = append(m.Parts, part(r))
		}
	}
	r.Fill(fields, &m.ID, &m.ContextID, &m.TaskID, role, parts, &m.Metadata, &m.Extensions, &m.ReferenceTasks)
	return m
}

// kinds are the kinds of parts, and their contents' field names.
var kinds = []string{"text", "file", "data"}

// kind returns the kind of the next part. If the client left it out, the content decides.
func kind(r *protojson.Reader) string {
	again := r.Again()
	kind, contents := "", []string(nil)
	for name := range r.Members(partFields) {
		switch name {
		case "kind":
			if kind = r.String(); !slices.Contains(kinds, kind) {
				r.Fail("is %s, not one of %s", protojson.Echo(kind), strings.Join(kinds, ", "))
			}
		case "text", "file", "data":
			contents = append(contents, name)
		}
	}
	again()
	switch {
	case kind != "":
	case len(contents) == 1:
		kind = contents[0]
	case len(contents) == 0:
		r.Fail("has neither kind nor one of %s", strings.Join(kinds, ", "))
	default:
		r.Fail("has no kind, and not only one of %s", strings.Join(kinds, ", "))
	}
	return kind
}

func part(r *protojson.Reader) *a2a.Part {
	p := new(a2a.Part)
	kind := kind(r)
	for name := range r.Members(partFields) {
		switch {
		case name == "metadata":
			p.Metadata = r.Object()
		case name != kind:
		case name == "text":
			p.Content = a2a.Text(r.String())
		case name == "file":
			readFile(r, p, fileFields, r.Bytes, "bytes", "uri")
		case name == "data":
			p.Content = a2a.Data{Value: r.Object()}
		}
	}
	if p.Content == nil {
		r.FailAt(kind, "is required")
	}
	unwrap(p)
	return p
}

// readFile reads a file. Its content is in one of two fields: bytes or a URI.
func readFile(r *protojson.Reader, p *a2a.Part, fields protojson.Fields, raw func() []byte, bytes, uri string) {
	only := func() {
		if p.Content != nil {
			r.Fail("is there beside the other: a file has either %s or %s", bytes, uri)
		}
	}
	r.Fill(fields,
		func() { only(); p.Content = a2a.Raw(raw()) },
		func() { only(); p.Content = a2a.URL(r.String()) },
		&p.MediaType, &p.Filename)
	if p.Content == nil {
		r.Fail("has neither %s nor %s", bytes, uri)
	}
}

func createPushRequest(r *protojson.Reader) *a2a.PushConfig {
	c := new(a2a.PushConfig)
	r.Fill(setPushFields, &c.TaskID, func() { readPush(r, c) })
	return c
}

func push(r *protojson.Reader) *a2a.PushConfig {
	c := new(a2a.PushConfig)
	readPush(r, c)
	return c
}

// readPush reads a PushNotificationConfig, with one scheme at most.
func readPush(r *protojson.Reader, c *a2a.PushConfig) {
	r.Fill(pushFields, &c.ID, &c.URL, &c.Token, func() {
		c.Auth = new(a2a.PushAuthInfo)
		r.Fill(authFields, func() {
			if schemes := protojson.List[string](r); len(schemes) > 0 {
				c.Auth.Scheme = schemes[0]
			}
		}, &c.Auth.Credentials)
	})
}

type taskParams struct {
	id       a2a.TaskID
	length   *int
	metadata map[string]any
	config   string // the id of a push notification configuration
}

// onTask returns the reader of a request on a task. All take the same params, and use some.
func onTask[T any](use func(*T, taskParams)) func(*protojson.Reader) *T {
	return func(r *protojson.Reader) *T {
		var p taskParams
		r.Fill(queryFields, &p.id, &p.length, &p.metadata, &p.config)
		req := new(T)
		use(req, p)
		return req
	}
}
