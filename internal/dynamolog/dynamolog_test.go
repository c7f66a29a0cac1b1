package dynamolog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
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
	"a2alambda/localtest"
	"a2alambda/localtest/dynamodblocal"
)

// newTable makes a table of its own for the test.
func newTable(t *testing.T) (client *dynamodb.Client, table string) {
	t.Helper()
	return dynamodblocal.Table(t)
}

// with returns a client like c with many quick attempts. The middleware is around each of them.
func with(c *dynamodb.Client, around middleware.FinalizeMiddleware) *dynamodb.Client {
	o := c.Options()
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff, o.RateLimiter = 20, 5*time.Millisecond, ratelimit.None
	})
	o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
		return s.Finalize.Insert(around, "Retry", middleware.After)
	})
	return dynamodb.New(o)
}

// newLightTable is newTable at [dynamodblocal.StartLight].
func newLightTable(t *testing.T) (client *dynamodb.Client, table string) {
	engine, err := dynamodblocal.StartLight(t.Context())
	localtest.Must(t, err)
	t.Cleanup(engine.Close)
	client, table = engine.Client(), "tasks"
	localtest.Must(t, dynamolog.CreateTable(t.Context(), client, table))
	return client, table
}

func TestLog(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	tasklogtest.Test(t, func(*testing.T) tasklog.Store { return dynamolog.New(client, table) })
	pushtest.Test(t, func(*testing.T) pushtest.Store { return pushes(dynamolog.New(client, table)) })
}

// sharing has the puts of a log wait for others.
func sharing(l *dynamolog.Log) *dynamolog.Log {
	l.ShareAll()
	return l
}

// TestLogFaults passes the same tests, again with puts that wait for others, at another emulator of
// DynamoDB, which throttles, fails, and loses acknowledgements. A put whose shared request fails has
// one of its own.
func TestLogFaults(t *testing.T) {
	t.Parallel()
	client, table := newLightTable(t)
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
		case 2: // done, but the answer is lost
			if _, _, err := next.HandleFinalize(ctx, in); err != nil {
				return out, md, err
			}
			return out, md, serverError("lost")
		}
		return next.HandleFinalize(ctx, in)
	}))
	tasklogtest.Test(t, func(*testing.T) tasklog.Store { return sharing(dynamolog.New(faulty, table)) })
	pushtest.Test(t, func(*testing.T) pushtest.Store { return pushes(sharing(dynamolog.New(faulty, table))) })
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

// TestUnreachable checks that errors of the store reach the caller, and are none of package
// tasklog.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	var down atomic.Bool
	l := dynamolog.New(with(client, middleware.FinalizeMiddlewareFunc("down", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (out middleware.FinalizeOutput, md middleware.Metadata, err error) {
		if down.Load() {
			return out, md, errors.New("no route")
		}
		return next.HandleFinalize(ctx, in)
	})), table)
	h, lease := createDurable(t, l)
	_, first := tasklogtest.NewTask()
	seen := load(t, l, h.ID)
	other, _ := tasklogtest.NewTask()
	down.Store(true)
	ctx := t.Context()
	for _, call := range []struct {
		name string
		do   func() error
	}{
		{"Create", func() error { _, err := l.Create(ctx, other, first, by("w")); return err }},
		{"Acquire", func() error { _, err := l.Acquire(ctx, seen, by("x")); return err }},
		{"Load", func() error { _, err := l.Load(ctx, h.ID); return err }},
		{"Peek", func() error { _, err := l.Peek(ctx, h.ID, tasklog.Want{}); return err }},
		{"Lease", func() error { _, err := l.Lease(ctx, h.ID); return err }},
		{"Read", func() error { _, _, err := l.Read(ctx, h.ID, 0, 1); return err }},
		{"Poll", func() error { _, err := l.Poll(ctx, h.ID, 1, false); return err }},
		{"stale Poll", func() error { _, err := l.Poll(ctx, h.ID, 1, true); return err }},
		{"Acquired", func() error { _, err := l.Acquired(ctx, h.ID, 1); return err }},
		{"LoadAt", func() error { _, err := l.LoadAt(ctx, h.ID, 1, nil); return err }},
		{"RequestCancel", func() error { return l.RequestCancel(ctx, h) }},
		{"Append", func() error { return lease.Append(ctx, 2, []tasklog.Entry{first}) }},
		{"Renew", func() error { _, err := lease.Renew(ctx, time.Now()); return err }},
		{"AskedOf", func() error { _, err := l.AskedOf(ctx, "PROCESS"); return err }},
		{"SaveSnapshot", func() error { return lease.SaveSnapshot(ctx, 1, tasklog.SnapshotLines(seen.Task)) }},
		{"List", func() error { _, err := l.List(ctx, tasklog.Filter{}, tasklog.Position{}, 1); return err }},
		{"InContext", func() error { _, err := l.InContext(ctx, h.Scope, h.ContextID, 1); return err }},
		{"Count", func() error { _, err := l.Count(ctx, tasklog.Filter{}); return err }},
		{"Due", func() error { _, _, err := l.Due(ctx, 0, time.Now(), "", 1); return err }},
		{"Postpone", func() error { _, err := l.Postpone(ctx, tasklog.Look{ID: h.ID}, time.Now()); return err }},
		{"Places", func() error { _, err := l.Places(ctx); return err }},
		{"SavePlace", func() error { return l.SavePlace(ctx, 0, "", "x") }},
		{"TakeRound", func() error { _, _, err := l.TakeRound(ctx, time.Now(), time.Now()); return err }},
		{"Settle", func() error { return l.Settle(ctx, seen) }},
		{"Secret", func() error { _, err := l.Secret(ctx); return err }},
		{"Steps", func() error { _, _, err := l.Steps(ctx, h.ID, 0, false); return err }},
		{"stale Steps", func() error { _, _, err := l.Steps(ctx, h.ID, 0, true); return err }},
		{"Wake", func() error { return l.Wake(ctx, h.ID) }},
		{"OpenWait", func() error { return l.OpenWait(ctx, h, "a", "") }},
		{"Wait", func() error { _, err := l.Wait(ctx, h.ID, "a"); return err }},
		{"OpenWaits", func() error { _, err := l.OpenWaits(ctx, h.ID); return err }},
		{"Deliver", func() error { return l.Deliver(ctx, h.ID, "a", tasklog.Delivery{}) }},
		{"Deliver much", func() error { return l.Deliver(ctx, h.ID, "a", tasklog.Delivery{Body: random(10_000)}) }},
		{"CloseWait", func() error { _, err := l.CloseWait(ctx, h.ID, "a"); return err }},
		{"Record", func() error { return lease.Record(ctx, 1, [][]byte{[]byte("{}")}) }},
		{"Suspend", func() error { _, err := lease.Suspend(ctx, time.Now(), 0); return err }},
		{"Release", func() error { return lease.Release(ctx) }},
	} {
		err := call.do()
		if err == nil || !strings.HasPrefix(err.Error(), "dynamolog: ") || !strings.Contains(err.Error(), "no route") {
			t.Errorf("%s: got %v", call.name, err)
		}
		for _, own := range []error{
			tasklog.ErrNotFound, tasklog.ErrExists, tasklog.ErrConflict, tasklog.ErrDelivered, tasklog.ErrWaitClosed,
		} {
			if errors.Is(err, own) {
				t.Errorf("%s: %v is %v", call.name, err, own)
			}
		}
	}
	down.Store(false)
	if _, err := l.Load(ctx, other.ID); !errors.Is(err, tasklog.ErrNotFound) {
		t.Errorf("something was created: %v", err)
	}
}

// random returns n random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// by returns the claim of a writer to a lease that lasts for the test.
func by(writer string) tasklog.Claim {
	return tasklog.Claim{Writer: writer, Until: time.Now().Add(time.Minute)}
}

// create creates a task, and holds its lease.
func create(t *testing.T, l tasklog.Log) (tasklog.Head, tasklog.Entry, tasklog.Lease) {
	t.Helper()
	h, first := tasklogtest.NewTask()
	lease, err := l.Create(t.Context(), h, first, by("w"))
	must(t, err)
	return h, first, lease
}

func load(t *testing.T, l tasklog.Log, id a2a.TaskID) *tasklog.Snapshot {
	t.Helper()
	s, err := l.Load(t.Context(), id)
	must(t, err)
	return s
}

// in returns a status, to be appended.
func in(h tasklog.Head, s a2a.TaskState) []tasklog.Entry {
	return []tasklog.Entry{tasklogtest.Status(h, s, "")}
}

// must fails the test at the first error among errs.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestStatus has a state reach the head after the next one: the head does not go back. A task that
// is gone gets no head.
func TestStatus(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	held, updates := make(chan struct{}), atomic.Int32{}
	l := dynamolog.New(with(client, middleware.FinalizeMiddlewareFunc("late", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if awsmiddleware.GetOperationName(ctx) == "UpdateItem" && updates.Add(1) == 1 {
			<-held
		}
		return next.HandleFinalize(ctx, in)
	})), table)
	l.SetLag(0)
	h, _, lease := create(t, l)
	head := func() string {
		out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: string(h.ID)}, "sk": &types.AttributeValueMemberS{Value: "H"},
		}})
		must(t, err)
		if out.Item == nil {
			return ""
		}
		return fmt.Sprint(out.Item["s"].(*types.AttributeValueMemberS).Value, " ", out.Item["seq"].(*types.AttributeValueMemberN).Value)
	}
	must(t, lease.Append(t.Context(), 2, in(h, a2a.TaskStateWorking)))
	for updates.Load() < 1 {
		time.Sleep(time.Millisecond)
	}
	must(t, lease.Append(t.Context(), 3, in(h, a2a.TaskStateCompleted)))
	for updates.Load() < 2 || head() == "TASK_STATE_SUBMITTED 1" {
		time.Sleep(time.Millisecond)
	}
	close(held)
	lease.Close(t.Context())
	if got := head(); got != "TASK_STATE_COMPLETED 3" {
		t.Errorf("head has %s", got)
	}

	h, _, lease = create(t, l)
	_, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: string(h.ID)}, "sk": &types.AttributeValueMemberS{Value: "H"},
	}})
	must(t, err, lease.Append(t.Context(), 2, in(h, a2a.TaskStateWorking)))
	lease.Close(t.Context())
	if got := head(); got != "" {
		t.Errorf("a task that is gone has %s", got)
	}
}

// TestRefusedStatus has DynamoDB refuse the final status of a task for longer than one request is
// retried. The index has it once the lease is closed, unless the invocation had to end before.
func TestRefusedStatus(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	var left, refused atomic.Int32
	l := dynamolog.New(with(client, middleware.FinalizeMiddlewareFunc("refuse", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (out middleware.FinalizeOutput, md middleware.Metadata, err error) {
		if awsmiddleware.GetOperationName(ctx) == "UpdateItem" && left.Add(-1) >= 0 {
			refused.Add(1)
			return out, md, &types.ProvisionedThroughputExceededException{Message: aws.String("slow down")}
		}
		return next.HandleFinalize(ctx, in)
	})), table)
	unfinished := func(h tasklog.Head) bool {
		ids, err := tasklogtest.Unfinished(t.Context(), l)
		must(t, err)
		return slices.Contains(ids, h.ID)
	}
	h, _, lease := create(t, l)
	left.Store(30)
	must(t, lease.Append(t.Context(), 2, in(h, a2a.TaskStateCompleted)))
	lease.Close(t.Context())
	if unfinished(h) || refused.Load() != 30 {
		t.Errorf("it is unfinished, after %d refusals", refused.Load())
	}

	h, _, lease = create(t, l)
	left.Store(1 << 30)
	must(t, lease.Append(t.Context(), 2, in(h, a2a.TaskStateCompleted)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	lease.Close(ctx)
	left.Store(0)
	if !unfinished(h) {
		t.Error("it was told beyond the end")
	}
}

// TestReleaseFirst has a run hand its task over while a state waits that the head does not have: the lease is
// released before anything is written there.
func TestReleaseFirst(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	plain := dynamolog.New(client, table)
	var told atomic.Int32
	l := dynamolog.New(onRequest(client, func(_ context.Context, in any) {
		u, _ := in.(*dynamodb.UpdateItemInput)
		if u == nil || u.Key["sk"].(*types.AttributeValueMemberS).Value != "H" {
			return
		}
		told.Add(1)
		if s := load(t, plain, a2a.TaskID(u.Key["pk"].(*types.AttributeValueMemberS).Value)); !s.Lease.Released {
			t.Errorf("the head is written while the lease is %+v", s.Lease)
		}
	}), table)
	l.SetLag(time.Hour)
	h, _, lease := create(t, l)
	must(t, lease.Append(t.Context(), 2, in(h, a2a.TaskStateWorking)), lease.Release(t.Context()))
	if told.Load() != 0 {
		t.Error("releasing the lease has waited for the head")
	}
	lease.Close(t.Context())
	if told.Load() != 1 {
		t.Errorf("the head was written %d times", told.Load())
	}
}

// TestCost holds the log to its price. The price of a write does not grow with the task, and a long
// task is loaded from its snapshot.
func TestCost(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	h, first, lease := create(t, l)
	if u := cost.Units(); u.Requests != 3 || u.Write > 4 {
		t.Errorf("creating a task: %d requests, %v write units, want 3 and, with the index, the context and what a sweep reads, 4", u.Requests, u.Write)
	}

	fold := tasklog.NewFold(nil, 0)
	fold.Add(tasklog.Event{Seq: 1, JSON: first.JSON})
	const n = 10_000
	for _, next := range []string{"second", "third", ""} {
		cost.Reset()
		a := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{Lease: lease, Fold: fold})
		for i := range n {
			must(t, a.Add(tasklogtest.Status(h, a2a.TaskStateWorking, "event "+strconv.Itoa(i))))
		}
		must(t, a.Close())
		lease.Close(t.Context())
		u := cost.Units()
		t.Logf("%d events: %d requests, %.3f write units an event", n, u.Requests, u.Write/n)
		if perEvent := u.Write / n; perEvent > 0.15 {
			t.Errorf("%.3f write units an event, want 0.15 at most, however long the task is", perEvent)
		}
		if next != "" {
			var err error
			lease, err = l.Acquire(t.Context(), load(t, l, h.ID), by(next))
			must(t, err)
		}
	}

	cost.Reset()
	s := load(t, l, h.ID)
	if s.Seq != 3*n+1 || len(s.Task.History) != 3*n {
		t.Errorf("loaded %d events, %d messages", s.Seq, len(s.Task.History))
	}
	t.Logf("loading: %d requests, %v read units", cost.Units().Requests, cost.Units().Read)
}
