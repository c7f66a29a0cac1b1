package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/demoagent"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest"
	"a2alambda/localtest/dynamodblocal"
)

// These tests hold the system to a price: a task's units of DynamoDB from the message to the end of
// its run, including all indexes and the lease.

// newServer returns the agent function's server. Its worker is never invoked.
func newServer(t testing.TB, client *dynamodb.Client, table string, x a2asrv.AgentExecutor) *server.Server {
	return newServerOn(t, dynamolog.New(client, table), x)
}

func newServerOn(t testing.TB, store tasklog.Store, x a2asrv.AgentExecutor) *server.Server {
	return server.New(server.Config{Store: store, Retention: time.Hour, Card: demoagent.Card(), Runner: run.New(run.Config{
		Store: store, Executor: x, Gap: lambdaenv.Gap, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Invoke: func(_ context.Context, id a2a.TaskID) error {
			t.Errorf("a worker was invoked for task %s", id)
			return nil
		},
	})})
}

func ask(text string) *a2a.SendMessageRequest {
	return &a2a.SendMessageRequest{Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))}
}

// readAll reads a stream to its end, and returns the number of events after the first.
func readAll(t testing.TB, s *server.Stream) (n int) {
	t.Helper()
	defer s.Close()
	for {
		events, err := s.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return n
		}
		localtest.Must(t, err)
		n += len(events)
	}
}

func TestPriceOfTask(t *testing.T) {
	t.Parallel()
	const tokens, every = 500, 20 * time.Millisecond
	for _, test := range []struct {
		name     string
		executor a2asrv.AgentExecutor
		events   int
		budget   float64 // write units
	}{
		{"the tutorial's", demoagent.NewExecutor(), 5, 10},
		{"500 tokens, 50 a second", hosttest.Executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			first := a2a.NewArtifactEvent(ec, a2a.NewTextPart("token"))
			yield(first, nil)
			begin := time.Now()
			for i := range tokens - 1 {
				time.Sleep(time.Until(begin.Add(time.Duration(i+1) * every)))
				yield(a2a.NewArtifactUpdateEvent(ec, first.Artifact.ID, a2a.NewTextPart(rand.Text()[:4])), nil)
			}
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
		}), tokens + 1, 120},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var u dynamodblocal.Units
			for range 5 { // on a slow machine a run may take longer, and renew its lease
				client, table := dynamodblocal.Table(t)
				if _, err := dynamolog.New(client, table).Secret(t.Context()); err != nil { // the secret is made once
					t.Fatal(err)
				}
				client, meter := dynamodblocal.NewMeter(client)
				s, err := newServer(t, client, table, test.executor).SendStreamingMessage(t.Context(), server.Caller{}, ask("Stream me a response!"))
				localtest.Must(t, err)
				if n := readAll(t, s); n != test.events {
					t.Errorf("the task had %d events, want %d", n, test.events)
				}
				u = meter.Units()
				t.Logf("%d requests, %v write units, %v read units", u.Requests, u.Write, u.Read)
				if u.Write <= test.budget {
					break
				}
			}
			if u.Write > test.budget || u.Write < 5 {
				t.Errorf("the task cost %v write units, want %v at most, and 5 to be believed", u.Write, test.budget)
			}
		})
	}
}

// TestPriceOfAnswer measures a message whose client waits for the task, and a page of a list of
// such tasks.
func TestPriceOfAnswer(t *testing.T) {
	t.Parallel()
	const (
		page       = 50
		sendPrice  = 7         // write units of a message whose events go in one write: no client sees them before the end
		sendBudget = 8         // and of one whose events go in two, which is chance
		listBudget = page + 20 // read units: one for each task, and the index: half a unit for each of 16 keys, twice
	)
	client, table := dynamodblocal.Table(t)
	client, meter := dynamodblocal.NewMeter(client)
	s := newServer(t, client, table, hosttest.Executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		for range 3 {
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart("Working."))), nil)
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	}))
	const tasks = page + 1
	for range tasks {
		if _, err := s.SendMessage(t.Context(), server.Caller{}, ask("Do it.")); err != nil {
			t.Fatal(err)
		}
	}
	sent := meter.Units()
	t.Logf("a message: %.1f write units", sent.Write/tasks)
	if sent.Write > sendBudget*tasks || sent.Write < 5*tasks {
		t.Errorf("a message cost %.1f write units, want %v at most, and 5 to be believed", sent.Write/tasks, sendBudget)
	}

	meter.Reset()
	list, err := s.ListTasks(t.Context(), server.Caller{}, &a2a.ListTasksRequest{PageSize: page})
	localtest.Must(t, err)
	u := meter.Units()
	t.Logf("a page of %d: %d requests, %v read units", len(list.Tasks), u.Requests, u.Read)
	// Of a task whose events went in two writes, some are in an item that is not read first.
	budget := listBudget + max(0, sent.Write-sendPrice*tasks)
	if len(list.Tasks) != page || u.Read > budget || u.Read < page/2 || u.Write > 0 {
		t.Errorf("a page of %d tasks cost %v read units and %v write units, want %v and none at most, and %v to be believed",
			len(list.Tasks), u.Read, u.Write, budget, page/2)
	}
}

// TestPriceOfSubscriber measures a subscriber to a running, silent task. The subscriber polls with
// the task's head, whose message has nearly its maximum length.
func TestPriceOfSubscriber(t *testing.T) {
	t.Parallel()
	const budget = 1.5 // read units a second, with the seat and one doubt: five polls in four seconds, half of them for half a unit
	client, table := dynamodblocal.Table(t)
	quiet := make(chan struct{})
	var message strings.Builder
	for range 100 {
		message.WriteString(rand.Text())
	}
	running, err := newServer(t, client, table, hosttest.Executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		<-quiet
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	})).SendStreamingMessage(t.Context(), server.Caller{}, ask(message.String()))
	localtest.Must(t, err)
	var task struct{ Task struct{ ID a2a.TaskID } }
	localtest.Must(t, json.Unmarshal(running.First.JSON, &task))

	metered, meter := dynamodblocal.NewMeter(client)
	s, err := newServer(t, metered, table, nil).SubscribeToTask(t.Context(), server.Caller{}, &a2a.SubscribeToTaskRequest{ID: task.Task.ID})
	localtest.Must(t, err)
	await := func(requests int) {
		for end := time.Now().Add(time.Minute); meter.Units().Requests < requests; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the subscriber sent %d requests, want %d", meter.Units().Requests, requests)
			}
		}
	}
	await(8) // by then it polls less and less often
	meter.Reset()
	begin := time.Now()
	await(15)
	u, d := meter.Units(), time.Since(begin)
	perSecond := u.Read / d.Seconds()
	t.Logf("%d requests, %v read units in %v", u.Requests, u.Read, d)
	if perSecond > budget || u.Read <= float64(u.Requests-u.Writes)/2 || u.Write > 2 {
		t.Errorf("%d requests cost %v read units, %.1f a second, and %v write units; want more than half a read unit each, %v a second, and two writes: for the seat, and to ask whether the holder is alive",
			u.Requests, u.Read, perSecond, u.Write, budget)
	}

	close(quiet)
	readAll(t, s)
	readAll(t, running)
}
