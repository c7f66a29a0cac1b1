package webhook

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

func text(role a2a.MessageRole, text string) *a2a.Message {
	return &a2a.Message{ID: "m", Role: role, Parts: a2a.ContentParts{a2a.NewTextPart(text)}}
}

func read(t *testing.T, p payload) string {
	t.Helper()
	data, err := io.ReadAll(p.reader())
	if err != nil || int64(len(data)) != p.size {
		t.Fatalf("%d bytes of %d, %v", len(data), p.size, err)
	}
	return string(data)
}

// TestEventPayload makes the bodies of events of 1.0, with and without the caller's own content.
func TestEventPayload(t *testing.T) {
	info := a2a.TaskInfo{TaskID: "task", ContextID: "context"}
	const asked = `{"messageId":"m","parts":[{"text":"question"}],"role":"ROLE_USER"}`
	const said = `{"messageId":"m","parts":[{"text":"answer \"ROLE_USER\""}],"role":"ROLE_AGENT"}`
	task := a2a.NewSubmittedTask(info, text(a2a.MessageRoleUser, "question"))
	task.History = append(task.History, text(a2a.MessageRoleAgent, `answer "ROLE_USER"`))
	for _, test := range []struct {
		name  string
		event a2a.Event
		own   int64
		has   []string // without the caller's own content
	}{
		{"a task", task, int64(len(asked)), []string{said, `"a2alambda.cut":["history"]`}},
		{"a follow-up", a2a.NewStatusUpdateEvent(info, a2a.TaskStateSubmitted, text(a2a.MessageRoleUser, "question")),
			int64(len(asked)), []string{`"state":"TASK_STATE_SUBMITTED"`, `"a2alambda.cut":["status.message"]`}},
		{"a status", a2a.NewStatusUpdateEvent(info, a2a.TaskStateWorking, text(a2a.MessageRoleAgent, `answer "ROLE_USER"`)), 0, []string{said}},
		{"an artifact", a2a.NewArtifactEvent(info, a2a.NewTextPart("answer")), 0, []string{"answer"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			data, err := tasklog.Encode(test.event)
			if err != nil {
				t.Fatal(err)
			}
			all, err := eventPayload(tasklog.Event{Seq: 1, JSON: data}, true)
			if err != nil || all.own != test.own || read(t, all) != string(data) {
				t.Errorf("%d bytes of %s, %v; want %d of %s", all.own, read(t, all), err, test.own, data)
			}
			less, err := eventPayload(tasklog.Event{Seq: 1, JSON: data}, false)
			got := read(t, less)
			if err != nil || less.own != 0 || strings.Contains(got, "question") || test.own == 0 && got != string(data) {
				t.Errorf("without the caller's content: %d bytes of %s, %v", less.own, got, err)
			}
			for _, want := range test.has {
				if !strings.Contains(got, want) {
					t.Errorf("%s is not in %s", want, got)
				}
			}
		})
	}
}

// TestPayloadReader reads pieces in other pieces, and again from the beginning.
func TestPayloadReader(t *testing.T) {
	var p payload
	for _, piece := range []string{"abc", "", "d", "efghij"} {
		p.add([]byte(piece))
	}
	for range 2 {
		if err := iotest.TestReader(p.reader(), []byte("abcdefghij")); err != nil {
			t.Error(err)
		}
	}
}
