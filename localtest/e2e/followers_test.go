package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/hosttest"
	"a2alambda/internal/server"
	"a2alambda/localtest/dynamodblocal"
)

// talker returns an agent that talks as often as a run appends, until the channel is closed.
func talker(end <-chan struct{}) a2asrv.AgentExecutor {
	return hosttest.Executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
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
	return stream, stream.Task.TaskID
}

// followers has n clients of a server follow the task.
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

// drain reads the stream of a talker in the background. When the stream has ended, the channel gets
// the delay of each event since the agent said it.
func drain(t *testing.T, s *server.Stream) <-chan []time.Duration {
	done := make(chan []time.Duration, 1)
	go func() {
		var lags []time.Duration
		defer func() { done <- lags }()
		defer s.Close()
		for {
			events, err := s.Next(t.Context())
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				return
			}
			for _, e := range events {
				var update struct {
					ArtifactUpdate struct {
						Artifact struct{ Parts []struct{ Text string } }
					}
				}
				if err := json.Unmarshal(e.JSON, &update); err != nil {
					t.Error(err)
				}
				for _, p := range update.ArtifactUpdate.Artifact.Parts {
					if said, err := time.Parse(time.RFC3339Nano, p.Text); err == nil {
						lags = append(lags, time.Since(said))
					}
				}
			}
		}
	}()
	return done
}

// TestPriceOfFollowers measures followers of a task that talks: one and two hundred in another process
// than the run, and two hundred in the same one. Those of another process have one seat, for one write
// unit; the process of the run needs none, and reads only what others want of the run.
func TestPriceOfFollowers(t *testing.T) {
	for _, test := range []struct {
		name   string
		n      int
		same   bool    // the followers are in the process of the run
		budget float64 // read units a second, of all followers together
	}{
		{"one", 1, false, 8},
		{"two hundred", 200, false, 8},
		{"in the process of the run", 200, true, 2.5},
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
			first := drain(t, running)
			var ended []<-chan []time.Duration
			for _, s := range followers(t, reads, id, test.n) {
				ended = append(ended, drain(t, s))
			}
			const over = 3 * time.Second
			meter.Reset()
			begun := time.Now()
			time.Sleep(over)
			u, d := meter.Units(), time.Since(begun).Seconds()
			close(end)
			var lags []time.Duration
			for _, c := range append(ended, first) {
				of := <-c
				if len(of) < 20 {
					t.Errorf("a follower got %d events", len(of))
				}
				if c != first {
					lags = append(lags, of...)
				}
			}
			slices.Sort(lags)
			perSecond := u.Read / d
			t.Logf("%d followers: %d requests, %d of them writes, %.1f read units a second; events came %v late, and %v at most", test.n,
				u.Requests, u.Writes, perSecond, lags[len(lags)/2].Round(time.Millisecond), lags[len(lags)-1].Round(time.Millisecond))
			if perSecond > test.budget || perSecond < 0.5 {
				t.Errorf("%d followers cost %.1f read units a second, want %v at most, and 0.5 to be believed", test.n, perSecond, test.budget)
			}
			if !test.same && u.Write > 1 {
				t.Errorf("%d followers cost %v write units, want one", test.n, u.Write)
			}
		})
	}
}

// TestPriceOfAsking measures the reads of silent runs: their process asks what others want of them, as
// often for many as for one.
func TestPriceOfAsking(t *testing.T) {
	for _, runs := range []int{1, 200} {
		client, table := dynamodblocal.Table(t)
		client, meter := dynamodblocal.NewMeter(client)
		end := make(chan struct{})
		s := newServer(t, client, table, hosttest.Executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			<-end
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
		}))
		var streams []*server.Stream
		for range runs {
			stream, _ := begin(t, s, "wait")
			streams = append(streams, stream)
		}
		meter.Reset()
		begun := time.Now()
		time.Sleep(3 * time.Second)
		u, d := meter.Units(), time.Since(begun).Seconds()
		close(end)
		for _, stream := range streams {
			readAll(t, stream)
		}
		requests, read := float64(u.Requests-u.Writes)/d, u.Read/d
		t.Logf("%d runs: %.1f reads a second, and %.1f read units", runs, requests, read)
		if requests < 1 || requests > 4 || read < 0.5 || read > 2 {
			t.Errorf("%d runs: %.1f reads a second, and %.1f read units, want some 3.3 and 1.7", runs, requests, read)
		}
	}
}
