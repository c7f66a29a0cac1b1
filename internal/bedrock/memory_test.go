package bedrock_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/model/bedrock/bedrocktest"
)

// said returns a task with a question, and an answer in pieces.
func said(state a2a.TaskState, question string, pieces ...string) *a2a.Task {
	t := &a2a.Task{
		ID: "earlier", ContextID: "c", Status: a2a.TaskStatus{State: state},
		History: []*a2a.Message{a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(question))},
	}
	if len(pieces) > 0 {
		a := &a2a.Artifact{ID: "answer", Name: "answer"}
		for _, p := range pieces {
			a.Parts = append(a.Parts, a2a.NewTextPart(p))
		}
		t.Artifacts = []*a2a.Artifact{a}
	}
	return t
}

// conversation returns what the model was asked, a message a line.
func conversation(t *testing.T, body string) (lines []string) {
	t.Helper()
	var request struct {
		Messages []struct {
			Role    string
			Content []struct{ Text string }
		}
	}
	if err := json.Unmarshal([]byte(body), &request); err != nil {
		t.Fatal(err)
	}
	for _, m := range request.Messages {
		for _, c := range m.Content {
			lines = append(lines, m.Role+": "+c.Text)
		}
	}
	return lines
}

func TestMemory(t *testing.T) {
	long := func(fill string, bytes int) string { return strings.Repeat(fill, bytes) }
	for name, test := range map[string]struct {
		earlier []*a2a.Task
		want    []string
	}{
		"none": {nil, nil},
		"two": {
			[]*a2a.Task{
				said(a2a.TaskStateCompleted, "My name is Ada.", "Hello", ", Ada", "!", ""),
				said(a2a.TaskStateCompleted, "How are you?", "Fine.\n"),
			},
			[]string{"user: My name is Ada.", "assistant: Hello, Ada!", "user: How are you?", "assistant: Fine."},
		},
		"half an answer": {
			[]*a2a.Task{said(a2a.TaskStateCanceled, "Tell me a story", "Once upon "), said(a2a.TaskStateFailed, "Another", "It was")},
			[]string{"user: Tell me a story", "assistant: Once upon", "user: Another", "assistant: It was"},
		},
		"no answer": {
			[]*a2a.Task{
				said(a2a.TaskStateFailed, "Busy?"), said(a2a.TaskStateCanceled, "Here?", " "), said(a2a.TaskStateRejected, "Bad words", "Well"),
				said(a2a.TaskStateCompleted, "", "Nobody asked"),
			},
			nil,
		},
		"too long": {
			[]*a2a.Task{
				said(a2a.TaskStateCompleted, "short", "and lost, as what came next is"),
				said(a2a.TaskStateCompleted, "b", long("b", 34<<10)),
				said(a2a.TaskStateCompleted, "a", long("a", 30<<10)),
			},
			[]string{"user: a", "assistant: " + long("a", 30<<10)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := bedrocktest.NewServer(t)
			got := start(t, newExecutor(s, test.earlier...).Execute(t.Context(), ask(a2a.NewTextPart("And now?"))))
			call := s.Next()
			call.Answer()
			got.ends("task", "WORKING", "COMPLETED")
			if lines, want := conversation(t, call.Body), append(test.want, "user: And now?"); !slices.Equal(lines, want) {
				t.Errorf("asked\n%.300q\nwant\n%.300q", lines, want)
			}
		})
	}
}

const goOn = "user: You were interrupted. Go on with your answer exactly where it breaks off, in the middle of a word if need be: " +
	"begin with the next character, repeat nothing, and do not speak of the interruption."

func TestResume(t *testing.T) {
	earlier := said(a2a.TaskStateCompleted, "My name is Ada.", "Hello!")
	before := []string{"user: My name is Ada.", "assistant: Hello!", "user: Tell me a story"}
	for _, test := range []struct {
		name  string
		said  []string
		asked []string // after before
		first string   // of the chunks
	}{
		{"nothing", nil, nil, `answer answer "the rest"`},
		{"nothing but space", []string{"\n"}, nil, `+ answer answer "the rest"`},
		{"something", []string{"Once ", "upon "}, []string{"assistant: Once upon", goOn}, `+ answer answer "the rest"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := bedrocktest.NewServer(t)
			stored := said(a2a.TaskStateWorking, "Tell me a story", test.said...)
			ec := &a2asrv.ExecutorContext{TaskID: "t", ContextID: "c", Message: stored.History[0], StoredTask: stored}
			got := start(t, newExecutor(s, earlier).Resume(t.Context(), ec))
			call := s.Next()
			call.Answer("the rest")
			got.ends("WORKING", test.first, `+ answer answer "" last map[inputTokens:12 outputTokens:34 stopReason:end_turn]`, "COMPLETED")
			if lines := conversation(t, call.Body); !slices.Equal(lines, slices.Concat(before, test.asked)) {
				t.Errorf("asked %q", lines)
			}
		})
	}
	for stop, want := range map[string]string{"end_turn": "COMPLETED", "content_filtered": "REJECTED: The answer was withheld by a content filter."} {
		t.Run(fmt.Sprint("whole, ", stop), func(t *testing.T) {
			s := bedrocktest.NewServer(t)
			stored := said(a2a.TaskStateWorking, "Hello", "Hi", "")
			stored.Artifacts[0].Metadata = map[string]any{"stopReason": stop}
			ec := &a2asrv.ExecutorContext{TaskID: "t", ContextID: "c", Message: stored.History[0], StoredTask: stored}
			start(t, newExecutor(s).Resume(t.Context(), ec)).ends(want)
			s.Quiet()
		})
	}
}
