package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/tasklog"
)

var info = a2a.TaskInfo{TaskID: "task", ContextID: "context"}

// talk makes random events of a task.
type talk struct {
	*rand.Rand
	longest int // text
	task    bool
}

func (r *talk) text() string {
	all := []string{"a", "<b>&", "é", "\"\\", "\u2028\u0085", "\n\x00", "😀", " "}
	text := all[r.IntN(len(all))]
	return strings.Repeat(text, r.IntN(r.longest/len(text)+1))
}

func (r *talk) metadata() map[string]any {
	if r.IntN(3) > 0 {
		return nil
	}
	return map[string]any{fmt.Sprint("k", r.IntN(4)): map[string]any{"<": r.IntN(9)}, "n": json.Number("1e400"), "l": []any{nil, true}}
}

func (r *talk) parts() (parts a2a.ContentParts) {
	for range 1 + r.IntN(3) {
		switch p := a2a.NewTextPart(r.text()); r.IntN(8) {
		case 0:
			parts = append(parts, a2a.NewDataPart([]any{"x", 1}))
		case 1:
			parts = append(parts, a2a.NewDataPart(map[string]any{"x": r.text()}))
		case 2:
			parts = append(parts, a2a.NewRawPart([]byte("raw")))
		case 3:
			p.Metadata = map[string]any{"k": "v"}
			parts = append(parts, p)
		default:
			parts = append(parts, p)
		}
	}
	return parts
}

func (r *talk) message() *a2a.Message {
	role := a2a.MessageRoleAgent
	if r.IntN(2) == 0 {
		role = a2a.MessageRoleUser
	}
	return &a2a.Message{ID: fmt.Sprint("m", r.Uint32()), Role: role, Parts: r.parts(), Metadata: r.metadata()}
}

func (r *talk) artifact() *a2a.Artifact {
	a := &a2a.Artifact{ID: a2a.ArtifactID(fmt.Sprint("a", r.IntN(6))), Parts: r.parts(), Metadata: r.metadata()}
	if r.IntN(2) == 0 {
		a.Name, a.Extensions = "name", []string{"x"}
	}
	return a
}

func (r *talk) event() a2a.Event {
	n := r.IntN(40)
	if r.task {
		n, r.task = 0, false
	}
	at := time.UnixMilli(r.Int64N(1e12))
	status := a2a.TaskStatus{State: a2a.TaskStateWorking, Timestamp: &at}
	if r.IntN(2) == 0 {
		status.Message = r.message()
	}
	switch {
	case n == 0:
		t := &a2a.Task{ID: "task", ContextID: "context", Status: status, Metadata: r.metadata()}
		for range r.IntN(3) {
			t.History = append(t.History, r.message())
		}
		if a := r.artifact(); r.IntN(2) == 0 {
			t.Artifacts = []*a2a.Artifact{a}
		}
		return t
	case n < 15:
		return &a2a.TaskStatusUpdateEvent{TaskID: "task", ContextID: "context", Status: status, Metadata: r.metadata()}
	}
	return &a2a.TaskArtifactUpdateEvent{TaskID: "task", ContextID: "context", Append: r.IntN(4) > 0, Artifact: r.artifact()}
}

// events calls do with the body after each of so many random events, and with the task.
func (r *talk) events(t *testing.T, n int, do func(s *state, want *a2a.Task)) {
	t.Helper()
	s, fold := new(state), tasklog.NewFold(nil, 0)
	r.task = true
	for i := range n {
		data, err := tasklog.Encode(r.event())
		if err != nil {
			t.Fatal(err)
		}
		e := tasklog.Event{Seq: int64(i + 1), JSON: data}
		s.add(e)
		fold.Add(e)
		task, err := fold.Task()
		if err != nil {
			t.Fatal(err)
		}
		tasklog.JoinTexts(task)
		do(s, task)
	}
}

// TestStateIsTheTask compares the bodies of tasks that fit with the JSON of the whole Task, byte for
// byte. Bodies stay as they were when later events come.
func TestStateIsTheTask(t *testing.T) {
	for seed := range uint64(20) {
		r := &talk{Rand: rand.New(rand.NewPCG(seed, 0)), longest: 20}
		var bodies []payload
		var texts []string
		r.events(t, 60, func(s *state, task *a2a.Task) {
			want, err := a2a03.EncodeTask(task)
			if err != nil {
				t.Fatal(err)
			}
			p, err := s.payload(true)
			if err != nil {
				t.Fatal(err)
			}
			if got := read(t, p); got != string(want) {
				t.Fatalf("seed %d, event %d:\n%s\nwant\n%s", seed, s.seq, got, want)
			}
			bodies, texts = append(bodies, p), append(texts, string(want))
		})
		for i, p := range bodies {
			if got := read(t, p); got != texts[i] {
				t.Fatalf("seed %d: body %d was changed by a later event", seed, i+1)
			}
		}
	}
}

// shown is a Task as its receiver sees it.
type shown struct {
	Kind      string
	ID        string
	ContextID string
	Status    struct{ Message json.RawMessage }
	History   []json.RawMessage
	Artifacts []json.RawMessage
	Metadata  map[string]json.RawMessage
}

func decode(t *testing.T, data []byte) (task shown, left []string) {
	t.Helper()
	if err := json.Unmarshal(data, &task); err != nil {
		t.Fatal(err)
	}
	if cut := task.Metadata[tasklog.CutKey]; cut != nil {
		if err := json.Unmarshal(cut, &left); err != nil {
			t.Fatal(err)
		}
		if note := string(task.Metadata[tasklog.CutNoteKey]); note != `"`+tasklog.CutNote+`"` {
			t.Errorf("the note is %s", note)
		}
	}
	return task, left
}

// TestStateIsBounded makes the bodies of tasks that do not fit, with the caller's own content and
// without. All that they have is as in the task, and they say what they don't have.
func TestStateIsBounded(t *testing.T) {
	cuts := map[string]bool{}
	r := &talk{Rand: rand.New(rand.NewPCG(1, 0)), longest: 500_000}
	r.events(t, 9, func(s *state, task *a2a.Task) {
		data, err := a2a03.EncodeTask(task)
		if err != nil {
			t.Fatal(err)
		}
		whole, _ := decode(t, data)
		for _, own := range []bool{true, false} {
			p, err := s.payload(own)
			if err != nil {
				t.Fatal(err)
			}
			got, left := decode(t, []byte(read(t, p)))
			if p.size > maxTaskBytes {
				t.Errorf("a body of %d bytes", p.size)
			}
			if got.Kind != "task" || got.ID != "task" || got.ContextID != "context" {
				t.Errorf("it is a %+v", got)
			}
			for _, name := range left {
				cuts[name] = true
			}
			checkCut(t, whole, got, left, own)
			if owned := ownIn(got); owned != p.own || !own && owned > 0 {
				t.Errorf("event %d: %d bytes are the caller's own, want %d", s.seq, p.own, owned)
			}
		}
	})
	if len(cuts) != 3 {
		t.Errorf("only %v were left out", cuts)
	}
}

// checkCut compares what a body has with the whole task.
func checkCut(t *testing.T, whole, got shown, left []string, own bool) {
	t.Helper()
	has := func(all []json.RawMessage, one json.RawMessage) bool {
		return slices.ContainsFunc(all, func(m json.RawMessage) bool { return bytes.Equal(m, one) })
	}
	for _, a := range got.Artifacts {
		if !has(whole.Artifacts, a) {
			t.Errorf("an artifact is not that of the task: %.200s", a)
		}
	}
	history := whole.History
	if !own {
		history = slices.DeleteFunc(slices.Clone(history), func(m json.RawMessage) bool { return bytes.Contains(m, []byte(`"role":"user"`)) })
	}
	if n := len(history) - len(got.History); n < 0 || len(got.History) > 0 && !reflect.DeepEqual(history[n:], got.History) {
		t.Errorf("the history has %d messages, and not the newest of %d", len(got.History), len(history))
	}
	if m := got.Status.Message; m != nil && !bytes.Equal(m, whole.Status.Message) {
		t.Errorf("the status has another message: %.200s", m)
	}
	for name, less := range map[string]bool{
		"history": len(got.History) < len(whole.History), "artifacts": len(got.Artifacts) < len(whole.Artifacts),
		"status.message": got.Status.Message == nil && whole.Status.Message != nil,
		"metadata":       whole.Metadata["l"] != nil && got.Metadata["l"] == nil,
	} {
		if slices.Contains(left, name) != less {
			t.Errorf("it says that %v was left out; of %s that is %v", left, name, less)
		}
	}
}

func ownIn(task shown) (n int64) {
	for _, m := range append(task.History, task.Status.Message) {
		if bytes.Contains(m, []byte(`"role":"user"`)) {
			n += int64(len(m))
		}
	}
	return n
}

// TestStateLeavesOut says what a body leaves out of a task that is too long, and when that comes
// back.
func TestStateLeavesOut(t *testing.T) {
	long := func(n int) *a2a.Part { return a2a.NewTextPart(strings.Repeat("x", n)) }
	message := func(id string, n int) a2a.Event {
		m := &a2a.Message{ID: id, Role: a2a.MessageRoleAgent, Parts: a2a.ContentParts{long(n)}}
		return a2a.NewStatusUpdateEvent(info, a2a.TaskStateWorking, m)
	}
	artifact := func(id string, n int, more bool) a2a.Event {
		a := &a2a.Artifact{ID: a2a.ArtifactID(id), Parts: a2a.ContentParts{long(n)}}
		return &a2a.TaskArtifactUpdateEvent{TaskID: "task", ContextID: "context", Artifact: a, Append: more}
	}
	done := a2a.NewStatusUpdateEvent(info, a2a.TaskStateCompleted, nil)
	described := a2a.NewStatusUpdateEvent(info, a2a.TaskStateWorking, nil)
	described.Metadata = map[string]any{"k": strings.Repeat("x", maxMetadataBytes)}
	for _, test := range []struct {
		name   string
		events []a2a.Event
		want   string // the ids of what the body has, and what it left out
	}{
		{"all fits", []a2a.Event{message("m1", 400_000), artifact("a1", 300_000, false), artifact("a2", 200_000, false), done}, "m1 a1 a2 []"},
		{"the oldest history", []a2a.Event{message("m1", 400_000), message("m2", 400_000), message("m3", 400_000), done}, "m2 m3 [history]"},
		{"all history before the artifacts", []a2a.Event{artifact("a1", 999_000, false), message("m1", 400_000), done}, "a1 [history]"},
		{"history that fits beside the artifacts", []a2a.Event{message("m1", 400_000), artifact("a1", 500_000, false), message("m2", 400_000), done}, "m2 a1 [history]"},
		{"a long message, and the history before it", []a2a.Event{message("m1", 10), message("m2", 1_000_000), message("m3", 10), done}, "m3 [history]"},
		{"a long artifact, whole", []a2a.Event{artifact("a1", 10, false), artifact("a2", 1_000_000, false), done}, "a1 [artifacts]"},
		{"an artifact that gets too long, and later chunks of it", []a2a.Event{
			artifact("a1", 10, false), artifact("a2", 600_000, false), artifact("a2", 600_000, true), artifact("a2", 10, true), done,
		}, "a1 [artifacts]"},
		{"the same, which the agent then sends anew", []a2a.Event{
			artifact("a1", 10, false), artifact("a2", 1_000_000, false), artifact("a3", 10, false), artifact("a2", 20, false), done,
		}, "a1 a2 a3 []"},
		{"the artifact that did not change for the longest time", []a2a.Event{
			artifact("a1", 400_000, false), artifact("a2", 400_000, false), artifact("a1", 10, true), artifact("a3", 400_000, false), done,
		}, "a1 a3 [artifacts]"},
		{"the artifact that did not fit, when another gets shorter", []a2a.Event{
			artifact("a1", 600_000, false), artifact("a2", 600_000, false), artifact("a2", 10, false), done,
		}, "a1 a2 []"},
		{"an artifact beside a message of the status", []a2a.Event{artifact("a1", 600_000, false), message("m1", 600_000)}, "m1 [artifacts]"},
		{"a long message of the status", []a2a.Event{artifact("a1", 10, false), message("m1", 1_000_000)}, "a1 [status.message]"},
		{"long metadata", []a2a.Event{artifact("a1", 10, false), described, done}, "a1 [metadata]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := new(state)
			for i, e := range append([]a2a.Event{&a2a.Task{ID: "task", ContextID: "context"}}, test.events...) {
				data, err := tasklog.Encode(e)
				if err != nil {
					t.Fatal(err)
				}
				s.add(tasklog.Event{Seq: int64(i + 1), JSON: data})
				if _, err := s.payload(true); err != nil { // a body for each event changes nothing
					t.Fatal(err)
				}
			}
			p, err := s.payload(true)
			if err != nil || p.size > maxTaskBytes {
				t.Fatalf("%d bytes, %v", p.size, err)
			}
			task, left := decode(t, []byte(read(t, p)))
			var got string
			for _, one := range slices.Concat(task.History, []json.RawMessage{task.Status.Message}, task.Artifacts) {
				var ids struct{ MessageID, ArtifactID string }
				if _ = json.Unmarshal(one, &ids); ids.MessageID+ids.ArtifactID != "" {
					got += ids.MessageID + ids.ArtifactID + " "
				}
			}
			if got += fmt.Sprint(left); got != test.want {
				t.Errorf("it has %s, want %s", got, test.want)
			}
		})
	}
}

// TestBare makes the body with ids and state only, of a task with all that it can have.
func TestBare(t *testing.T) {
	s := new(state)
	if _, err := s.bare(); !errors.Is(err, tasklog.ErrNotFound) {
		t.Errorf("of no task: %v", err)
	}
	id := strings.Repeat("\x00", 256) // the longest that a client can choose
	status := a2a.TaskStatus{State: a2a.TaskStateWorking, Message: text(a2a.MessageRoleAgent, "wait")}
	task := &a2a.Task{ID: "task", ContextID: id, Status: status}
	add := func() string {
		data, err := tasklog.Encode(task)
		if err != nil {
			t.Fatal(err)
		}
		s.add(tasklog.Event{Seq: s.seq + 1, JSON: data})
		p, err := s.bare()
		if err != nil || p.size > 4<<10 || p.own != 0 {
			t.Errorf("%d bytes, %d are the caller's, %v", p.size, p.own, err)
		}
		return strings.Replace(read(t, p), strings.Repeat(`\u0000`, 256), "context", 1)
	}
	const note = `"a2alambda.cutNote":"GetTask has all of the task"`
	want := `{"kind":"task","id":"task","contextId":"context","metadata":{"a2alambda.cut":["status.message"],` + note + `},"status":{"state":"working"}}`
	if got := add(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	task.History = []*a2a.Message{text(a2a.MessageRoleUser, "question")}
	task.Artifacts = []*a2a.Artifact{{ID: "a", Parts: a2a.ContentParts{a2a.NewTextPart("answer")}}}
	task.Metadata = map[string]any{"k": "v"}
	want = strings.Replace(want, `["status.message"]`, `["history","artifacts","status.message","metadata"]`, 1)
	if got := add(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
