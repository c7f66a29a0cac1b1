package bedrock

import (
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
)

// How much of a conversation is remembered, at most. memoryBytes are some 16,000 tokens, which each
// question pays for again.
const (
	memoryTasks = 20
	memoryBytes = 64 << 10
)

const goOn = "You were interrupted. Go on with your answer exactly where it breaks off, in the middle of a word if need be: " +
	"begin with the next character, repeat nothing, and do not speak of the interruption."

// conversation returns what the model is to answer: the earlier tasks, the last ones first if not
// all fit, the question, and what has been said of the answer. Converse requires that the roles
// alternate, from the user to the user, and that no message is empty.
func conversation(earlier []*a2a.Task, question, said string) []types.Message {
	var messages []types.Message // the last first
	if said = strings.TrimSpace(said); said != "" {
		messages = append(messages, message(types.ConversationRoleUser, goOn), message(types.ConversationRoleAssistant, said))
	}
	messages = append(messages, message(types.ConversationRoleUser, question))
	left := memoryBytes
	for _, t := range slices.Backward(earlier) {
		asked, answered := questionIn(t), strings.TrimSpace(answerIn(t))
		// A withheld answer would be withheld again, with all that follows. A failed one is empty.
		if t.Status.State == a2a.TaskStateRejected || asked == "" || answered == "" {
			continue
		}
		if left -= len(asked) + len(answered); left < 0 {
			break
		}
		messages = append(messages, message(types.ConversationRoleAssistant, answered), message(types.ConversationRoleUser, asked))
	}
	slices.Reverse(messages)
	return messages
}

func message(role types.ConversationRole, text string) types.Message {
	return types.Message{Role: role, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: text}}}
}

func questionIn(t *a2a.Task) string {
	var said []string
	for _, m := range t.History {
		if text, ok := textOf(m.Parts); ok && m.Role == a2a.MessageRoleUser {
			said = append(said, text)
		}
	}
	return strings.Join(said, "\n")
}

// answerIn returns a task's answer, whole or not.
func answerIn(t *a2a.Task) string {
	var b strings.Builder
	for _, a := range t.Artifacts {
		for _, p := range a.Parts {
			b.WriteString(p.Text())
		}
	}
	return b.String()
}

// textOf returns the text of the parts, a line each. It is false if there is none, or anything
// else.
func textOf(parts []*a2a.Part) (string, bool) {
	var lines []string
	for _, p := range parts {
		text, ok := p.Content.(a2a.Text)
		if !ok {
			return "", false
		}
		lines = append(lines, string(text))
	}
	all := strings.Join(lines, "\n")
	return all, strings.TrimSpace(all) != ""
}
