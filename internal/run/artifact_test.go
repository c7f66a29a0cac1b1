package run_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

// chunk returns a chunk as the SDK's constructor makes it: one that is appended.
func chunk(ec *a2asrv.ExecutorContext, id a2a.ArtifactID) *a2a.TaskArtifactUpdateEvent {
	return a2a.NewArtifactUpdateEvent(ec, id, a2a.NewTextPart("text"))
}

// chunker appends chunks until its time is up, and goes on when it is resumed.
type chunker struct{}

func (chunker) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		for _, e := range []a2a.Event{chunk(ec, "a"), chunk(ec, "a"), chunk(ec, "b"), chunk(ec, "a")} {
			if !yield(e, nil) {
				return
			}
		}
		<-ctx.Done()
	}
}

func (chunker) Resume(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		replaced := chunk(ec, "a")
		replaced.Append = false
		whole := &a2a.Task{ID: ec.TaskID, ContextID: ec.ContextID, Status: a2a.TaskStatus{State: a2a.TaskStateWorking}}
		whole.Artifacts = []*a2a.Artifact{chunk(ec, "d").Artifact}
		for _, e := range []a2a.Event{
			chunk(ec, "b"), chunk(ec, "c"), chunk(ec, "c"), replaced, chunk(ec, "a"),
			whole, chunk(ec, "d"), chunk(ec, "a"), chunk(ec, "a"), status(ec, a2a.TaskStateInputRequired),
		} {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (chunker) Cancel(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		_ = yield(chunk(ec, "a"), nil) && yield(chunk(ec, "last words"), nil)
	}
}

// TestFirstChunk checks that no artifact's first chunk says that it is appended, whoever makes it,
// also after a run that was cut off, and that all others are as their executor has made them.
func TestFirstChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		first, h := start(t, ctx, l, new(bytes.Buffer), chunker{})
		if err := first.Wait(); err != nil {
			t.Fatal(err)
		}
		var shown []string
		for len(shown) < 4 {
			events, err := first.Tap.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			shown = append(shown, chunks(t, events)...)
		}
		r := runner(l, io.Discard, chunker{})
		if err := r.Work(t.Context(), h.ID); err != nil {
			t.Fatal(err)
		}
		snapshot, err := l.Load(t.Context(), h.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Cancel(t.Context(), snapshot); err != nil {
			t.Fatal(err)
		}
		events, _, err := l.Read(t.Context(), h.ID, 1, 1000)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"a", "a append", "b", "a append", // and then it is resumed
			"b append", "c", "c append", "a", "a append",
			"d append", "a", "a append", // after a task that has d alone
			"a append", "last words",
		}
		if got := chunks(t, events); !slices.Equal(got, want) {
			t.Errorf("in the log: %q\nwant %q", got, want)
		}
		if !slices.Equal(shown, want[:4]) {
			t.Errorf("shown: %q", shown)
		}
	})
}

// chunks returns the artifacts of the events that are chunks, and whether they are appended.
func chunks(t *testing.T, events []tasklog.Event) (lines []string) {
	t.Helper()
	for _, e := range events {
		event, err := tasklog.Decode(e.JSON)
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := event.(*a2a.TaskArtifactUpdateEvent); ok {
			line := fmt.Sprint(e.Artifact.ID)
			if e.Append {
				line += " append"
			}
			lines = append(lines, line)
		}
	}
	return lines
}
