package protojson_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/protojson"
	"a2alambda/internal/tasklogtest"
)

func read(text string, lenient bool) (*a2a.SendMessageRequest, error) {
	r := protojson.NewReader([]byte(text))
	r.Lenient = lenient
	req := protojson.Read[a2a.SendMessageRequest](r)
	return req, r.Err()
}

const everything = `{"tenant":"t","metadata":{"a":{"b":[1,null,"x",true,1.5]}},"configuration":{"acceptedOutputModes":["text",""],
	"taskPushNotificationConfig":{"tenant":"t","id":"i","taskId":"x","url":"u","token":"k","authentication":{"scheme":"s","credentials":"c"}},
	"historyLength":3,"returnImmediately":true},"message":{"messageId":"m","contextId":"c","taskId":"t","role":"ROLE_USER",
	"parts":[{"text":"x\u00e9\n\ud83d\ude00","metadata":{"k":"v"}},{"raw":"aGk=","filename":"f","mediaType":"text/plain"},{"url":"u"},{"data":[1,{}]},{"data":"x"}],
	"metadata":{},"extensions":["e"],"referenceTaskIds":["r"]}}`

// TestReadsAsTheSDK compares the reader with the SDK's types.
func TestReadsAsTheSDK(t *testing.T) {
	for _, text := range []string{
		everything, `{}`, `{"message":{}}`, `{"message":{"parts":[],"extensions":[],"role":"ROLE_AGENT"},"configuration":{}}`,
		`{"message":{"parts":[{"text":""},{"raw":""},{"data":0},{"data":{}},{"data":false}],"role":"ROLE_UNSPECIFIED"}}`,
		`{"message":{"messageId":null,"parts":null,"metadata":null,"extensions":null},"configuration":null,"tenant":null}`,
		` { "message" : { "parts" : [ { "text" : "a" } , { "text" : "b" } ] , "unknown" : [ { "x" : "]}" } ] } } `,
		`{"message":{"\u006dessageId":"\u006d"}}`,
	} {
		got, err := read(text, false)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var want a2a.SendMessageRequest
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, &want) {
			t.Errorf("%s: %s, want %s", text, marshal(got), marshal(want))
		}
	}
}

// TestLenient reads what lenient parsers of protocol buffers' JSON also take: it equals the printed
// form, or is refused.
func TestLenient(t *testing.T) {
	part := func(field string) string { return `{"message":{"parts":[{` + field + `}]}}` }
	length := func(n string) string { return `{"configuration":{"historyLength":` + n + `}}` }
	role := func(r string) string { return `{"message":{"role":` + r + `}}` }
	const notNumber, range32 = "configuration.historyLength is %s, not a whole number", "configuration.historyLength is %s, not between -2147483648 and 2147483647"
	for _, test := range []struct{ text, same, strict string }{
		{part(`"raw":"-_-_"`), part(`"raw":"+/+/"`), "message.parts[0].raw is not base64"},
		{part(`"raw":"aGk"`), part(`"raw":"aGk="`), "message.parts[0].raw is not base64"},
		{part(`"raw":"-_8"`), part(`"raw":"+/8="`), "message.parts[0].raw is not base64"},
		{part(`"raw":"-_8="`), part(`"raw":"+/8="`), "message.parts[0].raw is not base64"},
		{role(`1`), role(`"ROLE_USER"`), "message.role is a number, not one of ROLE_USER, ROLE_AGENT"},
		{role(`2.0`), role(`"ROLE_AGENT"`), "message.role is a number, not one of ROLE_USER, ROLE_AGENT"},
		{role(`0`), role(`null`), "message.role is a number, not one of ROLE_USER, ROLE_AGENT"},
		{length(`"5"`), length(`5`), "configuration.historyLength is a string, not a whole number"},
		{length(`5.0`), length(`5`), fmt.Sprintf(notNumber, `"5.0"`)},
		{length(`"5e0"`), length(`5`), "configuration.historyLength is a string, not a whole number"},
		{length(`0.5e1`), length(`5`), fmt.Sprintf(notNumber, `"0.5e1"`)},
		{length(`-0`), length(`0`), ""},
		{length(`2147483647`), length(`2147483647.0`), ""},
	} {
		got, err := read(test.text, true)
		want, errWant := read(test.same, true)
		if err != nil || errWant != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s, %v; want %s, %v", test.text, marshal(got), err, marshal(want), errWant)
		}
		_, err = read(test.text, false)
		if (err == nil) != (test.strict == "") || err != nil && err.Error() != test.strict {
			t.Errorf("%s, strictly: %v, want %s", test.text, err, test.strict)
		}
	}
	for text, want := range map[string]string{
		part(`"raw":"-/8="`):           "message.parts[0].raw is not base64",
		part(`"raw":"a"`):              "message.parts[0].raw is not base64",
		part(`"raw":"aGk=="`):          "message.parts[0].raw is not base64",
		part(`"raw":[104]`):            "message.parts[0].raw is an array, not a string",
		role(`3`):                      "message.role is 3, not one of ROLE_USER, ROLE_AGENT",
		role(`-1`):                     "message.role is -1, not one of ROLE_USER, ROLE_AGENT",
		role(`1.5`):                    "message.role is 1.5, not one of ROLE_USER, ROLE_AGENT",
		role(`"1"`):                    `message.role is "1", not one of ROLE_USER, ROLE_AGENT`,
		role(`"user"`):                 `message.role is "user", not one of ROLE_USER, ROLE_AGENT`,
		length(`2147483648`):           fmt.Sprintf(range32, `"2147483648"`),
		length(`"-2147483649"`):        fmt.Sprintf(range32, `"-2147483649"`),
		length(`1e10`):                 fmt.Sprintf(range32, `"1e10"`),
		length(`1e400`):                fmt.Sprintf(range32, `"1e400"`),
		length(`99999999999999999999`): fmt.Sprintf(range32, `"99999999999999999999"`),
		length(`1.5`):                  fmt.Sprintf(notNumber, `"1.5"`),
		length(`"x"`):                  fmt.Sprintf(notNumber, `"x"`),
		length(`"0x5"`):                fmt.Sprintf(notNumber, `"0x5"`),
		length(`"+5"`):                 fmt.Sprintf(notNumber, `"+5"`),
		length(`" 5"`):                 fmt.Sprintf(notNumber, `" 5"`),
		length(`""`):                   fmt.Sprintf(notNumber, `""`),
		length(`"inf"`):                fmt.Sprintf(notNumber, `"inf"`),
		length(`true`):                 "configuration.historyLength is a boolean, not a whole number",

		`{"message":{"parts":[{"text":"a"},null]}}`:        "message.parts[1] is null",
		`{"message":{"extensions":["a",null]}}`:            "message.extensions[1] is null",
		`{"configuration":{"acceptedOutputModes":[null]}}`: "configuration.acceptedOutputModes[0] is null",
		`{"message":{"messageId":"a","message_id":"b"}}`:   "message.messageId is given twice",
		part(`"text":"a","url":"b"`):                       "message.parts[0].url is there beside text: a part has one of text, raw, url and data",
		part(`"data":null`):                                "message.parts[0] has none of text, raw, url and data that is not null",
		part(`"kind":"text"`):                              "message.parts[0] has none of text, raw, url and data that is not null",
		part(`"data":{"a":[1e400]}`):                       "message.parts[0].data.a[0] is a number that is too large",
		`{"message":{"metadata":[]}}`:                      "message.metadata is an array, not an object",
		`{"message":"x"}`:                                  "message is a string, not an object",
		`{"message":{"parts":{}}}`:                         "message.parts is an object, not an array",
		`{"message":{"parts":["x"]}}`:                      "message.parts[0] is a string, not an object",
		`{"message":{"parts":[{"text":"x"},{"text":7}]}}`:  "message.parts[1].text is a number, not a string",
		`{"configuration":{"returnImmediately":"true"}}`:   "configuration.returnImmediately is a string, not true or false",
		`[]`: "is an array, not an object",
		`{"configuration":{"taskPushNotificationConfig":{"authentication":{"scheme":1}}}}`: "configuration.taskPushNotificationConfig.authentication.scheme is a number, not a string",
	} {
		if got, err := read(text, true); err == nil || err.Error() != want {
			t.Errorf("%s: %s, %v, want %s", text, marshal(got), err, want)
		}
	}
}

// TestOtherCases checks that a name in another case is an unknown name.
func TestOtherCases(t *testing.T) {
	got, err := read(`{"message":{"parts":[{"text":"good","Text":"evil"}],"MessageId":"x","MESSAGE_ID":"x","message_Id":"x","message__id":"x"},"Message":{},"META_DATA":{}}`, true)
	want := &a2a.SendMessageRequest{Message: &a2a.Message{Parts: a2a.ContentParts{a2a.NewTextPart("good")}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s, %v", marshal(got), err)
	}
	snake, err := read(`{"message":{"message_id":"m","context_id":"c","task_id":"t","reference_task_ids":["r"],"parts":[{"text":"x","media_type":"m"}]},
		"configuration":{"accepted_output_modes":["a"],"history_length":1,"return_immediately":true,"task_push_notification_config":{"task_id":"x"}}}`, true)
	camel, _ := read(`{"message":{"messageId":"m","contextId":"c","taskId":"t","referenceTaskIds":["r"],"parts":[{"text":"x","mediaType":"m"}]},
		"configuration":{"acceptedOutputModes":["a"],"historyLength":1,"returnImmediately":true,"taskPushNotificationConfig":{"taskId":"x"}}}`, true)
	if err != nil || !reflect.DeepEqual(snake, camel) {
		t.Errorf("%s, %v", marshal(snake), err)
	}
}

// TestGiven checks that given fields win over read ones, in the first object only.
func TestGiven(t *testing.T) {
	r := protojson.NewReader([]byte(`{"tenant":7,"metadata":{"tenant":"m"},"configuration":{"taskPushNotificationConfig":{"tenant":"c"}}}`))
	r.Given = map[string][]byte{"tenant": []byte(`"path"`), "other": []byte(`1`)}
	req := protojson.Read[a2a.SendMessageRequest](r)
	if r.Err() != nil || req.Tenant != "path" || req.Metadata["tenant"] != "m" || req.Config.PushConfig.Tenant != "c" {
		t.Errorf("%s, %v", marshal(req), r.Err())
	}
	r = protojson.NewReader([]byte(`{}`))
	r.Given = map[string][]byte{"historyLength": []byte(`"few"`)}
	r.Lenient = true
	if protojson.Read[a2a.GetTaskRequest](r); r.Err() == nil || r.Err().Error() != `historyLength is "few", not a whole number` {
		t.Error(r.Err())
	}
}

func TestTime(t *testing.T) {
	for text, want := range map[string]string{
		"2026-01-02T03:04:05Z": "2026-01-02T03:04:05Z", "2026-01-02t03:04:05z": "2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05.678+02:00": "2026-01-02T01:04:05.678Z", "2026-01-02 03:04:05Z": "", "yesterday": "", "": "", "2026-01-02T03:04:05": "",
	} {
		r := protojson.NewReader([]byte(`{"statusTimestampAfter":"` + text + `"}`))
		req := protojson.Read[a2a.ListTasksRequest](r)
		switch {
		case want == "" && (r.Err() == nil || r.Err().Error() != `statusTimestampAfter is "`+text+`", not a time such as 2026-01-01T00:00:00Z`):
			t.Errorf("%s: %v", text, r.Err())
		case want != "" && (r.Err() != nil || req.StatusTimestampAfter.UTC().Format("2006-01-02T15:04:05.999Z") != want):
			t.Errorf("%s: %v, %v", text, req.StatusTimestampAfter, r.Err())
		}
	}
}

// TestNumbers checks that numbers keep their values, and that only those that float64 would change
// have another type.
func TestNumbers(t *testing.T) {
	for text, kept := range map[string]bool{
		"0": false, "-0": false, "1": false, "1.0": false, "1e2": false, "1E+2": false, "0.1": false, "0.30": false, "1e-7": false, "123456789012345": false,
		"9007199254740991": false, "9007199254740992": false, "9007199254740993": true, "-9007199254740993": true, "12345678901234567890": true,
		"100000000000000000000": false, "1e22": false, "1e300": false, "0.1234567890123456789": true, "3.141592653589793": false, "1e-400": true, "1.5e-320": false,
		"0.0": false, "0e5": false, "18446744073709551615": true, "18446744073709551616": true, "1.7976931348623157e308": false, "5e-324": false,
	} {
		r := protojson.NewReader([]byte(`{"k":` + text + `}`))
		v := r.Object()["k"]
		number, isNumber := v.(json.Number)
		if r.Err() != nil || isNumber != kept || kept && string(number) != text {
			t.Errorf("%s is %T %v, %v", text, v, v, r.Err())
		}
	}
}

// TestEvents checks that events are read like the SDK's types, except for numbers, and that what an
// agent may have stored can be read again.
func TestEvents(t *testing.T) {
	for _, event := range []a2a.Event{
		tasklogtest.Full[a2a.Message](), tasklogtest.Full[a2a.Task](), tasklogtest.Full[a2a.TaskStatusUpdateEvent](), tasklogtest.Full[a2a.TaskArtifactUpdateEvent](),
		&a2a.Task{}, &a2a.TaskStatusUpdateEvent{}, &a2a.TaskArtifactUpdateEvent{Artifact: &a2a.Artifact{}},
		&a2a.Task{Metadata: map[string]any{}}, &a2a.Message{Role: "ROLE_OF_ITS_OWN"}, &a2a.Task{Status: a2a.TaskStatus{State: "TASK_STATE_OF_ITS_OWN"}},
	} {
		data, err := json.Marshal(a2a.StreamResponse{Event: event})
		if err != nil {
			t.Fatal(err)
		}
		var want a2a.StreamResponse
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		got, err := protojson.Event(data)
		if err != nil || !reflect.DeepEqual(got, want.Event) {
			t.Errorf("%s: %s, %v", data, marshal(got), err)
		}
	}
	for text, want := range map[string]string{
		`{`: "not JSON", `{}`: "0 events, want one", `[]`: "is an array, not an object", `{"task":{},"message":{}}`: "2 events, want one",
		`{"task":{"history":[{"parts":[{}]}]}}`: "task.history[0].parts[0] has none of text, raw, url and data that is not null",
	} {
		if got, err := protojson.Event([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: %s, %v, want %s", text, marshal(got), err, want)
		}
	}
	kept := `{"statusUpdate":{"status":{"message":{"parts":[{"data":{"n":12345678901234567890,"m":1e400}}]}},"metadata":{"n":9007199254740993}}}`
	got, err := protojson.Event([]byte(kept))
	if text := marshal(a2a.StreamResponse{Event: got}); err != nil || !strings.Contains(text, "12345678901234567890") || !strings.Contains(text, "9007199254740993") || !strings.Contains(text, "1e400") {
		t.Errorf("%s, %v", text, err)
	}
}

// FuzzRead reads any text that passes a scan: it never panics, and what the SDK prints reads back
// as the same request.
func FuzzRead(f *testing.F) {
	f.Add([]byte(everything), true)
	f.Add([]byte(`{"message":{"parts":[{"raw":"-_8"},null],"role":1}}`), false)
	f.Fuzz(func(t *testing.T, text []byte, lenient bool) {
		if protojson.Scan(text, protojson.Limits{Values: 1000, Depth: 100}) != nil {
			return
		}
		req, err := read(string(text), lenient)
		if err != nil {
			return
		}
		printed, err := json.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		again, err := read(string(printed), false)
		if req.Message != nil && err == nil && !reflect.DeepEqual(marshal(req), marshal(again)) {
			t.Fatalf("%s is printed as %s and read as %s", text, printed, marshal(again))
		}
	})
}
