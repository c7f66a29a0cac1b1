package hostile_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

// pagesOfValues lists tasks with few bytes and many values. A page of 4 MB has room for eight of
// them; then come eight with the most values that messages may have.
func (s *system) pagesOfValues(t *testing.T) {
	context := fmt.Sprintf("values-%d", time.Now().UnixNano())
	for i := range 16 {
		value, n, last := `{"":{}}`, 49_900, 49_900
		if i >= 8 {
			value, last = `{"":0}`, 15_300
		}
		task := ""
		for _, n := range []int{n, last} {
			a := s.rpc(t, "SendMessage", `{"configuration":{"historyLength":0},"message":`+message(task, `[{"data":{"k":`+many(n, value)+`}}]`, `,"contextId":"`+context+`"`)+`}`)
			task = taskIn(t, a)
		}
	}
	for _, list := range []struct{ path, version string }{{"/tasks?includeArtifacts=true&contextId=" + context, "1.0"}, {"/v1/tasks?contextId=" + context, "0.3"}} {
		a := s.do(t, http.MethodGet, list.path, list.version, "")
		var page struct{ Tasks []struct{ ID string } }
		if json.Unmarshal(a.body, &page) != nil || len(page.Tasks) != 16 {
			t.Errorf("%s: %d tasks, want 16, each cut: %v", list.path, len(page.Tasks), a)
		}
	}
}

// pushesOfValues delivers tasks with few bytes and many values, all at once, to webhooks of 0.3,
// which get the whole task.
func (s *system) pushesOfValues(t *testing.T) {
	var got atomic.Int64
	receiver := client.Receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got.Add(1)
	})
	var tasks []string
	for range 4 {
		task := s.waiting(t)
		for n := range 10 {
			s.rpc(t, "tasks/pushNotificationConfig/set", fmt.Sprintf(`{"taskId":"%s","pushNotificationConfig":{"id":"c%d","url":"%s"}}`, task, n, receiver))
		}
		for range 2 {
			s.rpc(t, "SendMessage", `{"configuration":{"historyLength":0},"message":`+message(task, `[{"data":{"k":`+many(49_900, `{"":{}}`)+`}}]`, "")+`}`)
		}
		tasks = append(tasks, task)
	}
	if err := s.wakePush(streamed(t, tasks)); err != nil {
		t.Error(err)
	}
	if got.Load() == 0 {
		t.Error("nothing is delivered")
	}
}

// streamed returns the event of the table's stream that wakes the push function for the tasks.
func streamed(t *testing.T, tasks []string) []byte {
	type attribute map[string]any
	var records []any
	for _, task := range tasks {
		records = append(records, map[string]any{"dynamodb": map[string]any{
			"Keys": attribute{"pk": attribute{"S": task}}, "NewImage": attribute{"p": attribute{"N": "1"}},
		}})
	}
	event, err := json.Marshal(map[string]any{"Records": records})
	localtest.Must(t, err)
	return event
}
