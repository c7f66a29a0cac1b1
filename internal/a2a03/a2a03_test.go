package a2a03

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	old "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"a2alambda/internal/protojson"
)

// The SDK's own conversions, which no function is to have in its binary, tell what is right.

// moment is one that both encode alike: those of the SDK are in any zone and to the nanosecond.
var moment = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

// parts are one of each kind, with and without metadata.
func parts() a2a.ContentParts {
	raw := a2a.NewRawPart([]byte("\x00raw"))
	raw.Filename, raw.MediaType, raw.Metadata = "a.bin", "application/octet-stream", map[string]any{"k": "v"}
	list := a2a.NewDataPart([]any{1.0, "two"})
	list.Metadata = map[string]any{"k": "v"}
	return a2a.ContentParts{
		a2a.NewTextPart("text"), raw, a2a.NewFileURLPart("https://files.example/a", "text/plain"),
		a2a.NewDataPart(map[string]any{"a": map[string]any{"b": 1.0}}), list, a2a.NewDataPart("a string"), a2a.NewDataPart(nil),
	}
}

func newMessage(role a2a.MessageRole) *a2a.Message {
	return &a2a.Message{
		ID: "m", ContextID: "c", Extensions: []string{"https://extension.example"}, Metadata: map[string]any{"k": "v"}, Parts: parts(),
		ReferenceTasks: []a2a.TaskID{"t1", "t2"}, Role: role, TaskID: "t",
	}
}

func events() []a2a.Event {
	artifact := &a2a.Artifact{ID: "a", Description: "d", Extensions: []string{"e"}, Metadata: map[string]any{"k": "v"}, Name: "n", Parts: parts()}
	all := []a2a.Event{
		&a2a.Task{}, &a2a.TaskStatusUpdateEvent{}, &a2a.TaskArtifactUpdateEvent{}, &a2a.Message{},
		newMessage(a2a.MessageRoleUser),
		&a2a.Task{
			ID: "t", ContextID: "c", Metadata: map[string]any{"k": "v"}, Artifacts: []*a2a.Artifact{artifact, {}},
			History: []*a2a.Message{newMessage(a2a.MessageRoleUser), newMessage(a2a.MessageRoleAgent)},
			Status:  a2a.TaskStatus{Message: newMessage(a2a.MessageRoleAgent), State: a2a.TaskStateWorking, Timestamp: &moment},
		},
		&a2a.TaskArtifactUpdateEvent{TaskID: "t", ContextID: "c", Artifact: artifact, Append: true, LastChunk: true, Metadata: map[string]any{"k": "v"}},
	}
	for _, state := range []a2a.TaskState{
		a2a.TaskStateUnspecified, a2a.TaskStateCanceled, a2a.TaskStateCompleted, a2a.TaskStateFailed, a2a.TaskStateInputRequired,
		a2a.TaskStateRejected, a2a.TaskStateSubmitted, a2a.TaskStateWorking, a2a.TaskStateAuthRequired,
	} {
		all = append(all, &a2a.TaskStatusUpdateEvent{
			TaskID: "t", ContextID: "c", Metadata: map[string]any{"k": "v"},
			Status: a2a.TaskStatus{State: state, Timestamp: &moment, Message: newMessage(a2a.MessageRoleUnspecified)},
		})
	}
	return all
}

func TestEventsAreAsTheSDKHasThem(t *testing.T) {
	for _, event := range events() {
		got, err := encodeEvent(event)
		if err != nil {
			t.Fatal(err)
		}
		converted, err := a2av0.FromV1Event(event)
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := converted.(*old.TaskStatusUpdateEvent); ok && e.Status.State == old.TaskStateAuthRequired {
			e.Final = true // where the SDK differs: encodeEvent says why
		}
		want, err := json.Marshal(converted)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(value(t, got), value(t, want)) {
			t.Errorf("%T:\n%s\nwant\n%s", event, got, want)
		}
	}
}

func value(t *testing.T, data []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return v
}

func TestRequestsAreAsTheSDKHasThem(t *testing.T) {
	no, yes, three := false, true, 3
	push := old.PushConfig{ID: "p", Token: "s", URL: "https://hook.example", Auth: &old.PushAuthInfo{Credentials: "c", Schemes: []string{"Bearer", "Basic"}}}
	for _, p := range []*old.MessageSendParams{
		{Message: a2av0.FromV1Message(newMessage(a2a.MessageRoleUser)), Metadata: map[string]any{"k": "v"}, Config: &old.MessageSendConfig{}},
		{Message: a2av0.FromV1Message(newMessage(a2a.MessageRoleAgent)), Config: &old.MessageSendConfig{
			AcceptedOutputModes: []string{"text"}, Blocking: &no, HistoryLength: &three, PushConfig: &push,
		}},
		{Message: &old.Message{Role: "user", Parts: old.ContentParts{old.TextPart{}}}, Config: &old.MessageSendConfig{Blocking: &yes, PushConfig: &old.PushConfig{Auth: &old.PushAuthInfo{}}}},
	} {
		r := protojson.NewReader([]byte(asJSON(t, p)))
		got := sendParams(r)
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		want, err := a2av0.ToV1SendMessageRequest(p)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", asJSON(t, got), asJSON(t, want))
		}
		if c := got.Config; c != nil && c.PushConfig != nil {
			if got, want := fromPushConfig(c.PushConfig), a2av0.FromV1PushConfig(c.PushConfig); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", asJSON(t, got), asJSON(t, want))
			}
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
