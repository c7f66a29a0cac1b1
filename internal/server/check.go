package server

import (
	"fmt"
	"mime"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/errordetails"

	"a2alambda/internal/protojson"
	"a2alambda/internal/tasklog"
)

const (
	// maxID is the most bytes in an id from a client, far below the 2048 bytes of a DynamoDB key.
	maxID = 256

	// maxMessages and maxMessageValues are the most bytes and values of all messages of a task
	// together, before the last message: everybody who works with the task has them in memory.
	maxMessages      = 16 << 20
	maxMessageValues = 100_000
)

// checkMessages returns an error if the task has no room for the message, because of its other
// messages or of its whole log.
func checkMessages(s *tasklog.Snapshot, m *a2a.Message) error {
	size := tasklog.SizeOf(&a2a.Task{History: s.Task.History, Status: a2a.TaskStatus{Message: s.Task.Status.Message}})
	log := s.Size.Plus(tasklog.SizeOf(m))
	problem := ""
	switch {
	case size.Bytes > maxMessages:
		problem = fmt.Sprintf("the messages before it may have %d MB together", maxMessages>>20)
	case size.Values > maxMessageValues:
		problem = fmt.Sprintf("the messages before it may have %d values together", maxMessageValues)
	case log.Bytes > tasklog.MaxBytes:
		problem = fmt.Sprintf("the events of a task may have %d MB together", tasklog.MaxBytes>>20)
	case log.Values > tasklog.MaxValues:
		problem = fmt.Sprintf("the events of a task may have %d values together", tasklog.MaxValues)
	case s.Seq+1 >= tasklog.MaxEvents:
		problem = fmt.Sprintf("a task may have %d events", tasklog.MaxEvents)
	default:
		return nil
	}
	return a2a.NewError(a2a.ErrUnsupportedOperation, "the task has no room for the message: "+problem+"; begin another task")
}

// Invalid returns the error for an invalid field. The problem is a phrase such as "is required".
func Invalid(field, problem string, args ...any) error {
	problem = fmt.Sprintf(problem, args...)
	return a2a.NewError(a2a.ErrInvalidParams, field+" "+problem).WithTypedDetails(errordetails.NewTyped(
		"type.googleapis.com/google.rpc.BadRequest",
		map[string]any{"fieldViolations": []any{map[string]any{"field": field, "description": problem}}},
	))
}

// check returns an error if no agent could process the request, or if this agent cannot.
func (s *Server) check(req *a2a.SendMessageRequest) error {
	m := req.Message
	switch {
	case m == nil:
		return Invalid("message", "is required")
	case m.ID == "":
		return Invalid("message.messageId", "is required")
	case len(m.ID) > maxID:
		return Invalid("message.messageId", "is longer than %d bytes", maxID)
	case m.Role == a2a.MessageRoleUnspecified:
		return Invalid("message.role", "is required")
	case m.Role != a2a.MessageRoleUser:
		return Invalid("message.role", "is the agent's, not the user's")
	case len(m.Parts) == 0:
		return Invalid("message.parts", "is required: at least one part")
	case len(m.ContextID) > maxID:
		return Invalid("message.contextId", "is longer than %d bytes", maxID)
	}
	if err := checkTenant(req.Tenant); err != nil {
		return err
	}
	for i, p := range m.Parts {
		if !tasklog.HasContent(p) {
			return Invalid(fmt.Sprintf("message.parts[%d]", i), "is empty")
		}
		if _, isData := p.Content.(a2a.Data); !isData && p.MediaType != "" && !s.takes(p.MediaType) {
			return a2a.NewError(a2a.ErrUnsupportedContentType,
				fmt.Sprintf("message.parts[%d]: the agent does not take %s", i, protojson.Echo(p.MediaType)))
		}
	}
	c := req.Config
	if c == nil {
		return nil
	}
	if len(c.AcceptedOutputModes) > 0 && !s.gives(c.AcceptedOutputModes) {
		return a2a.NewError(a2a.ErrUnsupportedContentType,
			"the agent gives none of configuration.acceptedOutputModes, but "+strings.Join(s.Card.DefaultOutputModes, ", "))
	}
	if c.PushConfig != nil {
		if err := s.checkPush("configuration.taskPushNotificationConfig", c.PushConfig); err != nil {
			return err
		}
	}
	return checkHistoryLength("configuration.historyLength", c.HistoryLength)
}

func checkHistoryLength(field string, n *int) error {
	if n != nil && *n < 0 {
		return Invalid(field, "is negative")
	}
	return nil
}

func checkTenant(tenant string) error {
	if len(tenant) > maxID {
		return Invalid("tenant", "is longer than %d bytes", maxID)
	}
	return nil
}

// takes reports whether, by its card, the agent or one of its skills takes the media type.
func (s *Server) takes(mode string) bool {
	taken := slices.ContainsFunc(s.Card.DefaultInputModes, func(m string) bool { return modesMatch(mode, m) })
	for _, skill := range s.Card.Skills {
		taken = taken || slices.ContainsFunc(skill.InputModes, func(m string) bool { return modesMatch(mode, m) })
	}
	return taken
}

// gives reports whether, by its card, the agent or one of its skills gives one of the media types.
func (s *Server) gives(accepted []string) bool {
	given := slices.Clone(s.Card.DefaultOutputModes)
	for _, skill := range s.Card.Skills {
		given = append(given, skill.OutputModes...)
	}
	return slices.ContainsFunc(given, func(g string) bool {
		return slices.ContainsFunc(accepted, func(a string) bool { return modesMatch(a, g) })
	})
}

// modesMatch reports whether two media types are the same, or one is a range that includes the
// other. In cards and requests, "text" means text of any kind, too.
func modesMatch(a, b string) bool {
	a, b = mediaType(a), mediaType(b)
	matches := func(one, other string) bool {
		within, isRange := strings.CutSuffix(one, "*")
		return one == other || isRange && strings.HasPrefix(other, strings.TrimPrefix(within, "*/"))
	}
	return matches(a, b) || matches(b, a)
}

// mediaType returns the media type without its parameters.
func mediaType(mode string) string {
	if t, _, err := mime.ParseMediaType(mode); err == nil {
		mode = t
	}
	if mode = strings.ToLower(mode); !strings.Contains(mode, "/") && mode != "*" {
		mode += "/*"
	}
	return mode
}
