package tasklog_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestEncodeParts checks that Encode refuses what Decode would refuse, wherever it is in an event.
func TestEncodeParts(t *testing.T) {
	info := a2a.TaskInfo{TaskID: "t", ContextID: "c"}
	for _, test := range []struct {
		part *a2a.Part
		ok   bool
	}{
		{a2a.NewTextPart(""), true},
		{a2a.NewTextPart("\xff"), true},
		{a2a.NewRawPart([]byte{}), true},
		{a2a.NewRawPart(nil), false},
		{a2a.NewFileURLPart("https://example.com/", "text/plain"), true},
		{a2a.NewFileURLPart("", "text/plain"), false},
		{a2a.NewDataPart(map[string]any{}), true},
		{a2a.NewDataPart(false), true},
		{a2a.NewDataPart([]string{}), true},
		{a2a.NewDataPart(nil), false},
		{a2a.NewDataPart(map[string]any(nil)), false},
		{a2a.NewDataPart([]string(nil)), false},
		{a2a.NewDataPart((*int)(nil)), false},
		{a2a.NewDataPart(json.RawMessage("null")), false},
		{a2a.NewDataPart(make(chan int)), false},
		{new(a2a.Part), false},
		{nil, false},
	} {
		message := &a2a.Message{ID: "m", Role: a2a.MessageRoleAgent, Parts: a2a.ContentParts{a2a.NewTextPart("first"), test.part}}
		artifact := &a2a.Artifact{ID: "a", Parts: message.Parts}
		for _, e := range []a2a.Event{
			a2a.NewStatusUpdateEvent(info, a2a.TaskStateWorking, message),
			&a2a.TaskArtifactUpdateEvent{TaskID: "t", ContextID: "c", Artifact: artifact},
			&a2a.Task{ID: "t", ContextID: "c", Status: a2a.TaskStatus{State: a2a.TaskStateWorking, Message: message}},
			&a2a.Task{ID: "t", ContextID: "c", History: []*a2a.Message{message}},
			&a2a.Task{ID: "t", ContextID: "c", Artifacts: []*a2a.Artifact{artifact}},
		} {
			data, err := tasklog.Encode(e)
			if (err == nil) != test.ok {
				t.Errorf("%T with part %+v: %s, %v", e, test.part, data, err)
			}
			if err == nil {
				if _, err := tasklog.Decode(data); err != nil {
					t.Errorf("%s: %v", data, err)
				}
			}
		}
	}
}

// TestEncodeAsSDK compares our encoding with that of the SDK's types.
func TestEncodeAsSDK(t *testing.T) {
	for _, e := range []a2a.Event{
		new(a2a.Task), new(a2a.TaskStatusUpdateEvent), &a2a.TaskArtifactUpdateEvent{Artifact: &a2a.Artifact{Parts: a2a.ContentParts{}}}, new(a2a.Message),
		tasklogtest.Full[a2a.Task](), tasklogtest.Full[a2a.TaskStatusUpdateEvent](), tasklogtest.Full[a2a.TaskArtifactUpdateEvent](), tasklogtest.Full[a2a.Message](),
	} {
		data, err := tasklog.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		sdk, err := json.Marshal(a2a.StreamResponse{Event: e})
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := errors.Join(json.Unmarshal(data, &got), json.Unmarshal(sdk, &want)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%s\nwant\n%s", data, sdk)
		}
	}
}
