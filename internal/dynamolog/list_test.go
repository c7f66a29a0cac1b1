package dynamolog_test

import (
	"testing"
	"time"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestListFarOff lists tasks by times with more than the 13 digits of milliseconds that the index
// has.
func TestListFarOff(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	h, first := tasklogtest.NewTask()
	if _, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w"}); err != nil {
		t.Fatal(err)
	}
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, test := range []struct {
		since time.Time
		after tasklog.Position
		want  int
	}{
		{want: 1},
		{after: tasklog.Position{Time: last, ID: "x"}, want: 1},
		{since: time.Date(2286, 11, 20, 17, 46, 39, 999e6, time.UTC)}, // which still has 13
		{since: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)},
		{since: last},
		{since: last, after: tasklog.Position{Time: last, ID: "x"}},
	} {
		f := tasklog.Filter{Scope: h.Scope, Since: test.since}
		page, err := l.List(t.Context(), f, test.after, 9)
		if got := len(page.Found); err != nil || got != test.want || page.More {
			t.Errorf("since %v, after %v: %d tasks, %v; want %d", test.since, test.after, got, err, test.want)
		}
		if test.after.ID != "" {
			continue
		}
		if n, err := l.Count(t.Context(), f); err != nil || n != test.want {
			t.Errorf("since %v: counted %d, %v; want %d", test.since, n, err, test.want)
		}
	}
}

// TestListBounded reads lists whose pages each examine few tasks. All tasks are found, once and in
// order; the count has those that were examined.
func TestListBounded(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	for name, keys := range map[string]int{"o": 4, "": 16} {
		o := &owner{client, table, tasklog.Scope{Owner: name}, keys}
		now := time.Now().Truncate(time.Second)
		o.fill(t, "many", 99, now)
		o.fill(t, "rare", 2, now.Add(-30*time.Second))
		l := dynamolog.New(client, table)
		l.SetExamined(32)
		for contextID, want := range map[string]int{"": 103, "many": 100, "rare": 3} {
			f := tasklog.Filter{Scope: o.scope, ContextID: contextID}
			var found []tasklog.Position
			pages, after := 0, tasklog.Position{}
			for more := true; more; pages++ {
				page, err := l.List(t.Context(), f, after, 7)
				must(t, err)
				found, after, more = append(found, page.Found...), page.Looked, page.More
			}
			if len(found) != want || pages < 103/32 {
				t.Errorf("owner %q, context %q: %d tasks on %d pages, want %d", name, contextID, len(found), pages, want)
			}
			for i := range found[1:] {
				if a, b := found[i], found[i+1]; a.Time.Before(b.Time) || a.ID == b.ID {
					t.Errorf("%v is before %v", a, b)
				}
			}
		}
		if n, err := l.Count(t.Context(), tasklog.Filter{Scope: o.scope}); n != 32 || err != nil {
			t.Errorf("counted %d, %v; want 32, of which it counts", n, err)
		}
	}
}
