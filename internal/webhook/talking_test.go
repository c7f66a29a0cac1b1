package webhook_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/push"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/internal/webhook"
)

// talking are the kinds of tasks that go on and on: with a chunk of an answer, or a message, of 1 KB
// in each event.
var talking = map[string]func(h tasklog.Head, i int) tasklog.Entry{
	"chunks": func(h tasklog.Head, i int) tasklog.Entry {
		a := &a2a.Artifact{ID: "answer", Parts: a2a.ContentParts{a2a.NewTextPart(strings.Repeat("word ", 200))}}
		return tasklogtest.EntryOf(&a2a.TaskArtifactUpdateEvent{TaskID: h.ID, ContextID: h.ContextID, Append: i > 0, Artifact: a})
	},
	"messages": func(h tasklog.Head, i int) tasklog.Entry {
		return tasklogtest.Status(h, a2a.TaskStateWorking, strings.Repeat("word ", 200))
	},
}

// discard is a webhook that reads all and says nothing.
type discard struct{ bytes int64 }

func (d *discard) RoundTrip(r *http.Request) (*http.Response, error) {
	n, err := io.Copy(io.Discard, r.Body)
	d.bytes += n
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}, err
}

// readCounter counts the bytes that are read from a log.
type readCounter struct {
	tasklog.Reader
	bytes int64
}

func (c *readCounter) Read(ctx context.Context, id a2a.TaskID, after int64, limit int) ([]tasklog.Event, bool, error) {
	events, more, err := c.Reader.Read(ctx, id, after, limit)
	for _, e := range events {
		c.bytes += int64(len(e.JSON))
	}
	return events, more, err
}

// deliverTalk delivers a task of so many events, with a wake-up for each of them. It returns how
// many bytes the deliverer allocates, posts, and reads from the log.
func deliverTalk(tb testing.TB, version string, events int, next func(h tasklog.Head, i int) tasklog.Entry) (allocated, posted, read int64) {
	tb.Helper()
	log, hook := new(memlog.Log), new(discard)
	reader := &readCounter{Reader: log}
	pushes := log.Pushes()
	d := webhook.New(webhook.Config{
		Log: reader, Store: pushes, Client: &http.Client{Transport: hook}, Logger: slog.New(slog.DiscardHandler),
		Invoke: func(context.Context, ...push.Ref) error { return nil },
	})
	h, first := tasklogtest.NewTask()
	lease, err := log.Create(tb.Context(), h, first, tasklog.Claim{Writer: "w", Push: true})
	if err != nil {
		tb.Fatal(err)
	}
	c := pushtest.NewConfig(h, "c", url)
	c.Version, c.After = version, 0
	if err := pushes.Put(tb.Context(), h, c); err != nil {
		tb.Fatal(err)
	}
	var before, after runtime.MemStats
	for i := range events {
		if err := lease.Append(tb.Context(), int64(i+2), []tasklog.Entry{next(h, i)}); err != nil {
			tb.Fatal(err)
		}
		runtime.ReadMemStats(&before)
		if err := d.Wake(tb.Context(), h.ID); err != nil {
			tb.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		allocated += int64(after.TotalAlloc - before.TotalAlloc)
	}
	return allocated, hook.bytes, reader.bytes
}

// TestTalkingCost delivers a task of 0.3 that goes on and on. What an event costs, in memory and in
// reads, does not grow with the task.
func TestTalkingCost(t *testing.T) {
	for name, next := range talking {
		const few, many = 100, 800
		allocated, _, read := deliverTalk(t, "0.3", few, next)
		allocatedMany, posted, readMany := deliverTalk(t, "0.3", many, next)
		t.Logf("%s: an event of %d allocates %d bytes and reads %d, one of %d allocates %d and reads %d, and posts %d",
			name, few, allocated/few, read/few, many, allocatedMany/many, readMany/many, posted/many)
		if allocatedMany > 2*allocated*many/few || readMany > 2*read*many/few {
			t.Errorf("%s: the cost of an event grows with the task", name)
		}
		if posted/many < 100_000 {
			t.Errorf("%s: a body has only %d bytes", name, posted/many)
		}
	}
}

// BenchmarkTalking delivers tasks of 1,000 events of 1 KB, with a wake-up for each of them: the bytes
// that an event allocates, posts, and reads from the log.
func BenchmarkTalking(b *testing.B) {
	for name, next := range talking {
		for _, version := range []string{"0.3", "1.0"} {
			b.Run(version+"/"+name, func(b *testing.B) {
				const events = 1000
				var allocated, posted, read int64
				for b.Loop() {
					a, p, r := deliverTalk(b, version, events, next)
					allocated, posted, read = allocated+a, posted+p, read+r
				}
				per := float64(events * b.N)
				b.ReportMetric(float64(allocated)/per, "allocated-B/event")
				b.ReportMetric(float64(posted)/per, "posted-B/event")
				b.ReportMetric(float64(read)/per, "read-B/event")
			})
		}
	}
}
