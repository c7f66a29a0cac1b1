package dynamolog_test

import (
	"testing"
	"time"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestListFarOff lists tasks by times of more than 13 digits of milliseconds, of which the index
// has no more.
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
		got := 0
		err := l.List(t.Context(), f, test.after, func(tasklog.Position) bool { got++; return true })
		if err != nil || got != test.want {
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
