package dynamolog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
)

// newTable makes a table of its own for the test.
func newTable(t *testing.T) (client *dynamodb.Client, table string) {
	t.Helper()
	return dynamodblocal.Table(t)
}

// with returns a client like c that has the middleware around each attempt of a request, and many quick attempts.
func with(c *dynamodb.Client, around middleware.FinalizeMiddleware) *dynamodb.Client {
	o := c.Options()
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff, o.RateLimiter = 12, 5*time.Millisecond, ratelimit.None
	})
	o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
		return s.Finalize.Insert(around, "Retry", middleware.After)
	})
	return dynamodb.New(o)
}

func TestLog(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	tasklogtest.Test(t, func(*testing.T) tasklog.Log { return dynamolog.New(client, table) })
	pushtest.Test(t, func(*testing.T) pushtest.Store { return pushes(dynamolog.New(client, table)) })
}

// TestLogFaults passes the same tests at a DynamoDB that throttles, fails, and loses acknowledgements.
func TestLogFaults(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	var faults [3]int
	faulty := with(client, middleware.FinalizeMiddlewareFunc("faults", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (out middleware.FinalizeOutput, md middleware.Metadata, err error) {
		mu.Lock()
		kind := random.IntN(10)
		if kind < len(faults) {
			faults[kind]++
		}
		mu.Unlock()
		switch kind {
		case 0:
			return out, md, &types.ProvisionedThroughputExceededException{Message: aws.String("slow down")}
		case 1:
			return out, md, serverError("try again")
		case 2: // done, and nobody is told
			if _, _, err := next.HandleFinalize(ctx, in); err != nil {
				return out, md, err
			}
			return out, md, serverError("lost")
		}
		return next.HandleFinalize(ctx, in)
	}))
	tasklogtest.Test(t, func(*testing.T) tasklog.Log { return dynamolog.New(faulty, table) })
	pushtest.Test(t, func(*testing.T) pushtest.Store { return pushes(dynamolog.New(faulty, table)) })
	for kind, n := range faults {
		if n == 0 {
			t.Errorf("no fault of kind %d was injected", kind)
		}
	}
}

// serverError returns the error that the client makes of a response with status 500.
func serverError(text string) error {
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusInternalServerError}},
		Err:      &types.InternalServerError{Message: &text},
	}
}

// TestUnreachable checks that errors of the store are told, and are none of the log's own.
func TestUnreachable(t *testing.T) {
	client, table := newTable(t)
	down := with(client, middleware.FinalizeMiddlewareFunc("down", func(
		context.Context, middleware.FinalizeInput, middleware.FinalizeHandler,
	) (out middleware.FinalizeOutput, md middleware.Metadata, err error) {
		return out, md, errors.New("no route")
	}))
	l := dynamolog.New(down, table)
	h, first := tasklogtest.NewTask()
	b := tasklog.Batch{ID: h.ID, Writer: "w", First: 2, Events: [][]byte{first}, Expires: h.Expires}
	_, readErr := l.Read(t.Context(), h.ID, 0, 1)
	_, loadErr := l.Load(t.Context(), h.ID)
	for name, err := range map[string]error{
		"Create":       l.Create(t.Context(), h, "w", time.Now().Add(time.Minute), first),
		"Append":       l.Append(t.Context(), b),
		"SetStatus":    l.SetStatus(t.Context(), h.ID, tasklog.Status{}),
		"SaveSnapshot": l.SaveSnapshot(t.Context(), h, "w", 1, func(yield func([]byte, error) bool) { yield(first, nil) }),
		"Read":         readErr,
		"Load":         loadErr,
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "dynamolog: ") || !strings.Contains(err.Error(), "no route") {
			t.Errorf("%s: got %v", name, err)
		}
		for _, own := range []error{tasklog.ErrNotFound, tasklog.ErrExists, tasklog.ErrConflict} {
			if errors.Is(err, own) {
				t.Errorf("%s: %v is %v", name, err, own)
			}
		}
	}
	if _, err := dynamolog.New(client, table).Load(t.Context(), h.ID); !errors.Is(err, tasklog.ErrNotFound) {
		t.Errorf("something was created: %v", err)
	}
}

// TestStatus checks that the head follows the log and never goes back.
func TestStatus(t *testing.T) {
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	h, first := tasklogtest.NewTask()
	if err := l.Create(t.Context(), h, "w", time.Now().Add(time.Minute), first); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, s := range []tasklog.Status{
		{State: a2a.TaskStateWorking, Time: now, Seq: 2},
		{State: a2a.TaskStateCompleted, Time: now, Seq: 9},
		{State: a2a.TaskStateWorking, Time: now, Seq: 5},
	} {
		if err := l.SetStatus(t.Context(), h.ID, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.SetStatus(t.Context(), "none", tasklog.Status{State: a2a.TaskStateWorking, Seq: 2}); err != nil {
		t.Fatal(err)
	}
	out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Items) != 1 {
		t.Fatalf("%d items, want the head alone", len(out.Items))
	}
	got := fmt.Sprint(out.Items[0]["s"].(*types.AttributeValueMemberS).Value, " ", out.Items[0]["seq"].(*types.AttributeValueMemberN).Value)
	if got != "TASK_STATE_COMPLETED 9" {
		t.Errorf("head has %s", got)
	}
}

// TestCost holds the log to its price: what a write costs does not grow with the task, and a long task is loaded from
// its snapshot.
func TestCost(t *testing.T) {
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	h, first := tasklogtest.NewTask()
	if err := l.Create(t.Context(), h, "w", time.Now().Add(time.Minute), first); err != nil {
		t.Fatal(err)
	}
	if u := cost.Units(); u.Requests != 1 || u.Write > 3 {
		t.Errorf("creating a task: %d requests, %v write units, want 1 and, with the indexes, 3", u.Requests, u.Write)
	}

	fold := tasklog.NewFold(nil, 0)
	fold.Add(tasklog.Event{Seq: 1, JSON: first})
	const n = 10_000
	for _, writer := range []string{"first", "second", "third"} {
		cost.Reset()
		a := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{Log: l, Head: h, Writer: writer, Fold: fold})
		for i := range n {
			if err := a.Add(tasklog.Entry{JSON: tasklogtest.StatusEvent(h, a2a.TaskStateWorking, "event "+strconv.Itoa(i)), State: a2a.TaskStateWorking}); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		u := cost.Units()
		t.Logf("%d events: %d requests, %.3f write units an event", n, u.Requests, u.Write/n)
		if perEvent := u.Write / n; perEvent > 0.15 {
			t.Errorf("%.3f write units an event, want 0.15 at most, however long the task is", perEvent)
		}
	}

	cost.Reset()
	s, err := l.Load(t.Context(), h.ID)
	if err != nil {
		t.Fatal(err)
	}
	if s.Seq != 3*n+1 || len(s.Task.History) != 3*n {
		t.Errorf("loaded %d events, %d messages", s.Seq, len(s.Task.History))
	}
	t.Logf("loading: %d requests, %v read units", cost.Units().Requests, cost.Units().Read)
}

// waiting returns a task that waits for input.
func waiting(t *testing.T, l *dynamolog.Log) *tasklog.Snapshot {
	t.Helper()
	h, first := tasklogtest.NewTask()
	const state = a2a.TaskStateInputRequired
	b := tasklog.Batch{ID: h.ID, Writer: "w", First: 2, Expires: h.Expires, State: state, Events: [][]byte{tasklogtest.StatusEvent(h, state, "")}}
	s, err := (*tasklog.Snapshot)(nil), errors.Join(l.Create(t.Context(), h, "w", time.Now().Add(time.Minute), first), l.Append(t.Context(), b),
		l.SetStatus(t.Context(), h.ID, tasklog.Status{State: state, Time: time.Now(), Seq: 2}))
	if err == nil {
		s, err = l.Load(t.Context(), h.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestHalfAcquired has somebody come halfway to the lease of a task that waits. Whoever settles the task does not meet it again, and
// the other, should it still live, does not get the lease.
func TestHalfAcquired(t *testing.T) {
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	s := waiting(t, l)
	requests := 0
	halfway := with(client, middleware.FinalizeMiddlewareFunc("halfway", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if requests++; requests == 2 {
			for range 2 {
				if err := l.Settle(ctx, s); err != nil {
					t.Error(err)
				}
			}
			if err := l.Running(ctx, func(id a2a.TaskID) bool {
				if id == s.Head.ID {
					t.Error("it is still found")
				}
				return true
			}); err != nil {
				t.Error(err)
			}
		}
		return next.HandleFinalize(ctx, in)
	}))
	if _, err := dynamolog.New(halfway, table).Acquire(t.Context(), s, "slow", time.Now().Add(time.Minute)); err != tasklog.ErrConflict {
		t.Errorf("acquired: %v", err)
	}
	now, err := l.Load(t.Context(), s.Head.ID)
	if err != nil || now.Busy() {
		t.Fatalf("it is %+v, %v", now, err)
	}
	if _, err := l.Acquire(t.Context(), now, "next", time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
	}
}

// TestRenewAfterNobody checks that a holder does not get back a lease that was given to nobody.
func TestRenewAfterNobody(t *testing.T) {
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	s := waiting(t, l)
	if _, err := l.Acquire(t.Context(), s, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Renew(t.Context(), s.Head, "w", time.Now().Add(time.Minute)); err != tasklog.ErrConflict {
		t.Errorf("renewed: %v", err)
	}
}
