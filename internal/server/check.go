package server

import "github.com/a2aproject/a2a-go/v2/a2a"

// maxID is the most bytes in an id that a client names, well under the 2048 of a DynamoDB key.
const maxID = 256

// check returns the error for a request that no agent could take.
func check(req *a2a.SendMessageRequest) error {
	m := req.Message
	switch {
	case m == nil:
		return invalid("message is required")
	case m.ID == "":
		return invalid("message.messageId is required")
	case len(m.ID) > maxID:
		return invalid("message.messageId is longer than %d bytes", maxID)
	case m.Role != a2a.MessageRoleUser:
		return invalid("message.role is not the user's")
	case len(m.Parts) == 0:
		return invalid("message.parts is required: at least one part")
	case len(m.ContextID) > maxID:
		return invalid("message.contextId is longer than %d bytes", maxID)
	}
	for i, p := range m.Parts {
		if p == nil || p.Content == nil {
			return invalid("message.parts[%d] is empty", i)
		}
	}
	if c := req.Config; c != nil {
		if c.PushConfig != nil {
			return a2a.ErrPushNotificationNotSupported
		}
		return checkHistoryLength(c.HistoryLength)
	}
	return nil
}

func checkHistoryLength(n *int) error {
	if n != nil && *n < 0 {
		return invalid("historyLength is negative")
	}
	return nil
}
