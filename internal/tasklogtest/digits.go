package tasklogtest

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// testDigits stores numbers that a float64 would change, and others, and has the task with all of their digits, out of its events and
// out of a snapshot.
func testDigits(t *testing.T, l tasklog.Log) {
	h, _ := mustCreate(t, l)
	numbers := map[string]any{"large": json.Number("12345678901234567890"), "list": []any{json.Number("0.1234567890123456789"), 0.5}, "small": 1.0}
	info := a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}
	event := a2a.NewStatusUpdateEvent(info, a2a.TaskStateWorking, a2a.NewMessageForTask(a2a.MessageRoleAgent, info, a2a.NewDataPart(numbers)))
	event.Metadata = numbers
	said := batch(h, "w", 2)
	said.Events = [][]byte{encode(event)}
	must(t, l.Append(t.Context(), said))
	check := func(where string) *a2a.Task {
		s, err := l.Load(t.Context(), h.ID)
		must(t, err)
		if got := s.Task.Status.Message.Parts[0].Data(); !reflect.DeepEqual(got, numbers) || !reflect.DeepEqual(s.Task.Metadata, numbers) {
			t.Errorf("%s: %#v, metadata %#v, want %#v", where, got, s.Task.Metadata, numbers)
		}
		return s.Task
	}
	task := check("out of events")
	s, ok := l.(tasklog.Snapshotter)
	if !ok {
		return // nothing more is promised
	}
	must(t, s.SaveSnapshot(t.Context(), h, "w", 2, tasklog.SnapshotLines(task)))
	check("out of a snapshot")
}
