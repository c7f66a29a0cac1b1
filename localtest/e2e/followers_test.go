package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/server"
	"a2alambda/localtest/dynamodblocal"
)

// talker returns an agent that says something as often as a run appends, until the channel is closed.
func talker(end <-chan struct{}) a2asrv.AgentExecutor {
	return executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		first := a2a.NewArtifactEvent(ec, a2a.NewTextPart("token"))
		yield(first, nil)
		for tick := time.Tick(50 * time.Millisecond); ; {
			select {
			case <-end:
				yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
				return
			case <-tick:
			}
			yield(a2a.NewArtifactUpdateEvent(ec, first.Artifact.ID, a2a.NewTextPart(time.Now().Format(time.RFC3339Nano))), nil)
		}
	})
}

// begin sends a message, and returns the stream and the id of its task.
func begin(t *testing.T, s *server.Server, text string) (*server.Stream, a2a.TaskID) {
	t.Helper()
	stream, err := s.SendStreamingMessage(t.Context(), server.Caller{}, ask(text))
	if err != nil {
		t.Fatal(err)
	}
	var task struct{ Task struct{ ID a2a.TaskID } }
	if err := json.Unmarshal(stream.First.JSON, &task); err != nil {
		t.Fatal(err)
	}
	return stream, task.Task.ID
}

// followers has n clients of a server follow the task, and returns what waits until each has got so many events.
func followers(t *testing.T, s *server.Server, id a2a.TaskID, n int) (streams []*server.Stream) {
	t.Helper()
	for range n {
		stream, err := s.SubscribeToTask(t.Context(), server.Caller{}, &a2a.SubscribeToTaskRequest{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, stream)
	}
	return streams
}

// drain reads the stream in the background, until it ends. It returns a channel that is closed then.
func drain(t *testing.T, s *server.Stream) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer s.Close()
		for {
			if _, err := s.Next(t.Context()); err != nil {
				if !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				return
			}
		}
	}()
	return done
}

// TestPriceOfFollowers measures the followers of a task that talks: in another process than the run, one and fifty, and in the
// same one.
func TestPriceOfFollowers(t *testing.T) {
	for _, test := range []struct {
		name   string
		n      int
		same   bool    // they are in the process that runs the task
		budget float64 // read units a second, of all
	}{
		{"one", 1, false, 10},
		{"fifty", 50, false, 12},
		{"in the process of the run", 50, true, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, table := dynamodblocal.Table(t)
			var metered *dynamodb.Client
			metered, meter := dynamodblocal.NewMeter(client)
			end := make(chan struct{})
			runs := newServer(t, client, table, talker(end))
			reads := newServer(t, metered, table, nil)
			if test.same {
				runs = newServer(t, metered, table, talker(end))
				reads = runs
			}
			running, id := begin(t, runs, "talk")
			ended := []<-chan struct{}{drain(t, running)}
			for _, s := range followers(t, reads, id, test.n) {
				ended = append(ended, drain(t, s))
			}
			const over = 3 * time.Second
			meter.Reset()
			begun := time.Now()
			time.Sleep(over)
			u, d := meter.Units(), time.Since(begun).Seconds()
			close(end)
			for _, c := range ended {
				<-c
			}
			perSecond := u.Read / d
			t.Logf("%d followers: %d requests, %d of them writes, %.1f read units a second", test.n, u.Requests, u.Writes, perSecond)
			if perSecond > test.budget || perSecond < 0.5 {
				t.Errorf("%d followers cost %.1f read units a second, want %v at most, and 0.5 to be believed", test.n, perSecond, test.budget)
			}
		})
	}
}
