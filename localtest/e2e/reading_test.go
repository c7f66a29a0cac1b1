package e2e

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest/dynamodblocal"
)

// TestPriceOfReading measures each operation on a task that another process runs, or nobody.
func TestPriceOfReading(t *testing.T) {
	t.Parallel()
	client, table := dynamodblocal.Table(t)
	metered, meter := dynamodblocal.NewMeter(client)
	silent := hosttest.Executor(func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		if ec.Message.Parts[0].Text() == "ask" {
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateInputRequired, nil), nil)
			return
		}
		for range 4 {
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil)
		}
		<-ctx.Done()
	})
	var asked atomic.Int64
	counted := tasklog.Hooked(dynamolog.New(metered, table), tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
		if op.Name == "AskedOf" {
			asked.Add(1)
		}
		return nil
	}})
	runs, reads := newServer(t, client, table, silent), newServerOn(t, counted, silent)
	caller := server.Caller{}
	seen := func(n int64) server.Caller { return server.Caller{Seen: &n} }

	m := ask("talk")
	running, err := runs.SendStreamingMessage(t.Context(), caller, m)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 4; {
		events, err := running.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n += len(events)
	}
	id := running.Task.TaskID
	subscribe := func(c server.Caller) (*server.Stream, error) {
		return reads.SubscribeToTask(t.Context(), c, &a2a.SubscribeToTaskRequest{ID: id})
	}
	again := func(c server.Caller) (*server.Stream, error) {
		m := *m.Message
		return reads.SendStreamingMessage(t.Context(), c, &a2a.SendMessageRequest{Message: &m})
	}
	waiting, err := runs.SendMessage(t.Context(), caller, ask("ask"))
	if err != nil {
		t.Fatal(err)
	}
	ended := ask("ask")
	if _, err := runs.SendMessage(t.Context(), caller, ended); err != nil {
		t.Fatal(err)
	}
	if _, err := reads.GetTask(t.Context(), caller, &a2a.GetTaskRequest{ID: id}); err != nil { // reads the secret, once
		t.Fatal(err)
	}

	// first reads the first frame of a stream, and that many events after it.
	first := func(open func(server.Caller) (*server.Stream, error), c server.Caller, more int) func() error {
		return func() error {
			s, err := open(c)
			if err != nil {
				return err
			}
			defer s.Close()
			for n := 0; n < more; {
				events, err := s.Next(t.Context())
				if err != nil {
					return err
				}
				n += len(events)
			}
			return nil
		}
	}
	for _, test := range []struct {
		name   string
		do     func() error
		budget float64 // read units
	}{
		{"GetTask", func() error {
			_, err := reads.GetTask(t.Context(), caller, &a2a.GetTaskRequest{ID: id})
			return err
		}, 1},
		{"SubscribeToTask", first(subscribe, caller, 0), 2},
		{"SubscribeToTask with the last id", first(subscribe, seen(5), 0), 2},
		{"SubscribeToTask with the id before it", first(subscribe, seen(4), 1), 2},
		{"SubscribeToTask with the first id", first(subscribe, seen(1), 4), 2},
		{"a message sent again", first(again, caller, 4), 5},
		{"a message sent again with the last id", first(again, seen(5), 0), 3},
		{"a message sent again with the id before it", first(again, seen(4), 1), 4},
		{"a message sent again whose turn has ended", func() error {
			m := *ended.Message
			_, err := reads.SendMessage(t.Context(), caller, &a2a.SendMessageRequest{Message: &m})
			return err
		}, 2},
		{"CancelTask of a task that waits", func() error {
			_, err := reads.CancelTask(t.Context(), caller, &a2a.CancelTaskRequest{ID: waiting.ID})
			return err
		}, 2},
		{"CancelTask of a running task", func() error {
			_, err := reads.CancelTask(t.Context(), caller, &a2a.CancelTaskRequest{ID: id})
			return err
		}, 6},
	} {
		meter.Reset()
		asked.Store(0)
		begun := time.Now()
		if err := test.do(); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		u := meter.Units()
		t.Logf("%s: %d requests, %v read units, %v write units, in %v", test.name, u.Requests, u.Read, u.Write, time.Since(begun).Round(time.Millisecond))
		// While it runs a task, a process asks again and again what others want of it, as often as the machine is slow.
		read := u.Read - 0.5*float64(asked.Load())
		if read > test.budget || read < 0.5 {
			t.Errorf("%s cost %v read units, want %v at most, and 0.5 to be believed", test.name, read, test.budget)
		}
	}
	running.Close()
}
