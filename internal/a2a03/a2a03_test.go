package a2a03

import (
	"encoding/json"
	"reflect"
	"testing"

	old "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"a2alambda/internal/protojson"
	"a2alambda/internal/tasklogtest"
)

// The tests compare with the SDK's own conversions, which must not be in a function's binary.

// newMessage returns a message with all fields, and one more part with null data.
func newMessage(role a2a.MessageRole) *a2a.Message {
	m := tasklogtest.Full[a2a.Message]()
	m.Role, m.Parts = role, append(m.Parts, a2a.NewDataPart(nil))
	return m
}

func events() []a2a.Event {
	task := tasklogtest.Full[a2a.Task]()
	task.Artifacts = append(task.Artifacts, new(a2a.Artifact))
	all := []a2a.Event{
		&a2a.Task{}, &a2a.TaskStatusUpdateEvent{}, &a2a.TaskArtifactUpdateEvent{}, &a2a.Message{}, newMessage(a2a.MessageRoleUser), task,
		tasklogtest.Full[a2a.TaskArtifactUpdateEvent](),
	}
	for _, state := range append([]string{""}, protojson.States[1:]...) {
		e := tasklogtest.Full[a2a.TaskStatusUpdateEvent]()
		e.Status.State, e.Status.Message = a2a.TaskState(state), newMessage(a2a.MessageRoleUnspecified)
		all = append(all, e)
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
		if want := asJSON(t, converted); !reflect.DeepEqual(value(t, got), value(t, []byte(want))) {
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
		got := sendParams(r, roles)
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
