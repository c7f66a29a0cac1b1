package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// history is a task of six events, which a client has seen in two sessions.
func history(t *testing.T) (log []tasklog.Event, sessions []Session) {
	t.Helper()
	info := a2a.TaskInfo{TaskID: "t", ContextID: "c"}
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("x"))
	events := []a2a.Event{a2a.NewSubmittedTask(info, m)}
	for range 3 {
		events = append(events, a2a.NewStatusUpdateEvent(info, a2a.TaskStateWorking, a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart("y"))))
	}
	events = append(events, a2a.NewArtifactEvent(info, a2a.NewTextPart("z")), a2a.NewStatusUpdateEvent(info, a2a.TaskStateCompleted, nil))
	for i, e := range events {
		data, err := tasklog.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, tasklog.Event{Seq: int64(i) + 1, JSON: data})
	}
	return log, []Session{session(t, log, 0, 1, 3), session(t, log, 3, 3, 6)}
}

func all(int64) bool { return true }

// session is a stream from event first to event last.
func session(t *testing.T, log []tasklog.Event, after, first, last int64) Session {
	t.Helper()
	asOf, err := fold(log, all)
	if err != nil {
		t.Fatal(err)
	}
	s := Session{Client: "client", After: after, Frames: []Frame{{first, []byte(asOf[first-1])}}}
	for _, e := range log[first:last] {
		s.Frames = append(s.Frames, Frame{e.Seq, e.JSON})
	}
	return s
}

func TestCheck(t *testing.T) {
	type frames = []Frame
	for _, tt := range []struct {
		name   string
		change func(log *[]tasklog.Event, first, second *frames)
		want   []string // one for each complaint
	}{
		{"nothing", func(*[]tasklog.Event, *frames, *frames) {}, nil},
		{"cut short", func(_ *[]tasklog.Event, first, second *frames) { *first, *second = (*first)[:2], nil }, nil},
		{"gap", func(_ *[]tasklog.Event, _, second *frames) { *second = slices.Delete(*second, 1, 2) }, []string{"gap: event 5 where 4 was due"}},
		{"gap at a new beginning", func(_ *[]tasklog.Event, _, second *frames) { *second = (*second)[1:] }, []string{"begins with event 4"}},
		{"duplicate", func(_ *[]tasklog.Event, _, second *frames) { *second = slices.Insert(*second, 2, (*second)[1]) }, []string{"duplicate: event 4 again"}},
		{"duplicate of the first", func(_ *[]tasklog.Event, first, _ *frames) { *first = append(*first, Frame{1, (*first)[0].JSON}) },
			[]string{"duplicate: event 1 again", "divergent: event 1"}},
		{"reorder", func(_ *[]tasklog.Event, _, second *frames) { (*second)[1], (*second)[2] = (*second)[2], (*second)[1] },
			[]string{"gap: event 5 where 4 was due", "reorder: event 4 after 5"}},
		{"phantom", func(_ *[]tasklog.Event, _, second *frames) { *second = append(*second, Frame{7, (*second)[1].JSON}) }, []string{"phantom: event 7 of 6"}},
		{"phantom at the beginning", func(_ *[]tasklog.Event, first, _ *frames) { *first = frames{{7, (*first)[0].JSON}} }, []string{"phantom: begins with event 7 of 6"}},
		{"number of another event", func(_ *[]tasklog.Event, _, second *frames) { (*second)[1].JSON = (*second)[2].JSON }, []string{"divergent: event 4"}},
		{"another event", func(_ *[]tasklog.Event, first, _ *frames) {
			(*first)[1].JSON = []byte(strings.Replace(string((*first)[1].JSON), `"y"`, `"w"`, 1))
		}, []string{"divergent: event 2"}},
		{"another task", func(_ *[]tasklog.Event, _, second *frames) {
			(*second)[0].JSON = []byte(strings.Replace(string((*second)[0].JSON), `"y"`, `"w"`, 1))
		}, []string{"divergent: begins with"}},
		{"event instead of task", func(log *[]tasklog.Event, _, second *frames) { (*second)[0].JSON = (*log)[2].JSON }, []string{"divergent: begins with"}},
		{"log with a gap", func(log *[]tasklog.Event, _, second *frames) {
			*log = slices.Delete(*log, 4, 5)
			*second = nil
		}, []string{"log: event 6 where 5 was due"}},
		{"log without an end", func(log *[]tasklog.Event, _, second *frames) {
			*log = (*log)[:5]
			*second = (*second)[:3]
		}, []string{"log: event 5 of 5"}},
		{"log with two ends", func(log *[]tasklog.Event, _, _ *frames) {
			*log = append(*log, tasklog.Event{Seq: 7, JSON: (*log)[5].JSON})
		}, []string{"log: event 6 of 7"}},
		{"no log", func(log *[]tasklog.Event, first, second *frames) { *log, *first, *second = nil, nil, nil }, []string{"log: no event"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, sessions := history(t)
			tt.change(&log, &sessions[0].Frames, &sessions[1].Frames)
			checkComplaints(t, Check(log, sessions, nil), tt.want)
		})
	}
}

func TestCheckTasks(t *testing.T) {
	log, _ := history(t)
	asOf, err := fold(log, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range asOf {
		task = task[len(`{"task":`) : len(task)-1]
		checkComplaints(t, Check(log, nil, [][]byte{[]byte(task)}), nil)
		other := strings.Replace(task, `"x"`, `"w"`, 1)
		checkComplaints(t, Check(log, nil, [][]byte{[]byte(other)}), []string{"the task has never been " + other})
	}
}

func checkComplaints(t *testing.T, err error, want []string) {
	t.Helper()
	var got []string
	if err != nil {
		got = strings.Split(err.Error(), "\n")
	}
	if !slices.EqualFunc(got, want, strings.Contains) {
		t.Errorf("complaints:\n%s\nwant:\n%s", strings.Join(got, "\n"), fmt.Sprintf("%q", want))
	}
}
