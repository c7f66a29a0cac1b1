package dynamolog_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
)

// isDue reports whether a look at the task is due at a time.
func isDue(t *testing.T, l *dynamolog.Log, id a2a.TaskID, by time.Time) bool {
	t.Helper()
	looks, err := tasklogtest.Due(t.Context(), l, by, 10)
	must(t, err)
	return slices.ContainsFunc(looks, func(l tasklog.Look) bool { return l.ID == id })
}

// TestFresh finds new tasks that have not ended, once they are due, whoever looks, and however often.
func TestFresh(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	now := time.Now()
	claim := func(until time.Time) tasklog.Claim { return tasklog.Claim{Writer: "w", Until: until} }
	made := func(until time.Time, states ...a2a.TaskState) a2a.TaskID {
		t.Helper()
		h, first := tasklogtest.NewTask()
		lease, err := l.Create(t.Context(), h, first, claim(until))
		must(t, err)
		for i, s := range states {
			must(t, lease.Append(t.Context(), int64(i)+2, in(h, s)))
		}
		lease.Close(t.Context())
		return h.ID
	}
	crashed := made(now.Add(-time.Second))
	later := made(now.Add(10*time.Minute), a2a.TaskStateWorking)
	ended := made(now.Add(-time.Second), a2a.TaskStateWorking, a2a.TaskStateCompleted)
	waits := made(now.Add(-time.Second), a2a.TaskStateInputRequired)
	behind := made(now.Add(-time.Minute)) // by a clock that is a minute behind
	for i := range 2 {
		for name, log := range map[string]*dynamolog.Log{"the same process": l, "another one": dynamolog.New(client, table)} {
			for id, due := range map[a2a.TaskID]bool{crashed: true, later: false, ended: false, waits: false, behind: true} {
				if got := isDue(t, log, id, time.Now()); got != due {
					t.Errorf("%s, look %d: task %s is due: %t", name, i, id, got)
				}
			}
		}
	}
	if !isDue(t, l, later, now.Add(11*time.Minute)) || isDue(t, l, later, now.Add(9*time.Minute)) {
		t.Error("a task is not due when its lease has ended")
	}
	// One that comes after a sweep, by a clock that is behind, is found as well.
	if late := made(time.Now().Add(-time.Minute)); !isDue(t, dynamolog.New(client, table), late, time.Now()) {
		t.Error("a task is not due whose creator's clock is behind")
	}
	// So is one whose creator died before it had created the task, and came again.
	h, first := tasklogtest.NewTask()
	w := &wedge{at: 3, do: func(context.Context) error { return errDied }} // after the items before the head
	w.set.Store(true)
	if _, err := dynamolog.New(w.client(client), table).Create(t.Context(), h, first, claim(now)); err == nil || !w.reached.Load() {
		t.Fatalf("creating: %v", err)
	}
	if isDue(t, l, h.ID, time.Now()) {
		t.Error("a task is due that does not exist")
	}
	_, err := l.Create(t.Context(), h, first, claim(now))
	must(t, err)
	if !isDue(t, dynamolog.New(client, table), h.ID, time.Now()) {
		t.Error("a task is not due that was created at the second try")
	}
}

// TestFreshCost holds what new tasks cost a sweep to its price: an ended one some half read unit each
// time, for as long as clocks may differ, and then nothing.
func TestFreshCost(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	sweep := func() dynamodblocal.Units {
		t.Helper()
		cost.Reset()
		report, err := newSweeper(client, table).Sweep(t.Context())
		if must(t, err); report.Looked != 0 {
			t.Errorf("%+v", report)
		}
		return cost.Units()
	}
	none := sweep()
	l := dynamolog.New(client, table)
	const n = 100
	create := func(until time.Time) {
		for range n {
			h, first := tasklogtest.NewTask()
			lease, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: until})
			must(t, err, lease.Append(t.Context(), 2, in(h, a2a.TaskStateCompleted)))
			lease.Close(t.Context())
		}
	}
	create(time.Now().Add(-10 * time.Second))
	for range 2 {
		u := sweep()
		each := (u.Read - none.Read) / n
		t.Logf("%d that have ended: %+v, %.3f read units each", n, u, each)
		if each > 0.6 || each < 0.5 || u.Write > 0 {
			t.Errorf("a new task that has ended costs a sweep %.3f read units, want 0.6 at most; and %v write units, want none", each, u.Write)
		}
	}
	create(time.Now().Add(-11 * time.Minute))
	if u := sweep(); u.Write < 1 || u.Write > tasklog.Shards { // it moves the marks
		t.Errorf("with as many that are long over: %+v", u)
	}
	if u := sweep(); u.Read > none.Read+0.6*n || u.Write > 0 {
		t.Errorf("again: %+v", u)
	}
}

// TestContextOf finds the task that a context began with by the context's id alone, and only for its
// owner.
func TestContextOf(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	mine := tasklog.Scope{Owner: "o", Tenant: "t"}
	h, first := tasklogtest.NewTask()
	h.Scope, h.ContextID, h.Begins = mine, tasklog.ContextOf(h.ID), true
	_, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Minute)})
	must(t, err)
	if u := cost.Units(); u.Write != 3 {
		t.Errorf("it cost %v write units, want 3", u.Write)
	}
	want := []a2a.TaskID{h.ID}
	for range 2 {
		for scope, want := range map[tasklog.Scope][]a2a.TaskID{mine: want, {Owner: "o"}: nil, {Owner: "other", Tenant: "t"}: nil, {}: nil} {
			got, err := l.InContext(t.Context(), scope, h.ContextID, 9)
			if must(t, err); !slices.Equal(got, want) {
				t.Errorf("%+v finds %v, want %v", scope, got, want)
			}
		}
		next, first := tasklogtest.NewTask()
		next.Scope, next.ContextID = mine, h.ContextID
		first.Time = time.Now()
		_, err := l.Create(t.Context(), next, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Minute)})
		must(t, err)
		want = slices.Insert(want, 0, next.ID)
	}
	if got, err := l.InContext(t.Context(), mine, h.ContextID, 1); err != nil || len(got) != 1 || got[0] == h.ID {
		t.Errorf("the last one is %v, %v", got, err)
	}
}
