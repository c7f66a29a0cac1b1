package tasklogtest

import (
	"cmp"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// statusAt returns a status that the task got at a time.
func statusAt(h tasklog.Head, state a2a.TaskState, at time.Time) []tasklog.Entry {
	e := a2a.NewStatusUpdateEvent(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, state, nil)
	e.Status.Timestamp = &at
	return []tasklog.Entry{EntryOf(e)}
}

// testList lists the tasks of two owners and two tenants, of whom nobody sees those of another.
func testList(t *testing.T, s tasklog.Store) {
	mine := tasklog.Scope{Owner: rand.Text(), Tenant: "t"}
	others := []tasklog.Scope{{Owner: mine.Owner}, {Owner: rand.Text(), Tenant: "t"}, {Tenant: mine.Owner + "t"}}
	begin := time.Now().Truncate(time.Second)
	var want []tasklog.Position // newest first
	contexts := map[a2a.TaskID]string{}
	add := func(scope tasklog.Scope, at time.Time, state a2a.TaskState) tasklog.Position {
		h, _ := NewTask()
		h.Scope = scope
		h.ContextID = []string{"even" + mine.Owner, "odd" + mine.Owner}[len(want)%2]
		lease, err := s.Create(t.Context(), h, firstEvent(h, "hello"), by("w"))
		must(t, err, lease.Append(t.Context(), 2, statusAt(h, state, at)))
		lease.Close()
		contexts[h.ID] = h.ContextID
		return tasklog.Position{Time: at, ID: h.ID}
	}
	const n = 15
	for i := range n {
		state := a2a.TaskStateCompleted
		if i%3 == 0 {
			state = a2a.TaskStateWorking
		}
		want = append(want, add(mine, begin.Add(time.Duration(i/2)*15*time.Second), state)) // some at the same time
		for _, other := range others {
			add(other, begin.Add(time.Duration(i)*10*time.Second), state)
		}
	}
	expired, first := NewTask()
	expired.Scope, expired.Expires = mine, begin.Add(-time.Second)
	_, err := s.Create(t.Context(), expired, first, by("w"))
	must(t, err)

	working := func(p tasklog.Position) bool {
		return slices.IndexFunc(want, func(w tasklog.Position) bool { return w.ID == p.ID })%3 == 0
	}
	since := begin.Add(30 * time.Second) // the index may lag by some seconds, but not by fifteen
	for name, test := range map[string]struct {
		filter tasklog.Filter
		keep   func(tasklog.Position) bool
	}{
		"all":     {tasklog.Filter{}, func(tasklog.Position) bool { return true }},
		"state":   {tasklog.Filter{State: a2a.TaskStateWorking}, working},
		"since":   {tasklog.Filter{Since: since}, func(p tasklog.Position) bool { return !p.Time.Before(since) }},
		"context": {tasklog.Filter{ContextID: "odd" + mine.Owner}, func(p tasklog.Position) bool { return contexts[p.ID][0] == 'o' }},
		"several": {tasklog.Filter{ContextID: "even" + mine.Owner, State: a2a.TaskStateWorking, Since: since},
			func(p tasklog.Position) bool { return contexts[p.ID][0] == 'e' && working(p) && !p.Time.Before(since) }},
		"none": {tasklog.Filter{ContextID: "none"}, func(tasklog.Position) bool { return false }},
	} {
		test.filter.Scope = mine
		var expect []tasklog.Position
		for _, p := range want {
			if test.keep(p) {
				expect = append(expect, p)
			}
		}
		slices.SortFunc(expect, func(a, b tasklog.Position) int {
			return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID))
		})
		if got, err := s.Count(t.Context(), test.filter); err != nil || got != len(expect) {
			t.Errorf("%s: counted %d, %v; want %d", name, got, err, len(expect))
		}
		for _, page := range []int{1, 4, 100} {
			var got []tasklog.Position
			for after := (tasklog.Position{}); ; after = got[len(got)-1] {
				before := len(got)
				must(t, s.List(t.Context(), test.filter, after, func(p tasklog.Position) bool {
					got = append(got, p)
					return len(got)-before < page
				}))
				if len(got)-before < page {
					break
				}
			}
			if !slices.EqualFunc(got, expect, func(a, b tasklog.Position) bool { return a.ID == b.ID && a.Time.Equal(b.Time) }) {
				t.Errorf("%s, by %d: got %v, want %v", name, page, got, expect)
			}
		}
	}

	// A task that changes while the list is read moves to the front; all others are seen once.
	var got []tasklog.Position
	must(t, s.List(t.Context(), tasklog.Filter{Scope: mine}, tasklog.Position{}, func(p tasklog.Position) bool {
		got = append(got, p)
		return len(got) < 5
	}))
	moved := want[3] // not among them
	at := begin.Add(time.Hour)
	h := tasklog.Head{ID: moved.ID, ContextID: contexts[moved.ID]}
	lease := mustAcquire(t, s, moved.ID, by("x"))
	must(t, lease.Append(t.Context(), 3, statusAt(h, a2a.TaskStateCompleted, at)))
	lease.Close()
	must(t, s.List(t.Context(), tasklog.Filter{Scope: mine}, got[4], func(p tasklog.Position) bool {
		got = append(got, p)
		return true
	}))
	seen := map[a2a.TaskID]int{}
	for _, p := range got {
		seen[p.ID]++
	}
	for _, p := range want {
		if n := seen[p.ID]; n != 1 && p.ID != moved.ID || n > 1 {
			t.Errorf("task %s was seen %d times", p.ID, n)
		}
	}
	must(t, s.List(t.Context(), tasklog.Filter{Scope: mine}, tasklog.Position{}, func(p tasklog.Position) bool {
		if p.ID != moved.ID || !p.Time.Equal(at) {
			t.Errorf("the list begins with %v, want %s", p, moved.ID)
		}
		return false
	}))
}
