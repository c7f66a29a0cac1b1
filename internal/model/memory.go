package model

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// memoryTasks is how many tasks before this one are remembered, at most.
const memoryTasks = 20

// remember returns the conversation before the task: its questions and answers in words, the last
// ones if not all fit.
func (a *agent) remember(ctx context.Context) ([]Message, error) {
	if a.Earlier == nil {
		return nil, nil
	}
	tasks, err := a.Earlier(ctx, memoryTasks)
	if err != nil {
		return nil, fmt.Errorf("remembering the conversation: %w", err)
	}
	var messages []Message
	for _, t := range tasks {
		asked, answer := questionIn(t), strings.TrimSpace(answerIn(t))
		// A withheld answer would be withheld again, with all that follows. A failed one is empty.
		if t.Status.State == a2a.TaskStateRejected || asked == "" || answer == "" {
			continue
		}
		messages = append(messages, Message{User, []Part{{Text: asked}}}, Message{Assistant, []Part{{Text: answer}}})
	}
	return trimmed(messages, maxMemory), nil
}

// trimmed returns the last questions and answers that fit.
func trimmed(messages []Message, room int) []Message {
	first := len(messages)
	for i := len(messages) - 2; i >= 0; i -= 2 {
		if room -= len(messages[i].Parts[0].Text) + len(messages[i+1].Parts[0].Text); room < 0 {
			break
		}
		first = i
	}
	return messages[first:]
}

// questionIn returns what began a task. What the user has said later has approved calls, or has not.
func questionIn(t *a2a.Task) string {
	for _, m := range t.History {
		if m.Role != a2a.MessageRoleUser {
			continue
		}
		var said []string
		for _, p := range m.Parts {
			if text, ok := p.Content.(a2a.Text); ok {
				said = append(said, string(text))
			}
		}
		return strings.TrimSpace(strings.Join(said, "\n"))
	}
	return ""
}

// answerIn returns what a task has answered, whole or not.
func answerIn(t *a2a.Task) string {
	artifacts := slices.DeleteFunc(slices.Clone(t.Artifacts), func(x *a2a.Artifact) bool { return x.Name != answerName })
	var answers []string
	for _, x := range artifacts {
		var b strings.Builder
		for _, p := range x.Parts {
			b.WriteString(p.Text())
		}
		answers = append(answers, b.String())
	}
	return strings.Join(answers, "\n")
}
