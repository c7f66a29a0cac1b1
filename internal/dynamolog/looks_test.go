package dynamolog_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
)

// sweeper is a runner that sweeps, and notes the tasks that it asks a worker for.
type sweeper struct {
	*run.Runner
	mu    sync.Mutex
	asked []string
}

func newSweeper(client *dynamodb.Client, table string) *sweeper {
	s := new(sweeper)
	s.Runner = run.New(run.Config{
		Store: dynamolog.New(client, table), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Invoke: func(_ context.Context, id a2a.TaskID) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.asked = append(s.asked, string(id))
			return nil
		},
	})
	return s
}

// items returns the items of a task whose holder has renewed its lease.
func items(t *testing.T, client *dynamodb.Client, table string) []dynamodblocal.Item {
	t.Helper()
	l := dynamolog.New(client, table)
	h, _, lease := create(t, l)
	_, err := lease.Renew(t.Context(), time.Now().Add(time.Hour))
	must(t, err)
	var all []dynamodblocal.Item
	for _, sk := range []string{"H", "L"} {
		it, err := dynamodblocal.Read(t.Context(), client, table, string(h.ID), sk)
		must(t, err)
		all = append(all, it)
	}
	must(t, lease.Append(t.Context(), 2, in(h, a2a.TaskStateCompleted)))
	lease.Close(t.Context())
	return all
}

// due returns a hook that makes the first leases of tasks end at that time.
func due(at time.Time) func(int, dynamodblocal.Item) {
	return func(_ int, it dynamodblocal.Item) {
		if _, head := it["run"]; head {
			it["cr"], it["u"] = dynamodblocal.Number(at.Unix()), dynamodblocal.Number(at.UnixMilli())
		}
	}
}

// TestSweepCost holds a sweep to its price. What is not due costs nothing. A task that runs costs
// half a read unit and its share of the index, and no write.
func TestSweepCost(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	whole := items(t, client, table)
	metered, cost := dynamodblocal.NewMeter(client)
	sweep := func(looked int) dynamodblocal.Units {
		t.Helper()
		cost.Reset()
		s := newSweeper(metered, table)
		report, err := s.Sweep(t.Context())
		if must(t, err); report.Looked != looked || len(s.asked) > 0 {
			t.Errorf("%+v, %d asked for, want %d looked at, and none asked for", report, len(s.asked), looked)
		}
		return cost.Units()
	}
	none := sweep(0)
	for _, n := range []int{300, 3000} {
		_, err := dynamodblocal.Tasks(t.Context(), client, table, n, whole[:1], due(time.Now().Add(time.Hour)))
		must(t, err)
		if got := sweep(0); got != none {
			t.Errorf("with %d tasks that are not due: %+v, want %+v as with none", n, got, none)
		}
	}
	t.Logf("a sweep of nothing: %+v", none)
	for _, n := range []int{200, 2000} {
		client, table := newTable(t)
		_, err := dynamodblocal.Tasks(t.Context(), client, table, n, whole, due(time.Now().Add(-time.Hour)))
		must(t, err)
		metered, cost := dynamodblocal.NewMeter(client)
		report, err := newSweeper(metered, table).Sweep(t.Context())
		u := cost.Units()
		if must(t, err); report.Looked != n || report.Asked != 0 {
			t.Errorf("%+v", report)
		}
		each := (u.Read - none.Read) / float64(n)
		t.Logf("%d that run: %+v, %.3f read units each", n, u, each)
		if each > 0.55 || u.Write != 0 {
			t.Errorf("%d that run: %.3f read units each, want 0.55 at most, and %v write units, want none", n, each, u.Write)
		}
	}
}

// TestSweepSettles has the index miss the end of tasks. The sweeper settles them, and asks no
// worker, however large they are. It leaves those that have expired to nobody.
func TestSweepSettles(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	s := newSweeper(client, table)
	// as makes the head of a task miss the end of its turn.
	as := func(h tasklog.Head, change func(dynamodblocal.Item)) {
		t.Helper()
		it, err := dynamodblocal.Read(t.Context(), client, table, string(h.ID), "H")
		must(t, err)
		it["run"], it["cr"] = dynamodblocal.String("3"), dynamodblocal.Number(time.Now().Add(-time.Minute).Unix())
		change(it)
		_, err = client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it})
		must(t, err)
	}
	ended := func(state a2a.TaskState, texts ...string) tasklog.Head {
		t.Helper()
		h, _, lease := create(t, l)
		first := int64(2)
		for _, text := range texts {
			must(t, lease.Append(t.Context(), first, []tasklog.Entry{tasklogtest.Status(h, a2a.TaskStateWorking, text)}))
			first++
		}
		must(t, lease.Append(t.Context(), first, in(h, state)))
		lease.Close(t.Context())
		return h
	}
	text := string(slices.Repeat([]byte("text "), 400_000))
	completed, waits, large := ended(a2a.TaskStateCompleted), ended(a2a.TaskStateInputRequired), ended(a2a.TaskStateCompleted, text)
	expired := ended(a2a.TaskStateWorking)
	for _, h := range []tasklog.Head{completed, waits, large} {
		as(h, func(it dynamodblocal.Item) {
			it["s"], it["seq"] = dynamodblocal.String("TASK_STATE_SUBMITTED"), dynamodblocal.Number(1)
		})
	}
	as(expired, func(it dynamodblocal.Item) { it["x"] = dynamodblocal.Number(time.Now().Unix() - 1) })
	report, err := s.Sweep(t.Context())
	must(t, err)
	if report.Looked != 4 || report.Settled != 3 || report.Asked != 0 {
		t.Errorf("%+v, asked for %v, want three settled", report, s.asked)
	}
	for _, h := range []tasklog.Head{completed, waits, large} {
		n, err := l.Count(t.Context(), tasklog.Filter{Scope: h.Scope, ContextID: h.ContextID, State: load(t, l, h.ID).Task.Status.State})
		if err != nil || n != 1 {
			t.Errorf("listed in its state: %d, %v", n, err)
		}
	}
	left, err := tasklogtest.Unfinished(t.Context(), l)
	must(t, err)
	if slices.Contains(left, completed.ID) || slices.Contains(left, waits.ID) || slices.Contains(left, large.ID) {
		t.Errorf("unfinished are %v", left)
	}
	if report, err := s.Sweep(t.Context()); err != nil || report.Looked != 0 {
		t.Errorf("at once again: %+v, %v", report, err)
	}
}

// TestSweepShardFails has one shard that can't be read. The others are swept, and the sweep returns
// the error.
func TestSweepShardFails(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	ids, err := dynamodblocal.Tasks(t.Context(), client, table, 100, items(t, client, table)[:1], due(time.Now().Add(-time.Minute)))
	must(t, err)
	o := client.Options()
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("shard", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (out middleware.InitializeOutput, md middleware.Metadata, err error) {
			if q, ok := in.Parameters.(*dynamodb.QueryInput); ok && q.IndexName != nil {
				for _, v := range q.ExpressionAttributeValues {
					if v, ok := v.(*types.AttributeValueMemberS); ok && v.Value == "3" {
						return out, md, errors.New("no such shard")
					}
				}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	})
	s := newSweeper(dynamodb.New(o), table)
	report, err := s.Sweep(t.Context())
	if err == nil || report.Asked != len(s.asked) || report.Asked < 70 || report.Asked == 100 {
		t.Errorf("%+v, %v", report, err)
	}
	s = newSweeper(client, table)
	if rest, err := s.Sweep(t.Context()); err != nil || rest.Asked != len(ids)-report.Asked {
		t.Errorf("when it can be read: %+v, %v, want the other %d", rest, err, len(ids)-report.Asked)
	}
}

// TestSettleKeepsRequest settles a task after somebody stopped halfway to its lease. What is kept
// of the request that began the last turn stays, wherever it was.
func TestSettleKeepsRequest(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	big, _ := json.Marshal(map[string]string{"k": strings.Repeat("x", 100_000)})
	request := tasklog.Request{Extensions: []string{"urn:a"}, Metadata: big}
	h, first := tasklogtest.NewTask()
	claim := tasklog.Claim{Writer: "one", Until: time.Now().Add(time.Minute), Request: request}
	lease, err := l.Create(t.Context(), h, first, claim)
	must(t, err)
	for turn := range 2 {
		must(t, lease.Append(t.Context(), int64(turn)+2, in(h, a2a.TaskStateInputRequired)))
		lease.Close(t.Context())
		s := load(t, l, h.ID)
		broken := before(client, 2, func(context.Context) error { return errors.New("dead") })
		if _, err := dynamolog.New(broken, table).Acquire(t.Context(), s, by("halfway")); err == nil {
			t.Fatal("acquired")
		}
		must(t, l.Settle(t.Context(), s))
		now := load(t, l, h.ID)
		if now.Lease.Epoch <= s.Lease.Epoch || !reflect.DeepEqual(now.Last, request) {
			t.Errorf("after turn %d: epoch %d, then %d; the request has %d bytes", turn+1, s.Lease.Epoch, now.Lease.Epoch, len(now.Last.Metadata))
		}
		claim.Writer = "two"
		lease, err = l.Acquire(t.Context(), now, claim)
		must(t, err)
	}
}
