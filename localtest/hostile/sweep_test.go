package hostile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/stack"
)

// swept has the log lines of sweeps.
type swept struct {
	mu    sync.Mutex
	lines []map[string]any
	rest  []byte
}

func (s *swept) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, p...)
	for {
		line, rest, whole := bytes.Cut(s.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		s.rest = rest
		var fields map[string]any
		if json.Unmarshal(line, &fields) == nil && fields["message"] == "sweep" {
			s.lines = append(s.lines, fields)
		}
	}
}

func (s *swept) sum(field string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.lines {
		f, _ := line[field].(float64)
		n += int(f)
	}
	return n
}

// TestSweepMany has the sweeper meet 20,000 due tasks, with the memory and the minute of a
// deployment. The youngest are orphaned. There are more of these than a sweep may ask for, and some
// have large messages. Three sweeps look at all tasks, and ask for a worker for each orphaned one
// once. On a slow machine, where a sweep ends early, or asks again after half a minute in which no
// worker has come, there are more of them.
func TestSweepMany(t *testing.T) {
	const healthy, small, large = 15_000, 4_900, 100
	const orphans = small + large
	db, table := dynamodblocal.Table(t)
	l := dynamolog.New(db, table)
	h, first := tasklogtest.NewTask()
	lease, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(-time.Hour)})
	if err == nil {
		_, err = lease.Renew(t.Context(), time.Now().Add(time.Hour))
	}
	if err != nil {
		t.Fatal(err)
	}
	var items []dynamodblocal.Item
	for _, sk := range []string{"H", "L"} {
		it, err := dynamodblocal.Read(t.Context(), db, table, string(h.ID), sk)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, it)
	}
	now := time.Now()
	if err := lease.Append(t.Context(), 2, []tasklog.Entry{tasklogtest.Status(h, a2a.TaskStateCompleted, "")}); err != nil {
		t.Fatal(err)
	}
	lease.Close(t.Context())
	if _, err := dynamodblocal.Tasks(t.Context(), db, table, healthy, items, nil); err != nil {
		t.Fatal(err)
	}
	ids, err := dynamodblocal.Tasks(t.Context(), db, table, small, items[:1], func(n int, it dynamodblocal.Item) {
		it["cr"] = dynamodblocal.Number(now.Unix() - 60 + int64(n)/100)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range large { // half of them larger than the sweeper loads
		h, _ := tasklogtest.NewTask()
		m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(strings.Repeat("text ", 250_000*(1+i%2*12))))
		first := tasklogtest.EntryOf(a2a.NewSubmittedTask(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, m))
		_, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: now.Add(-time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, string(h.ID))
	}

	binary, err := emulator.Build(t.Context(), "a2alambda/functions/sweeper")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	asks, asked, soon, lines := 0, map[string]time.Time{}, 0, new(swept)
	c := stack.Config{Table: table, NoStream: true}
	c.Sweeper = emulator.Config{Binary: binary, Limits: emulator.MemoryLimit, Timeout: time.Minute, Log: lines, NoRetries: true}
	c.Invoke.Deliver = func(e emulator.Event) int {
		var job struct{ TaskID string }
		if e.Function == "worker" && json.Unmarshal(e.Payload, &job) == nil {
			mu.Lock()
			defer mu.Unlock()
			if last, again := asked[job.TaskID]; again && time.Since(last) < 25*time.Second { // the wait may be half a minute, less what the first one took
				soon++
			}
			asks, asked[job.TaskID] = asks+1, time.Now()
		}
		return 0
	}
	s, _ := stack.New(t, c)
	slow := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(asked) < orphans && (lines.sum("behind") > 0 || asks > len(asked))
	}
	for n := 0; n < 3 || n < 20 && slow(); n++ {
		if err := s.Invoke.Call("sweeper", []byte("{}")); err != nil {
			t.Error(err)
		}
	}
	lines.mu.Lock()
	for _, line := range lines.lines {
		t.Log(fmt.Sprint(line))
	}
	lines.mu.Unlock()
	t.Logf("peak: %d MB", s.Sweeper.Peak()>>20)
	if n := s.Sweeper.Killed(); n > 0 {
		t.Errorf("the kernel has killed %d sweepers", n)
	}
	if n := lines.sum("running"); n < healthy+orphans {
		t.Errorf("%d looks, want %d at least", n, healthy+orphans)
	}
	mu.Lock()
	defer mu.Unlock()
	if n := lines.sum("asked"); n != asks || len(asked) != orphans || soon > 0 {
		t.Errorf("asked for %d workers by the log, for %d by what was sent, for %d tasks, want %d; for %d too soon after the last", n, asks, len(asked), orphans, soon)
	}
	for _, id := range ids {
		if asked[id].IsZero() {
			t.Fatalf("task %s was not asked for", id)
		}
	}
}
