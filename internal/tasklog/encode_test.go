package tasklog_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// TestEncodeParts checks that nothing is encoded that can't be decoded again, wherever in an event it is.
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

// filled sets every field, so that a field that the SDK gets one day is seen to be missing.
func filled(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		if at, ok := v.Interface().(*time.Time); ok {
			*at = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
			return
		}
		filled(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			filled(v.Field(i))
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[a2a.ContentParts]() {
			v.Set(reflect.ValueOf(a2a.ContentParts{part(a2a.Text("<\u0085")), part(a2a.Text("")), part(a2a.Raw{0xff, 0}),
				part(a2a.URL("https://example.com/?a&b")), part(a2a.Data{Value: map[string]any{"<": []any{1.5, nil, "&"}}})}))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0))
		filled(v.Index(1))
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]any{"a<b": "c>d"}))
	case reflect.String:
		switch v.Type() {
		case reflect.TypeFor[a2a.TaskState]():
			v.SetString(string(a2a.TaskStateWorking))
		case reflect.TypeFor[a2a.MessageRole]():
			v.SetString(string(a2a.MessageRoleAgent))
		default:
			v.SetString("a text & more")
		}
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("no value for a field of type " + v.Type().String())
	}
}

func part(c a2a.PartContent) *a2a.Part {
	return &a2a.Part{Content: c, Filename: "f", MediaType: "a/b", Metadata: map[string]any{"k": "v"}}
}

// TestEncodeAsSDK compares what is encoded here with what the SDK's types make of themselves.
func TestEncodeAsSDK(t *testing.T) {
	for _, e := range []a2a.Event{
		new(a2a.Task), new(a2a.TaskStatusUpdateEvent), new(a2a.TaskArtifactUpdateEvent), new(a2a.Message),
	} {
		for _, full := range []bool{false, true} {
			if full {
				filled(reflect.ValueOf(e).Elem())
			} else if artifact, ok := e.(*a2a.TaskArtifactUpdateEvent); ok {
				artifact.Artifact = &a2a.Artifact{Parts: a2a.ContentParts{}}
			}
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
}
