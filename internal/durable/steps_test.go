package durable_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/tasklog"
)

func stepsOf(entries ...string) *durable.Steps {
	s := new(durable.Steps)
	for i, e := range entries {
		s.Add(tasklog.Step{Place: int64(i) + 1, JSON: []byte(e)})
	}
	return s
}

// TestSteps says how steps stand, by their last entries and by what else is known of the task.
func TestSteps(t *testing.T) {
	const (
		began     = `{"k":"began","y":"once","n":"a","t":1,"a":1}`
		opened    = `{"k":"done","y":"callback","n":"c","t":1,"r":{"due":9000,"base":"http://x/"}}`
		delivered = `{"k":"done","y":"callback","n":"c/wait","t":5000,"r":{"Body":"","ContentType":"","Time":"2026-01-01T00:00:00Z"}}`
		parked    = `{"k":"parked","t":1,"u":3,"x":{"step":"a","expected":"b","got":"c"}}`
		done      = `{"k":"done","y":"do","n":"a","t":1,"a":1,"r":1,"s":5}`
	)
	working := durable.Now{State: a2a.TaskStateWorking}
	held := durable.Now{State: a2a.TaskStateWorking, Held: true}
	failed := durable.Now{State: a2a.TaskStateFailed}
	last := func(now durable.Now, seq int64, owner string) durable.Now {
		now.Last = &tasklog.Event{Seq: seq, Owner: owner}
		return now
	}
	for _, test := range []struct {
		now     durable.Now
		want    string // "name type state attempts due in ms, …"
		entries []string
	}{
		{held, "a once running 1 0", []string{began}},
		{working, "a once interrupted 1 0", []string{began}}, // the next run will say so
		{failed, "a once interrupted 1 0", []string{began}},
		{working, "a do waiting 2 0", []string{`{"k":"began","y":"do","n":"a","t":1,"a":2}`}},
		{working, "a do waiting 2 0", []string{`{"k":"cut","y":"do","n":"a","t":1,"a":2}`}},
		{working, "a do waiting 2 9", []string{`{"k":"tried","y":"do","n":"a","t":1,"a":2,"u":9,"e":{"x":"busy"}}`}},
		{failed, "a do canceled 2 0", []string{`{"k":"tried","y":"do","n":"a","t":1,"a":2,"u":9,"e":{"x":"busy"}}`}},
		{working, "a sleep waiting 0 9", []string{`{"k":"waits","y":"sleep","n":"a","t":1,"u":9}`}},
		{working, "a call waiting 0 0", []string{`{"k":"noted","y":"call","n":"a","t":1,"m":{}}`}},
		{working, "a ask canceled 0 0", []string{`{"k":"canceled","y":"ask","n":"a","t":1,"u":3}`}},
		{working, "a once interrupted 1 0", []string{began, `{"k":"failed","y":"once","n":"a","t":1,"e":{"x":"no","c":"interrupted"}}`}},
		{working, "a do waiting 1 0", []string{`{"k":"failed","y":"do","n":"a","t":1,"a":1,"e":{"x":"no"}}`, `{"k":"again","y":"do","n":"a","t":1,"a":1,"o":"ann"}`}},
		{working, "c callback waiting 0 9000", []string{opened}},
		{working, "c callback done 0 0", []string{opened, delivered}},
		{working, "c callback done 0 0", []string{delivered}}, // the rest is on another page
		{working, "a  parked 0 3", []string{parked}},
		{working, "a do parked 1 3", []string{done, parked, `{"k":"operated","t":1,"m":"wake","o":"ann"}`}},
		{working, "a do done 1 0", []string{parked, done}},
		{failed, "", []string{parked}},
		{last(held, 6, "b#2"), "a do done 1 0, b  running 2 0", []string{done}},
		{last(held, 5, "b#2"), "a do done 1 0", []string{done}}, // b may be on another page
		{last(held, 6, "a#1"), "a do done 1 0", []string{done}},
		{last(held, 6, ":"), "a do done 1 0", []string{done}},
		{last(working, 6, "b#2"), "a do done 1 0", []string{done}},
		{last(durable.Now{State: a2a.TaskStateInputRequired}, 6, "b#1"), "a do done 1 0, b ask waiting 0 0", []string{done}},
	} {
		var got []string
		for _, i := range stepsOf(test.entries...).At(test.now, 0) {
			due := int64(0)
			if !i.Due.IsZero() {
				due = i.Due.UnixMilli()
			}
			got = append(got, fmt.Sprint(i.Name, " ", i.Type, " ", i.State, " ", i.Attempts, " ", due))
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%s, %+v: %q, want %q", test.entries, test.now, got, test.want)
		}
	}
	s := stepsOf(`{"k":"new","t":1}`, `x`, done)
	if s.Unreadable != 2 || s.Last != 3 || len(s.At(working, 0)) != 1 {
		t.Errorf("entries that cannot be read: %+v", s)
	}
}

// FuzzSteps: whatever is in a journal, its steps can be listed.
func FuzzSteps(f *testing.F) {
	f.Add(strings.Join(entries, "\n"), "a#1")
	for _, e := range entries {
		f.Add(e, ":")
	}
	f.Fuzz(func(t *testing.T, journal, owner string) {
		lines := strings.Split(journal, "\n")
		for _, state := range []a2a.TaskState{a2a.TaskStateWorking, a2a.TaskStateInputRequired, a2a.TaskStateFailed} {
			s := stepsOf(lines...)
			now := durable.Now{State: state, Held: len(owner)%2 == 0, Last: &tasklog.Event{Seq: 7, Owner: owner}}
			infos := s.At(now, int64(len(owner)))
			if len(infos) > len(lines)+2 {
				t.Errorf("%d entries have %d steps", len(lines), len(infos))
			}
			for _, i := range infos {
				if i.State == "" || i.Name == "" && s.Parked == nil {
					t.Errorf("a step is %+v", i)
				}
				if _, _, ok := s.Find(i.Name); !ok && i.Place > 0 {
					t.Errorf("the step %q is not found", i.Name)
				}
			}
		}
	})
}
