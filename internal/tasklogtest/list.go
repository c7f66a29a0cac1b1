package tasklogtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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

// All returns all tasks of a list, read page by page.
func All(ctx context.Context, x tasklog.Index, f tasklog.Filter) ([]tasklog.Position, error) {
	return all(ctx, x, f, tasklog.Position{}, 1000)
}

// all returns the tasks of a list after the position, page by page.
func all(
	ctx context.Context, x tasklog.Index, f tasklog.Filter, after tasklog.Position, limit int,
) (found []tasklog.Position, err error) {
	for {
		page, err := x.List(ctx, f, after, limit)
		if err != nil {
			return nil, err
		}
		if len(page.Found) > limit {
			return nil, fmt.Errorf("a page of %d has %d", limit, len(page.Found))
		}
		found = append(found, page.Found...)
		if !page.More {
			return found, nil
		}
		if page.Looked == after {
			return nil, fmt.Errorf("there is no way on from %v", after)
		}
		after = page.Looked
	}
}

// testList lists the tasks of two owners and two tenants. None sees the tasks of another.
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
		lease.Close(t.Context())
		contexts[h.ID] = h.ContextID
		return tasklog.Position{Time: at, ID: h.ID}
	}
	const n = 15
	for i := range n {
		state := a2a.TaskStateCompleted
		if i%3 == 0 {
			state = a2a.TaskStateWorking
		}
		want = append(want, add(mine, begin.Add(time.Duration(i/2)*15*time.Second), state)) // two each time
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
			got, err := all(t.Context(), s, test.filter, tasklog.Position{}, page)
			must(t, err)
			if !slices.EqualFunc(got, expect, func(a, b tasklog.Position) bool { return a.ID == b.ID && a.Time.Equal(b.Time) }) {
				t.Errorf("%s, by %d: got %v, want %v", name, page, got, expect)
			}
		}
	}

	// A task that changes while the list is read moves to the front; all others are seen once.
	begun, err := s.List(t.Context(), tasklog.Filter{Scope: mine}, tasklog.Position{}, 5)
	must(t, err)
	got := begun.Found
	if len(got) != 5 || !begun.More || begun.Looked != got[4] {
		t.Fatalf("the first page is %+v", begun)
	}
	moved := want[3] // not among them
	at := begin.Add(time.Hour)
	h := tasklog.Head{ID: moved.ID, ContextID: contexts[moved.ID]}
	lease := mustAcquire(t, s, moved.ID, by("x"))
	must(t, lease.Append(t.Context(), 3, statusAt(h, a2a.TaskStateCompleted, at)))
	lease.Close(t.Context())
	rest, err := all(t.Context(), s, tasklog.Filter{Scope: mine}, begun.Looked, 5)
	must(t, err)
	got = append(got, rest...)
	seen := map[a2a.TaskID]int{}
	for _, p := range got {
		seen[p.ID]++
	}
	for _, p := range want {
		if n := seen[p.ID]; n != 1 && p.ID != moved.ID || n > 1 {
			t.Errorf("task %s was seen %d times", p.ID, n)
		}
	}
	newest, err := s.List(t.Context(), tasklog.Filter{Scope: mine}, tasklog.Position{}, 1)
	must(t, err)
	if p := newest.Found[0]; p.ID != moved.ID || !p.Time.Equal(at) {
		t.Errorf("the list begins with %v, want %s", p, moved.ID)
	}
}

// testInContext finds the tasks of a context. Another context or scope does not have them.
func testInContext(t *testing.T, s tasklog.Store) {
	mine := tasklog.Scope{Owner: rand.Text(), Tenant: "t"}
	begin := time.Now().Truncate(time.Second)
	var want []a2a.TaskID // oldest first
	create := func(scope tasklog.Scope, contextID string, at time.Duration, writer string) tasklog.Head {
		h, _ := NewTask()
		h.Scope, h.ContextID, h.Begins = scope, contextID, at == 0
		e := firstEvent(h, "hello")
		e.Time = begin.Add(at)
		_, err := s.Create(t.Context(), h, e, by(writer))
		must(t, err)
		if got := mustLoad(t, s, h.ID).Head.Begins; got != h.Begins {
			t.Errorf("the context begins with the task: %t, want %t", got, h.Begins)
		}
		// None of these calls creates a second task.
		_, err = s.Create(t.Context(), h, e, by(writer))
		must(t, err)
		e.Time = e.Time.Add(time.Second / 2)
		for _, other := range []tasklog.Entry{e, firstEvent(h, "late")} {
			if _, err := s.Create(t.Context(), h, other, by("other")); !errors.Is(err, tasklog.ErrExists) {
				t.Fatalf("created twice: %v", err)
			}
		}
		return h
	}
	for i := range 5 {
		want = append(want, create(mine, "c", time.Duration(i)*time.Second, "w").ID)
		for _, other := range []tasklog.Scope{{Owner: mine.Owner}, {Owner: mine.Owner + "t"}, {Owner: rand.Text(), Tenant: "t"}} {
			create(other, "c", time.Duration(i)*time.Second, "w")
		}
		create(mine, "d", time.Duration(i)*time.Second, "w")
		create(tasklog.Scope{Owner: mine.Owner}, "tc", time.Duration(i)*time.Second, "w")
	}
	slices.Reverse(want)
	for _, limit := range []int{1, 3, 5, 100} {
		got, err := s.InContext(t.Context(), mine, "c", limit)
		must(t, err)
		if expect := want[:min(limit, len(want))]; !slices.Equal(got, expect) {
			t.Errorf("the last %d are %v, want %v", limit, got, expect)
		}
	}
	if got, err := s.InContext(t.Context(), mine, "none", 9); err != nil || len(got) > 0 {
		t.Errorf("a context without tasks has %v, %v", got, err)
	}
}
