package hostile_test

import (
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// many returns a JSON array with the value n times.
func many(n int, value string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(value+",", n), ",") + "]"
}

func keys(n int, value string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"k%d":%s`, i, value)
	}
	return b.String() + "}"
}

// nested returns an object in objects.
func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels)
}

func text(s string) string { return `[{"text":"` + s + `"}]` }

// noText are parts that the demo agent answers at once: it asks for a text.
const noText = `[{"data":{}}]`

// large are parts, and further members of a message, at or just above a limit of bytes or values.
var large = []struct {
	name        string
	parts, more func() string
}{
	{"text of <", func() string { return text(strings.Repeat("<", 5_800_000)) }, nil},
	{"text of NUL", func() string { return text(strings.Repeat(`\u0000`, 960_000)) }, nil},
	{"text of quotes", func() string { return text(strings.Repeat(`\"`, 2_900_000)) }, nil},
	{"text of emoji", func() string { return text(strings.Repeat("🙂", 1_450_000)) }, nil},
	{"text of U+2028", func() string { return text(strings.Repeat("\u2028", 1_900_000)) }, nil},
	{"text of U+0085", func() string { return text(strings.Repeat("\u0085", 2_900_000)) }, nil},
	{"metadata", nil, func() string { return `,"metadata":{"k":"` + strings.Repeat("x", 5_500_000) + `"}` }},
	{"metadata of a part", func() string { return `[{"data":{},"metadata":{"k":"` + strings.Repeat("<", 5_500_000) + `"}}]` }, nil},
	{"metadata of small objects", nil, func() string { return `,"metadata":{"k":` + many(24_000, `{"a":{}}`) + `}` }},
	{"file", func() string { return `[{"raw":"` + strings.Repeat("AAAA", 1_400_000) + `"}]` }, nil},
	{"file name", func() string { return `[{"raw":"AAAA","filename":"` + strings.Repeat("x", 5_500_000) + `"}]` }, nil},
	{"media type", func() string {
		return `[{"raw":"AAAA","mediaType":"text/plain;a=` + strings.Repeat("x", 5_500_000) + `"}]`
	}, nil},
	{"URL", func() string { return `[{"url":"https://files.example/` + strings.Repeat("x", 5_500_000) + `"}]` }, nil},
	{"extensions", nil, func() string { return `,"extensions":` + many(90_000, `"urn:a"`) }},
	{"an extension", nil, func() string { return `,"extensions":["` + strings.Repeat("x", 5_500_000) + `"]` }},
	{"references", nil, func() string { return `,"referenceTaskIds":` + many(90_000, `"a task that was never seen here"`) }},
	{"parts", func() string { return many(400_000, `{"text":""}`) }, nil},
	{"parts with metadata", func() string { return many(11_000, `{"data":{},"metadata":{"a":1}}`) }, nil},
	{"small objects", func() string { return `[{"data":` + many(83_000, `{"a":{}}`) + `}]` }, nil},
	{"fewer small objects", func() string { return `[{"data":` + many(19_000, `{"a":{}}`) + `}]` }, nil},
	{"objects in objects", func() string { return `[{"data":` + many(120, nested(400)) + `}]` }, nil},
	{"nesting", func() string {
		return `[{"data":` + strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000) + `}]`
	}, nil},
	{"nesting without end", func() string { return `[{"data":` + strings.Repeat(`{"":`, 1_400_000) }, nil},
	{"lists", func() string { return `[{"data":` + many(1_900_000, "[]") + `}]` }, nil},
	{"numbers", func() string { return `[{"data":` + many(95_000, "1e300") + `}]` }, nil},
	{"a number", func() string { return `[{"data":` + strings.Repeat("1", 5_800_000) + `}]` }, nil},
	{"keys", func() string { return `[{"data":` + keys(95_000, "0") + `}]` }, nil},
	{"a key", func() string { return `[{"data":{"` + strings.Repeat("<", 5_800_000) + `":0}}]` }, nil},
	{"keys in another case", func() string { return `[{"Text":"",` + keys(200_000, "0")[1:] + `]` }, nil},
	{"duplicate keys", func() string { return `[{` + strings.Repeat(`"text":"",`, 500_000) + `"text":""}]` }, nil},
	{"unknown keys", func() string { return `[{"text":"",` + keys(450_000, "0")[1:] + `]` }, nil},
	{"snake keys", func() string { return `[{"text":"",` + strings.ReplaceAll(keys(300_000, "0"), "k", "a_b")[1:] + `]` }, nil},
	{"nothing but commas", func() string { return "[" + strings.Repeat(",", 5_900_000) + "]" }, nil},
	{"escapes without end", func() string { return `[{"text":"` + strings.Repeat(`\`, 5_800_001) }, nil},
}

// TestHostile sends the functions requests that are made to take memory. None may be killed.
func TestHostile(t *testing.T) {
	s := newSystem(t, "a2alambda/functions/agent", "a2alambda/functions/worker")

	// Each message goes to each operation that takes one, in each version and binding.
	for i, l := range large {
		parts, more := noText, ""
		if l.parts != nil {
			parts = l.parts()
		}
		if l.more != nil {
			more = l.more()
		}
		s.watched(t, l.name, func(t *testing.T) {
			stopped := func(a answer) answer { return s.stop(t, a) }
			immediately := `{"configuration":{"returnImmediately":true},"message":`
			sends := []func() answer{
				func() answer { return s.rpc(t, "SendMessage", immediately+message("", parts, more)+`}`) },
				func() answer {
					return s.do(t, http.MethodPost, "/message:send", "1.0", immediately+message("", parts, more)+`}`)
				},
				func() answer {
					return s.rpc(t, "message/send", `{"configuration":{"blocking":false},"message":`+message03("", parts03(parts), more)+`}`)
				},
				func() answer {
					return s.do(t, http.MethodPost, "/v1/message:send", "0.3", `{"configuration":{"blocking":false},"message":`+message03http("", parts, more)+`}`)
				},
			}
			if !*all {
				sends = sends[i%4 : i%4+1]
			}
			for _, send := range sends {
				t.Logf("%.150v", stopped(send()))
			}
		})
	}
	s.watched(t, "follow-ups with metadata", func(t *testing.T) { s.followUps(t, noText, large[6].more()) })
	s.watched(t, "follow-ups of small objects", func(t *testing.T) { s.followUps(t, `[{"data":{"k":`+many(19_000, `{"a":{}}`)+`}}]`, "") })
	s.watched(t, "follow-ups of objects in objects", func(t *testing.T) { s.followUps(t, `[{"data":{"k":`+many(100, nested(300))+`}}]`, "") })
	s.watched(t, "an id of 2 MB", func(t *testing.T) {
		id := strings.Repeat("<", 2<<20)
		for _, method := range []string{"SendStreamingMessage", "GetTask", "ListTasks"} {
			a := s.do(t, http.MethodPost, "/", "", `{"jsonrpc":"2.0","id":"`+id+`","method":"`+method+`","params":{"id":"x","message":`+message("", text("hello"), "")+`}}`)
			t.Logf("%.150v", a)
		}
	})
	s.watched(t, "long headers and queries", func(t *testing.T) {
		long := strings.Repeat("x", 900_000)
		for _, a := range []answer{
			s.rpc(t, "GetTask", `{"id":"x"}`, "A2A-Extensions", strings.Repeat("urn:a,", 150_000)),
			s.rpc(t, "SendMessage", `{"message":`+message("", noText, "")+`}`, "X-Long", long),
			s.rpc(t, "SendMessage", `{"message":`+message("", noText, "")+`}`, "Traceparent", long, "Last-Event-ID", long, "Cookie", strings.Repeat("a;", 300_000)),
			s.do(t, http.MethodGet, "/tasks?pageToken="+long, "1.0", ""),
			s.do(t, http.MethodGet, "/tasks?"+strings.Repeat("a&", 450_000), "1.0", ""),
			s.do(t, http.MethodGet, "/tasks/"+long, "1.0", ""),
			s.do(t, http.MethodGet, "/"+strings.Repeat("/", 450_000), "1.0", ""),
			s.do(t, http.MethodGet, strings.Repeat("/%3C", 220_000), "1.0", ""),
		} {
			t.Logf("%.150v", a)
		}
	})
	s.watched(t, "configurations of push notifications", func(t *testing.T) {
		task, long := s.waiting(t), strings.Repeat("<", 5_800_000)
		for i := range 12 {
			a := s.rpc(t, "CreateTaskPushNotificationConfig", fmt.Sprintf(`{"taskId":"%s","id":"c%d","url":"http://127.0.0.2/","token":"%s"}`, task, i, strings.Repeat("x", 2_000)))
			if full := i >= 5; (a.error() != "") != full {
				t.Errorf("configuration %d: %v", i, a)
			}
		}
		for _, config := range []string{`"token":"` + long + `"`, `"id":"` + long + `"`, `"url":"http://127.0.0.2/` + long + `"`, `"tenant":"` + long + `"`,
			`"authentication":{"scheme":"` + long + `"}`, `"unknown":` + many(90_000, "{}")} {
			t.Logf("%.150v", s.rpc(t, "CreateTaskPushNotificationConfig", `{"taskId":"`+task+`","url":"http://127.0.0.2/",`+config+`}`))
			t.Logf("%.150v", s.rpc(t, "tasks/pushNotificationConfig/set", `{"taskId":"`+task+`","pushNotificationConfig":{"url":"http://127.0.0.2/",`+config+`}}`))
		}
		s.rpc(t, "ListTaskPushNotificationConfigs", `{"taskId":"`+task+`"}`)
		s.rpc(t, "GetTaskPushNotificationConfig", `{"taskId":"`+long+`","id":"`+task+`"}`)
		s.rpc(t, "tasks/pushNotificationConfig/delete", `{"id":"`+task+`","pushNotificationConfigId":"`+long+`"}`)
		s.rpc(t, "CancelTask", `{"id":"`+long+`"}`)
	})
	s.watched(t, "pages", s.pages)
	s.watched(t, "pages of values", s.pagesOfValues)
	s.watched(t, "push notifications", s.pushes)
	s.watched(t, "push notifications of values", s.pushesOfValues)
	s.watched(t, "lost workers", s.lostWorkers)
	s.watched(t, "in one piece", s.inOnePiece)
	s.watched(t, "a text of 4 MB", func(t *testing.T) {
		long := strings.Repeat("<", 4_000_000)
		a := s.rpc(t, "SendStreamingMessage", `{"message":`+message("", text(long), "")+`}`)
		if !strings.Contains(string(a.rest), "TASK_STATE_COMPLETED") || a.size < len(long) {
			t.Errorf("%.300v … %.300s", a, a.rest)
		}
		if a := s.rpc(t, "GetTask", `{"id":"`+taskIn(t, a)+`"}`); a.size < 2*len(long) {
			t.Errorf("GetTask: %.300v", a)
		}
	})
	s.watched(t, "twenty follow-ups", func(t *testing.T) {
		task := s.waiting(t)
		for range 20 {
			if a := s.rpc(t, "SendMessage", `{"message":`+message(task, `[{"data":{"k":"`+strings.Repeat("x", 50_000)+`"}}]`, "")+`}`); a.error() != "" {
				t.Fatal(a)
			}
		}
	})
}

var all = flag.Bool("all", false, "send each message by each operation, not only by one of them, and try what takes minutes")

// followUps continues a task for as long as it may, and then calls each method on the task.
func (s *system) followUps(t *testing.T, parts, more string) {
	task, n := s.waiting(t), 0
	for {
		a := s.rpc(t, "SendMessage", `{"configuration":{"historyLength":0},"message":`+message(task, parts, more)+`}`)
		if n%2 == 1 && a.error() == "" {
			a = s.rpc(t, "message/send", `{"configuration":{"historyLength":0},"message":`+message03(task, parts03(parts), more)+`}`)
		}
		if e := a.error(); e != "" {
			t.Logf("after %d follow-ups: %s", n, e)
			if !strings.Contains(e, "no room for the message") {
				t.Errorf("refused with %v", a)
			}
			break
		}
		if n++; n > 30 {
			t.Fatal("the task takes any number of messages")
		}
	}
	for _, a := range []answer{
		s.rpc(t, "SendStreamingMessage", `{"message":`+message(task, parts, more)+`}`),
		s.rpc(t, "GetTask", `{"id":"`+task+`"}`),
		s.rpc(t, "tasks/get", `{"id":"`+task+`"}`),
		s.do(t, http.MethodGet, "/tasks/"+task+"?historyLength=1", "1.0", ""),
		s.do(t, http.MethodGet, "/v1/tasks/"+task, "0.3", ""),
		s.rpc(t, "ListTasks", `{"includeArtifacts":true}`),
		s.rpc(t, "CancelTask", `{"id":"`+task+`"}`),
		s.rpc(t, "SubscribeToTask", `{"id":"`+task+`"}`, "Last-Event-ID", "1"),
		s.rpc(t, "tasks/resubscribe", `{"id":"`+task+`"}`, "Last-Event-ID", "5"),
		s.do(t, http.MethodGet, "/v1/tasks/"+task+":subscribe", "0.3", "", "Last-Event-ID", "2"),
	} {
		t.Logf("%.150v", a)
	}
}

// stop cancels a task that has begun, so that no worker goes on with it for seconds.
func (s *system) stop(t *testing.T, a answer) answer {
	if a.error() == "" && a.status == http.StatusOK {
		s.rpc(t, "CancelTask", `{"id":"`+taskIn(t, a)+`"}`)
	}
	return a
}

// parts03 returns parts of 1.0 in the form of JSON-RPC 0.3.
func parts03(parts string) string {
	parts = strings.NewReplacer(`{"text":`, `{"kind":"text","text":`, `{"data":`, `{"kind":"data","data":`, `{"url":`, `{"kind":"file","file":{"uri":`,
		`{"raw":`, `{"kind":"file","file":{"bytes":`, `"filename":`, `"name":`, `"mediaType":`, `"mimeType":`).Replace(parts)
	if strings.Contains(parts, `"file":{`) {
		parts = strings.TrimSuffix(parts, "]") + "}]"
	}
	return parts
}

// message03http is message for HTTP+JSON 0.3.
func message03http(task, parts, more string) string {
	m := message(task, parts, more)
	return strings.Replace(m, `"parts":`, `"content":`, 1)
}
