package legacy

import (
	"encoding/base64"
	"maps"
	"strings"

	legacy "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
)

// The SDK's conversions come with gRPC, which is half of a function's binary. These here convert as those do.

// wrapped is metadata of a data part that had no object, the only data that 0.3 knows: the part has it as member "value".
const wrapped = "data_part_compat"

// SendRequest returns the request to send a message as 1.0 has it. The message is required.
func SendRequest(p *legacy.MessageSendParams) (*a2a.SendMessageRequest, error) {
	parts, err := toParts(p.Message.Parts)
	if err != nil {
		return nil, err
	}
	m := p.Message
	req := &a2a.SendMessageRequest{
		Message: &a2a.Message{
			ID:             m.ID,
			ContextID:      m.ContextID,
			Extensions:     m.Extensions,
			Metadata:       m.Metadata,
			Parts:          parts,
			ReferenceTasks: each(m.ReferenceTasks, func(id legacy.TaskID) a2a.TaskID { return a2a.TaskID(id) }),
			Role:           toRole(m.Role),
			TaskID:         a2a.TaskID(m.TaskID),
		},
		Metadata: p.Metadata,
	}
	if c := p.Config; c != nil {
		req.Config = &a2a.SendMessageConfig{
			AcceptedOutputModes: c.AcceptedOutputModes,
			HistoryLength:       c.HistoryLength,
			ReturnImmediately:   c.Blocking != nil && !*c.Blocking,
		}
		if c.PushConfig != nil {
			req.Config.PushConfig = PushConfig(&legacy.TaskPushConfig{Config: *c.PushConfig, TaskID: m.TaskID})
		}
	}
	return req, nil
}

// PushConfig returns the configuration as 1.0 has it, with one scheme at most.
func PushConfig(c *legacy.TaskPushConfig) *a2a.PushConfig {
	converted := &a2a.PushConfig{TaskID: a2a.TaskID(c.TaskID), ID: c.Config.ID, Token: c.Config.Token, URL: c.Config.URL}
	if auth := c.Config.Auth; auth != nil {
		converted.Auth = &a2a.PushAuthInfo{Credentials: auth.Credentials}
		if len(auth.Schemes) > 0 {
			converted.Auth.Scheme = auth.Schemes[0]
		}
	}
	return converted
}

// FromPushConfig returns the configuration as 0.3 has it.
func FromPushConfig(c *a2a.PushConfig) *legacy.TaskPushConfig {
	converted := &legacy.TaskPushConfig{
		Config: legacy.PushConfig{ID: c.ID, Token: c.Token, URL: c.URL},
		TaskID: legacy.TaskID(c.TaskID),
	}
	if c.Auth != nil {
		converted.Config.Auth = &legacy.PushAuthInfo{Credentials: c.Auth.Credentials, Schemes: []string{c.Auth.Scheme}}
	}
	return converted
}

// fromState returns the state's name in 0.3: TASK_STATE_INPUT_REQUIRED is input-required.
func fromState(s a2a.TaskState) legacy.TaskState {
	if s == a2a.TaskStateUnspecified {
		return legacy.TaskStateUnspecified
	}
	name := strings.TrimPrefix(string(s), "TASK_STATE_")
	return legacy.TaskState(strings.ReplaceAll(strings.ToLower(name), "_", "-"))
}

func fromRole(r a2a.MessageRole) legacy.MessageRole {
	switch r {
	case a2a.MessageRoleAgent:
		return legacy.MessageRoleAgent
	case a2a.MessageRoleUser:
		return legacy.MessageRoleUser
	}
	return legacy.MessageRoleUnspecified
}

func toRole(r legacy.MessageRole) a2a.MessageRole {
	switch r {
	case legacy.MessageRoleAgent:
		return a2a.MessageRoleAgent
	case legacy.MessageRoleUser:
		return a2a.MessageRoleUser
	}
	return a2a.MessageRoleUnspecified
}

func toParts(parts legacy.ContentParts) (converted a2a.ContentParts, err error) {
	for _, part := range parts {
		p := &a2a.Part{}
		switch c := part.(type) {
		case legacy.TextPart:
			p.Content, p.Metadata = a2a.Text(c.Text), c.Metadata
		case legacy.DataPart:
			p.Content, p.Metadata = a2a.Data{Value: c.Data}, c.Metadata
			if was, _ := c.Metadata[wrapped].(bool); was {
				p.Content, p.Metadata = a2a.Data{Value: c.Data["value"]}, maps.Clone(c.Metadata)
				delete(p.Metadata, wrapped)
			}
		case legacy.FilePart:
			p.Metadata = c.Metadata
			switch f := c.File.(type) {
			case legacy.FileBytes:
				raw, err := base64.StdEncoding.DecodeString(f.Bytes)
				if err != nil {
					return nil, err
				}
				p.Content, p.MediaType, p.Filename = a2a.Raw(raw), f.MimeType, f.Name
			case legacy.FileURI:
				p.Content, p.MediaType, p.Filename = a2a.URL(f.URI), f.MimeType, f.Name
			}
		}
		converted = append(converted, p)
	}
	return converted, nil
}

// each returns what f makes of the members; of none, nil.
func each[From, To any, S ~[]From](s S, f func(From) To) []To {
	if len(s) == 0 {
		return nil
	}
	to := make([]To, len(s))
	for i := range s {
		to[i] = f(s[i])
	}
	return to
}
