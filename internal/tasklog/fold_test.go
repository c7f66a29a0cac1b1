package tasklog_test

import (
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// foldOf returns the fold over the events given as JSON.
func foldOf(t *testing.T, events ...string) *tasklog.Fold {
	t.Helper()
	f := tasklog.NewFold(nil, 0)
	for i, e := range events {
		f.Add(tasklog.Event{Seq: int64(i) + 1, JSON: []byte(e)})
	}
	return f
}

func taskJSON(t *testing.T, f *tasklog.Fold) string {
	t.Helper()
	task, err := f.Task()
	if err != nil {
		t.Fatal(err)
	}
	data, err := tasklog.EncodeTask(task)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestFold(t *testing.T) {
	const (
		task     = `{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_SUBMITTED"}}}`
		working  = `{"statusUpdate":{"taskId":"t","contextId":"c","metadata":{"a":1},"status":{"state":"TASK_STATE_WORKING","message":{"messageId":"m1","role":"ROLE_AGENT","parts":[{"text":"one"}]}}}}`
		working2 = `{"statusUpdate":{"taskId":"t","contextId":"c","metadata":{"b":2},"status":{"state":"TASK_STATE_WORKING","message":{"messageId":"m2","role":"ROLE_AGENT","parts":[{"text":"two"}]}}}}`
		user     = `{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_SUBMITTED","message":{"messageId":"u","role":"ROLE_USER","parts":[{"text":"you"}]}}}}`
		first    = `{"artifactUpdate":{"taskId":"t","contextId":"c","artifact":{"artifactId":"x","parts":[{"text":"a"}]}}}`
		chunk    = `{"artifactUpdate":{"taskId":"t","contextId":"c","append":true,"artifact":{"artifactId":"x","metadata":{"k":"v"},"parts":[{"text":"b"}]}}}`
		other    = `{"artifactUpdate":{"taskId":"t","contextId":"c","append":true,"artifact":{"artifactId":"y","parts":[{"text":"c"}]}}}`
		replaced = `{"artifactUpdate":{"taskId":"t","contextId":"c","artifact":{"artifactId":"x","parts":[{"text":"new"}]}}}`
	)
	for _, test := range []struct {
		name   string
		events []string
		want   string
	}{
		{"task", []string{task}, `{"id":"t","contextId":"c","status":{"state":"TASK_STATE_SUBMITTED"}}`},
		{
			"a status message moves to the history when the next status comes",
			[]string{task, working, working2},
			`{"id":"t","contextId":"c","history":[{"messageId":"m1","parts":[{"text":"one"}],"role":"ROLE_AGENT"}],"metadata":{"a":1,"b":2},` +
				`"status":{"message":{"messageId":"m2","parts":[{"text":"two"}],"role":"ROLE_AGENT"},"state":"TASK_STATE_WORKING"}}`,
		},
		{
			"a user's message goes to the history at once",
			[]string{task, working, user},
			`{"id":"t","contextId":"c","history":[{"messageId":"m1","parts":[{"text":"one"}],"role":"ROLE_AGENT"},{"messageId":"u","parts":[{"text":"you"}],"role":"ROLE_USER"}],` +
				`"metadata":{"a":1},"status":{"state":"TASK_STATE_SUBMITTED"}}`,
		},
		{
			"artifact chunks gather",
			[]string{task, first, chunk, other, chunk},
			`{"id":"t","artifacts":[{"artifactId":"x","metadata":{"k":"v"},"parts":[{"text":"a"},{"text":"b"},{"text":"b"}]},` +
				`{"artifactId":"y","parts":[{"text":"c"}]}],"contextId":"c","status":{"state":"TASK_STATE_SUBMITTED"}}`,
		},
		{
			"an artifact that is not appended replaces",
			[]string{task, first, other, replaced},
			`{"id":"t","artifacts":[{"artifactId":"x","parts":[{"text":"new"}]},{"artifactId":"y","parts":[{"text":"c"}]}],` +
				`"contextId":"c","status":{"state":"TASK_STATE_SUBMITTED"}}`,
		},
		{"a task replaces everything", []string{task, working, first, task}, `{"id":"t","contextId":"c","status":{"state":"TASK_STATE_SUBMITTED"}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := taskJSON(t, foldOf(t, test.events...)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			// The same in two steps: the second must not change the task that the first has
			// returned.
			for cut := 1; cut < len(test.events); cut++ {
				f := foldOf(t, test.events[:cut]...)
				middle, err := f.Task()
				if err != nil {
					t.Fatal(err)
				}
				before, _ := tasklog.EncodeTask(middle)
				g := tasklog.NewFold(middle, f.Seq())
				for i, e := range test.events[cut:] {
					event := tasklog.Event{Seq: int64(cut+i) + 1, JSON: []byte(e)}
					f.Add(event)
					g.Add(event)
				}
				for _, fold := range []*tasklog.Fold{f, g} {
					if got := taskJSON(t, fold); got != test.want {
						t.Errorf("cut at %d: got %s\nwant %s", cut, got, test.want)
					}
				}
				if after, _ := tasklog.EncodeTask(middle); string(after) != string(before) {
					t.Errorf("cut at %d: the earlier task changed to %s", cut, after)
				}
			}
		})
	}
}

func TestFoldErrors(t *testing.T) {
	for _, events := range [][]string{
		{},
		{`{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}}`},
		{`{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_SUBMITTED"}}}`, `{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"x"}]}}`},
		{`{`},
	} {
		if task, err := foldOf(t, events...).Task(); err == nil {
			t.Errorf("fold of %q: got %+v, want an error", events, task)
		}
	}
}

func TestEncode(t *testing.T) {
	at := time.Date(2026, 11, 23, 4, 5, 6, 120_999_999, time.FixedZone("", 3600))
	status := a2a.TaskStatus{State: a2a.TaskStateWorking, Timestamp: &at}
	for _, test := range []struct {
		event a2a.Event
		want  string
	}{
		{
			&a2a.TaskStatusUpdateEvent{TaskID: "t", ContextID: "c", Status: status},
			`{"statusUpdate":{"contextId":"c","taskId":"t","status":{"state":"TASK_STATE_WORKING","timestamp":"2026-11-23T03:05:06.120Z"}}}`,
		},
		{
			&a2a.Task{ID: "t", ContextID: "c", Status: status},
			`{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING","timestamp":"2026-11-23T03:05:06.120Z"}}}`,
		},
		{
			&a2a.TaskArtifactUpdateEvent{TaskID: "t", ContextID: "c", LastChunk: true, Artifact: &a2a.Artifact{ID: "x", Parts: a2a.ContentParts{a2a.NewTextPart("a\nb")}}},
			`{"artifactUpdate":{"artifact":{"artifactId":"x","parts":[{"text":"a\nb"}]},"contextId":"c","lastChunk":true,"taskId":"t"}}`,
		},
	} {
		got, err := tasklog.Encode(test.event)
		if err != nil || string(got) != test.want {
			t.Errorf("got  %s, %v\nwant %s", got, err, test.want)
		}
		event, err := tasklog.Decode(got)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := tasklog.Encode(event); string(again) != test.want {
			t.Errorf("decoded and encoded again: %s", again)
		}
	}
}
