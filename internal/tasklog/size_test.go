package tasklog_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// whole returns a task with everything that a task may have.
func whole() *a2a.Task {
	now := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	long := strings.Repeat("<&>\u0085\u2028\"\\\x00\t🙂", 1000)
	data := map[string]any{"a": []any{1.5, "x", true, nil, map[string]any{long: map[string]any{}}}}
	raw := a2a.NewRawPart([]byte(long))
	raw.Filename, raw.MediaType, raw.Metadata = long, long, data
	parts := a2a.ContentParts{a2a.NewTextPart(long), raw, a2a.NewFileURLPart(a2a.URL("https://x/"+long), ""), a2a.NewDataPart(data), a2a.NewDataPart(json.Number("7"))}
	m := &a2a.Message{
		ID: "m", ContextID: "c", TaskID: "t", Role: a2a.MessageRoleUser, Parts: parts, Extensions: []string{long, "y"},
		ReferenceTasks: []a2a.TaskID{a2a.TaskID(long), "z"}, Metadata: data,
	}
	many := make([]*a2a.Part, 2500)
	for i := range many {
		many[i] = a2a.NewTextPart("word")
	}
	return &a2a.Task{
		ID: "t", ContextID: "c", History: []*a2a.Message{m, m}, Metadata: data,
		Artifacts: []*a2a.Artifact{
			{ID: "x", Name: long, Description: long, Extensions: []string{long}, Metadata: data, Parts: parts}, {ID: "y", Parts: many}, {ID: "x", Parts: parts[:1]},
		},
		Status: a2a.TaskStatus{State: a2a.TaskStateWorking, Timestamp: &now, Message: m},
	}
}

// TestSizeOf checks that the size of an event counts everything that is stored of it.
func TestSizeOf(t *testing.T) {
	task := whole()
	for _, e := range []a2a.Event{
		task, task.History[0], &a2a.TaskStatusUpdateEvent{TaskID: "t", ContextID: "c", Status: task.Status, Metadata: task.Metadata},
		&a2a.TaskArtifactUpdateEvent{TaskID: "t", ContextID: "c", Artifact: task.Artifacts[0], Metadata: task.Metadata},
	} {
		data, err := tasklog.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := float64(tasklog.SizeOf(e).Bytes), float64(len(data)); got < want*0.99 || got > want*1.1 {
			t.Errorf("%T: %.0f bytes by its size, %.0f as JSON", e, got, want)
		}
	}
	// Each object, list and scalar in data and metadata, and the elements of lists.
	objects := a2a.NewDataPart(map[string]any{"k": []any{map[string]any{"a": map[string]any{}}, 1.0}})
	objects.Metadata = map[string]any{"a": "b"}
	m := &a2a.Message{Parts: a2a.ContentParts{objects, a2a.NewTextPart("")}, Extensions: []string{"a"}, ReferenceTasks: []a2a.TaskID{"b", "c"}}
	if got := tasklog.SizeOf(m).Values; got != 5+2+1+1+2 {
		t.Errorf("%d values, want 11", got)
	}
	type own struct{ A, B []int }
	if got := tasklog.SizeOf(&a2a.Message{Parts: a2a.ContentParts{a2a.NewDataPart(own{A: []int{1, 2, 3}})}}); got.Values < 5 || got.Bytes < 20 {
		t.Errorf("an agent's own type has the size %+v", got)
	}
}

// TestSnapshotLines checks that a task comes out of a snapshot as it went in, and that lines are
// short.
func TestSnapshotLines(t *testing.T) {
	task := whole()
	var r tasklog.TaskReader
	n := 0
	for line, err := range tasklog.SnapshotLines(task) {
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Add(line); err != nil {
			t.Fatal(err)
		}
		n++
	}
	want, err := tasklog.EncodeTask(task)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tasklog.EncodeTask(r.Task)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) || n != 1+2+1+3+1 {
		t.Errorf("%d lines, and the task is another: %d bytes, want %d", n, len(got), len(want))
	}
	if err := new(tasklog.TaskReader).Add([]byte(`{"message":{"messageId":"m","role":"ROLE_USER","parts":[]}}`)); err == nil {
		t.Error("a snapshot without a task was read")
	}
}

func TestCut(t *testing.T) {
	// What is left when so much is left out.
	sizes, left := []tasklog.Size{tasklog.SizeOf(whole())}, whole()
	for _, leave := range []func(){func() { left.History = nil }, func() { left.Artifacts = nil }, func() { left.Status.Message = nil }} {
		leave()
		sizes = append(sizes, tasklog.SizeOf(left))
	}
	for _, test := range []struct {
		most tasklog.Size
		want []any
	}{
		{sizes[0], nil},
		{sizes[1], []any{"history"}},
		{tasklog.Size{Bytes: sizes[0].Bytes, Values: sizes[1].Values}, []any{"history"}},
		{tasklog.Size{Bytes: sizes[1].Bytes, Values: sizes[0].Values}, []any{"history"}},
		{sizes[2], []any{"history", "artifacts"}},
		{sizes[3], []any{"history", "artifacts", "status.message"}},
		{tasklog.Size{Bytes: sizes[3].Bytes - 1, Values: sizes[0].Values}, []any{"history", "artifacts", "status.message", "metadata"}},
	} {
		task := whole()
		before, _ := json.Marshal(task.Metadata)
		own := task.Metadata
		tasklog.Cut(task, test.most)
		got, _ := task.Metadata[tasklog.CutKey].([]any)
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("to %v: %v is left out, want %v; it has %v", test.most, got, test.want, tasklog.SizeOf(task))
		}
		if after, _ := json.Marshal(own); string(after) != string(before) {
			t.Error("the metadata that others have was changed")
		}
	}
}

// TestFoldSize checks that a fold knows the size of the events that it has not decoded yet.
func TestFoldSize(t *testing.T) {
	task := whole()
	task.Metadata = map[string]any{"k": make([]any, 1000)}
	data, err := tasklog.Encode(task)
	if err != nil {
		t.Fatal(err)
	}
	want := tasklog.SizeOf(task).Values
	fold := tasklog.NewFold(nil, 0)
	fold.Add(tasklog.Event{Seq: 1, JSON: data})
	if size := fold.Size(); size.Bytes != int64(len(data)) || size.Values < want {
		t.Errorf("before it is decoded, %v; it has %d bytes and %d values", size, len(data), want)
	}
	if _, err := fold.Task(); err != nil {
		t.Fatal(err)
	}
	if size := fold.Size(); size.Bytes != int64(len(data)) || size.Values != want {
		t.Errorf("decoded, %v; it has %d bytes and %d values", size, len(data), want)
	}
}
