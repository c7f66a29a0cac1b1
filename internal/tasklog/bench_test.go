package tasklog_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// typical has the kinds of events that most streams consist of.
func typical(h tasklog.Head) map[string]a2a.Event {
	info := a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}
	return map[string]a2a.Event{
		"status":   a2a.NewStatusUpdateEvent(info, working, a2a.NewMessageForTask(a2a.MessageRoleAgent, info, a2a.NewTextPart("Working on step 1"))),
		"artifact": a2a.NewArtifactUpdateEvent(info, a2a.NewArtifactID(), a2a.NewTextPart("token")),
	}
}

func encode(tb testing.TB, e a2a.Event) []byte {
	data, err := tasklog.Encode(e)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// statuses returns n events of a log, from number 1 on. The first is the task.
func statuses(n int) (tasklog.Head, []tasklog.Event) {
	h, first := tasklogtest.NewTask()
	events := []tasklog.Event{{Seq: 1, JSON: first.JSON}}
	for i := range n - 1 {
		events = append(events, tasklog.Event{Seq: int64(i) + 2, JSON: tasklogtest.Status(h, working, "step "+strconv.Itoa(i)).JSON})
	}
	return h, events
}

// fold computes the task from the events.
func fold(tb testing.TB, events []tasklog.Event) {
	f := tasklog.NewFold(nil, 0)
	for _, e := range events {
		f.Add(e)
	}
	if _, err := f.Task(); err != nil {
		tb.Fatal(err)
	}
}

// appendAll passes the events after the first on as a run in memory does: into the log, to the fold
// and to a client.
func appendAll(tb testing.TB, h tasklog.Head, events []tasklog.Event) {
	l := new(memlog.Log)
	lease, f := create(tb, l, h, tasklog.Entry{JSON: events[0].JSON})
	tap := tasklog.NewTap(tb.Context(), l, h.ID, 1)
	a := tasklog.NewAppender(tb.Context(), tasklog.AppenderConfig{Lease: lease, Fold: f, Appended: tap.Publish})
	for _, e := range events[1:] {
		if err := a.Add(tasklog.Entry{JSON: e.JSON, State: working}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		tb.Fatal(err)
	}
	got, err := tap.Next(tb.Context())
	if err != nil {
		tb.Fatalf("the client got %d events, %v", len(got), err)
	}
}

func BenchmarkEncode(b *testing.B) {
	h, _ := tasklogtest.NewTask()
	for name, e := range typical(h) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				encode(b, e)
			}
		})
	}
}

func BenchmarkFold(b *testing.B) {
	for _, n := range []int{10, 1000} {
		_, events := statuses(n)
		b.Run(fmt.Sprint("events=", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fold(b, events)
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{10, 1000} {
		h, events := statuses(n)
		b.Run(fmt.Sprint("events=", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				appendAll(b, h, events)
			}
		})
	}
}
