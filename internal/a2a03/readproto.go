package a2a03

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/protojson"
)

// The bodies of HTTP+JSON. Specification 0.3, 7.1 sends a message with the objects of JSON-RPC. But
// the SDKs send, and their servers take, protocol buffers' JSON.

var (
	bodyFields         = protojson.FieldsOf("message", "request", "configuration", "metadata")
	bodyConfigFields   = protojson.FieldsOf("acceptedOutputModes", "blocking", "historyLength", "pushNotification")
	protoMessageFields = protojson.FieldsOf("messageId", "contextId", "taskId", "role", "content", "metadata", "extensions",
		"referenceTaskIds", "parts") // parts are skipped
	protoPartFields   = protojson.FieldsOf("text", "file", "data", "metadata")
	protoFileFields   = protojson.FieldsOf("fileWithBytes", "fileWithUri", "mimeType", "name")
	protoDataFields   = protojson.FieldsOf("data")
	createFields      = protojson.FieldsOf("taskId", "configId", "config", "pushNotificationConfig")
	namedConfigFields = protojson.FieldsOf("pushNotificationConfig")
)

// protoRoles are the roles of protocol buffers, in the order of their numbers, and of JSON-RPC.
var protoRoles = slices.Concat(protojson.Roles, roles)

// sendBody reads the body of message:send. If the message has parts, that is MessageSendParams,
// else protocol buffers' SendMessageRequest. Protocol buffers call its message request, the
// specification message; clients use either.
func sendBody(r *protojson.Reader) *a2a.SendMessageRequest {
	if hasParts(r) {
		return sendParams(r, protoRoles)
	}
	req := new(a2a.SendMessageRequest)
	var other *a2a.Message
	r.Fill(bodyFields,
		func() { req.Message = message(r, protoMessageFields, protoRoles, protoPart) },
		func() { other = message(r, protoMessageFields, protoRoles, protoPart) },
		func() { req.Config = bodyConfig(r) },
		&req.Metadata)
	if req.Message == nil {
		req.Message = other
	}
	return req
}

// hasParts reports whether the message in the next body has parts, as in JSON-RPC.
func hasParts(r *protojson.Reader) bool {
	defer r.Again()()
	has := false
	r.Fill(bodyFields, func() {
		if r.Kind() == "an object" {
			for name := range r.Members(protoMessageFields) {
				has = has || name == "parts"
			}
		}
	})
	return has
}

func bodyConfig(r *protojson.Reader) *a2a.SendMessageConfig {
	c := &a2a.SendMessageConfig{ReturnImmediately: true} // blocking, if false, is not sent
	length := func() {
		if n := r.Int32(); n != 0 { // 0 is not sent
			c.HistoryLength = &n
		}
	}
	r.Fill(bodyConfigFields, &c.AcceptedOutputModes, func() { c.ReturnImmediately = !r.Bool() }, length, func() { c.PushConfig = push(r) })
	return c
}

func protoPart(r *protojson.Reader) *a2a.Part {
	p := new(a2a.Part)
	only := func() {
		if p.Content != nil {
			r.Fail("is there beside another: a part has one of %s", strings.Join(kinds, ", "))
		}
	}
	raw := func() []byte { return decodeTwice(r.Bytes()) }
	data := func() {
		only()
		r.Fill(protoDataFields, func() { p.Content = a2a.Data{Value: r.Any()} })
		if p.Content == nil {
			r.FailAt("data", "is required")
		}
	}
	r.Fill(protoPartFields,
		func() { only(); p.Content = a2a.Text(r.String()) },
		func() { only(); readFile(r, p, protoFileFields, raw, "fileWithBytes", "fileWithUri") },
		data, &p.Metadata)
	if p.Content == nil {
		r.Fail("has none of %s", strings.Join(kinds, ", "))
	}
	unwrap(p)
	return p
}

// decodeTwice decodes bytes once more if possible: some clients encode them twice, first as text.
func decodeTwice(raw []byte) []byte {
	if twice, err := base64.StdEncoding.DecodeString(string(raw)); err == nil && len(raw) > 0 {
		return twice
	}
	return raw
}

// createPushBody reads the request to create a configuration in protocol buffers' form, or the
// configuration itself.
func createPushBody(r *protojson.Reader) *a2a.PushConfig {
	c := new(a2a.PushConfig)
	found, id := false, ""
	config := func() { found = true; readPush(r, c) }
	r.Fill(createFields, &c.TaskID, &id, func() { r.Fill(namedConfigFields, config) }, config)
	if !found {
		r.FailAt("config.pushNotificationConfig", "is required")
	}
	if c.ID == "" {
		c.ID = id
	}
	return c
}

// listBody reads the request to list tasks: 1.0's, except for the name of a state.
func listBody(r *protojson.Reader) *a2a.ListTasksRequest {
	r.States = slices.Concat(protojson.States, []string{"TASK_STATE_CANCELLED"})
	req := protojson.Read[a2a.ListTasksRequest](r)
	if req.Status == "TASK_STATE_CANCELLED" {
		req.Status = a2a.TaskStateCanceled
	}
	return req
}
