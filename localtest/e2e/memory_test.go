package e2e

import (
	"context"
	"errors"
	"io"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/hosttest"
	"a2alambda/internal/memory"
	"a2alambda/internal/server"
	"a2alambda/localtest"
	"a2alambda/localtest/dynamodblocal"
)

// watchMemory samples what the runtime has from the system, as long as f runs, and returns the most,
// garbage included. What was there before is given back first.
func watchMemory(f func()) (most uint64) {
	debug.FreeOSMemory()
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for tick := time.Tick(20 * time.Millisecond); ; {
			select {
			case <-done:
				return
			case <-tick:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.Sys-m.HeapReleased)
			}
		}
	}()
	f()
	close(done)
	<-over
	return most
}

// TestMemoryOfManyEvents holds a process to 64 MB: one that runs a task with 100,000 events and shows
// them to its client, one that follows it, and one that returns it. All is counted that the Go runtime
// has, and so what a process needs to begin with.
func TestMemoryOfManyEvents(t *testing.T) {
	memory.CollectEarly(false) // as the functions do
	t.Run("tokens", func(t *testing.T) {
		memoryOfManyEvents(t, func(ec *a2asrv.ExecutorContext) func() a2a.Event {
			var artifact a2a.ArtifactID
			return func() a2a.Event {
				if artifact == "" {
					first := a2a.NewArtifactEvent(ec, a2a.NewTextPart("word "))
					artifact = first.Artifact.ID
					return first
				}
				return a2a.NewArtifactUpdateEvent(ec, artifact, a2a.NewTextPart("word "))
			}
		}, func(task *a2a.Task) int { return len(task.Artifacts[0].Parts[0].Text()) / len("word ") })
	})
	t.Run("status messages", func(t *testing.T) {
		memoryOfManyEvents(t, func(ec *a2asrv.ExecutorContext) func() a2a.Event {
			return func() a2a.Event {
				m := a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart("word "))
				return a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, m)
			}
		}, func(task *a2a.Task) int { return len(task.History) - 1 })
	})
}

func memoryOfManyEvents(t *testing.T, events func(*a2asrv.ExecutorContext) func() a2a.Event, told func(*a2a.Task) int) {
	const n, most = 100_000, 64 << 20
	client, table := dynamodblocal.Table(t)
	s := newServer(t, client, table, hosttest.Executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		next := events(ec)
		for range n {
			yield(next(), nil)
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateInputRequired, nil), nil)
	}))
	check := func(what string, f func() int) {
		t.Helper()
		events := 0
		got := watchMemory(func() { events = f() })
		t.Logf("%s: %d MB at most", what, got>>20)
		if events != n+1 || got > most {
			t.Errorf("%s: %d MB at most, want %d; %d events or parts, want %d", what, got>>20, most>>20, events, n+1)
		}
	}
	var id a2a.TaskID
	check("a run with its client", func() int {
		stream, err := s.SendStreamingMessage(t.Context(), server.Caller{}, ask("talk"))
		localtest.Must(t, err)
		id = stream.Task.TaskID
		return readAll(t, stream)
	})
	check("a client that comes back", func() int {
		stream, err := s.SubscribeToTask(t.Context(), server.Caller{Seen: new(int64)}, &a2a.SubscribeToTaskRequest{ID: id})
		localtest.Must(t, err)
		defer stream.Close()
		events := 0
		for events < n+1 {
			some, err := stream.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			localtest.Must(t, err)
			events += len(some)
		}
		return events
	})
	check("GetTask", func() int {
		task, err := s.GetTask(t.Context(), server.Caller{}, &a2a.GetTaskRequest{ID: id})
		localtest.Must(t, err)
		return told(task) + 1
	})
}
