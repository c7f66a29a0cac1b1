package a2a03

import (
	"strings"

	legacy "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
)

// The SDK's conversions need gRPC, which is half of a function's binary. These do the same.

// wrapped marks, in its metadata, a data part whose data are no object. 0.3 does not know these: it
// gets an object instead, with the data as member "value".
const wrapped = "data_part_compat"

func fromPushConfig(c *a2a.PushConfig) *legacy.TaskPushConfig {
	converted := &legacy.TaskPushConfig{
		Config: legacy.PushConfig{ID: c.ID, Token: c.Token, URL: c.URL},
		TaskID: legacy.TaskID(c.TaskID),
	}
	if c.Auth != nil {
		converted.Config.Auth = &legacy.PushAuthInfo{Credentials: c.Auth.Credentials, Schemes: []string{c.Auth.Scheme}}
	}
	return converted
}

// fromState returns the state's name in JSON-RPC: TASK_STATE_INPUT_REQUIRED is input-required.
func fromState(s a2a.TaskState) string {
	name := strings.TrimPrefix(string(s), "TASK_STATE_")
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

var roles = []string{"user", "agent"}

// toRole and fromRole translate roles' names. JSON-RPC and protocol buffers each have their own,
// and none for another role.
var (
	toRole = map[string]a2a.MessageRole{
		"user": a2a.MessageRoleUser, "ROLE_USER": a2a.MessageRoleUser, "agent": a2a.MessageRoleAgent, "ROLE_AGENT": a2a.MessageRoleAgent,
	}
	fromRole = map[a2a.MessageRole]string{a2a.MessageRoleUser: "user", a2a.MessageRoleAgent: "agent"}
)
