package a2a03

import (
	"reflect"
	"strings"
	"testing"

	old "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"
)

// TestResultsAreAsTheSDKReadsThem decodes each event as the SDK's client of 0.3 does.
func TestResultsAreAsTheSDKReadsThem(t *testing.T) {
	for _, event := range events() {
		data, err := encodeEvent(event)
		if err != nil {
			t.Fatal(err)
		}
		legacy, err := old.UnmarshalEventJSON(data)
		if err != nil {
			t.Fatal(err)
		}
		want, err := a2av0.ToV1Event(legacy)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeEvent(data)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if !reflect.DeepEqual(asAny(t, got), asAny(t, want)) || reflect.TypeOf(got) != reflect.TypeOf(want) {
			t.Errorf("%s:\n%s\nwant\n%s", data, asJSON(t, got), asJSON(t, want))
		}
		if task, ok := want.(*a2a.Task); ok && task.ID != "" {
			if got, err := DecodeTask(data); err != nil || !reflect.DeepEqual(asAny(t, got), asAny(t, want)) {
				t.Errorf("%s: %v", data, err)
			}
		}
	}
}

func asAny(t *testing.T, v any) any {
	t.Helper()
	return value(t, []byte(asJSON(t, v)))
}

// TestResultsThatAreNone decodes what is no result.
func TestResultsThatAreNone(t *testing.T) {
	for data, want := range map[string]string{
		`{}`:              "none of task, message",
		`null`:            "none of task, message",
		`{"kind":"gold"}`: "none of task, message",
		`"task"`:          "cannot unmarshal",
		`{"kind":"message","parts":[{"kind":"file","file":{"bytes":"?"}}]}`: "no base64",
		`{"kind":"message","parts":[{"kind":"file","file":{}}]}`:            "has no content",
		`{"kind":"message","parts":[{"kind":"file"}]}`:                      "has no content",
		`{"kind":"message","parts":[{}]}`:                                   "has no content",
	} {
		if event, err := DecodeEvent([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", data, event, err, want)
		}
	}
	if task, err := DecodeTask([]byte(`{}`)); err == nil {
		t.Errorf("got %+v", task)
	}
}

// TestSendIsAsTheSDKSendsIt encodes messages as the SDK's client of 0.3 does.
func TestSendIsAsTheSDKSendsIt(t *testing.T) {
	none, five := 0, 5
	push := &a2a.PushConfig{ID: "p", URL: "https://hook.example", Token: "s", Auth: &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: "c"}}
	for _, req := range []*a2a.SendMessageRequest{
		{Message: newMessage(a2a.MessageRoleUser)},
		{Message: newMessage(a2a.MessageRoleUser), Metadata: map[string]any{"k": 1}, Config: &a2a.SendMessageConfig{ReturnImmediately: true, HistoryLength: &none}},
		{Message: newMessage(a2a.MessageRoleAgent), Config: &a2a.SendMessageConfig{HistoryLength: &five, AcceptedOutputModes: []string{"text"}, PushConfig: push}},
	} {
		got, err := EncodeSend(req)
		if err != nil {
			t.Fatal(err)
		}
		if want := asJSON(t, a2av0.FromV1SendMessageRequest(req)); !reflect.DeepEqual(value(t, got), value(t, []byte(want))) {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	}
	got, err := EncodePush(push)
	if want := asJSON(t, a2av0.FromV1PushConfig(push)); err != nil || !reflect.DeepEqual(value(t, got), value(t, []byte(want))) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
