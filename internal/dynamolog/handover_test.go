package dynamolog_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// answered returns a client like c whose requests f sees first, by their input, and may answer itself.
func answered(c *dynamodb.Client, f func(ctx context.Context, in any) (answer any, err error)) *dynamodb.Client {
	o := c.Options()
	o.APIOptions = append(slices.Clip(o.APIOptions), func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("answered", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			if answer, err := f(ctx, in.Parameters); answer != nil || err != nil {
				return middleware.InitializeOutput{Result: answer}, middleware.Metadata{}, err
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.After)
	})
	return dynamodb.New(o)
}

// onRequest returns a client like c that calls f before each request, with its input.
func onRequest(c *dynamodb.Client, f func(ctx context.Context, in any)) *dynamodb.Client {
	return answered(c, func(ctx context.Context, in any) (any, error) {
		f(ctx, in)
		return nil, nil
	})
}

// requests counts requests by what they do. Those are left out that come again and again while a task is run
// or followed: polls, and what the holders and followers of a process ask together.
type requests struct {
	mu sync.Mutex
	n  map[string]int
}

func (r *requests) add(_ context.Context, in any) {
	what := ""
	sk := func(it map[string]types.AttributeValue) string {
		kind, _, _ := strings.Cut(it["sk"].(*types.AttributeValueMemberS).Value, "#")
		return kind
	}
	switch in := in.(type) {
	case *dynamodb.BatchGetItemInput:
		return
	case *dynamodb.PutItemInput:
		what = "put " + sk(in.Item)
	case *dynamodb.UpdateItemInput:
		what = "update " + sk(in.Key)
	case *dynamodb.GetItemInput:
		what = "get " + sk(in.Key)
	case *dynamodb.QueryInput:
		if what = "query"; *in.ScanIndexForward {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n[what]++
}

// take returns what has come since the last call.
func (r *requests) take() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.n
	r.n = map[string]int{}
	return n
}

// resumer is an agent that says two things, and then waits. It says one more when it goes on.
type resumer struct{}

func (x resumer) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return x.run(ctx, ec, "one", "two")
}

func (x resumer) Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return x.run(ctx, ec, "three")
}

func (resumer) Cancel(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	panic("not called")
}

func (resumer) run(ctx context.Context, ec *a2asrv.ExecutorContext, texts ...string) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		for _, text := range texts {
			if !yield(agentSays(ec.TaskInfo(), a2a.TaskStateWorking, a2a.NewTextPart(text)), nil) {
				return
			}
		}
		<-ctx.Done()
		yield(nil, context.Cause(ctx))
	}
}

// TestPriceOfHandOver counts the requests by which a run is handed over to another process, and a client
// comes back to it. A process with a thousand of them makes them all at once.
func TestPriceOfHandOver(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	made := &requests{n: map[string]int{}}
	client = onRequest(client, made.add)
	process := func() (*run.Runner, *server.Server) {
		l := dynamolog.New(client, table)
		l.SetLag(time.Hour)
		_, err := l.Secret(t.Context()) // which a process reads once
		must(t, err)
		r := run.New(run.Config{
			Store: l, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Executor: resumer{},
			Invoke: func(context.Context, a2a.TaskID) error { return nil },
		})
		return r, server.New(server.Config{Store: l, Runner: r, Retention: retention, Card: new(a2a.AgentCard)})
	}
	caller := server.Caller{Owner: "owner", Version: "1.0"}
	// until reads a stream until it has shown an event after number seq.
	until := func(s *server.Stream, seq int64) {
		t.Helper()
		for last := s.First.Seq; last < seq; {
			events, err := s.Next(t.Context())
			must(t, err)
			last = events[len(events)-1].Seq
		}
	}
	check := func(what string, want map[string]int) {
		t.Helper()
		if got := made.take(); !maps.Equal(got, want) {
			t.Errorf("%s: %v\nwant %v", what, got, want)
		}
	}

	full, fullServer := process()
	stream, err := fullServer.SendStreamingMessage(t.Context(), caller, &a2a.SendMessageRequest{
		Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go")),
	})
	must(t, err)
	id := stream.Task.TaskID
	until(stream, 3)
	made.take()
	full.HandOver(time.Minute)
	if _, err := stream.Next(t.Context()); !errors.Is(err, tasklog.ErrEnding) {
		t.Errorf("the stream ends with %v", err)
	}
	stream.Close()
	// Its state was not in the head yet.
	check("handing over", map[string]int{"update L": 1, "update H": 1})

	worker, workerServer := process()
	made.take()
	taken, err := worker.Resume(t.Context(), id)
	must(t, err)
	for made.mu.Lock(); made.n["put E"] == 0; made.mu.Lock() {
		made.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	made.mu.Unlock()
	check("going on elsewhere, to the first event", map[string]int{"query": 1, "update L": 1, "put E": 1})

	seen := int64(3)
	for what, c := range map[string]server.Caller{
		"coming back": {Owner: "owner", Version: "1.0", Seen: &seen},
		"coming back, without the last event seen": caller,
	} {
		back, err := workerServer.SubscribeToTask(t.Context(), c, &a2a.SubscribeToTaskRequest{ID: id})
		must(t, err)
		until(back, 4)
		back.Close()
		check(what, map[string]int{"query": 1})
	}
	worker.HandOver(time.Minute)
	_ = taken.Wait()
}
