package dynamolog_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
)

// result returns an entry of a journal as a step leaves it.
func result(i int) []byte {
	return []byte(fmt.Sprintf(`{"kind":"do","name":"look up/%d","result":{"price":"%d.99","currency":"EUR","id":"7a%06x"},"seq":%d,"hash":"%016x"}`,
		i, i, i*7919, i+1, uint64(i)*0x9e3779b97f4a7c15))
}

// TestJournalCost holds the journal, suspended tasks and waits to their prices.
func TestJournalCost(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	h, lease := createDurable(t, l)
	cost.Reset()
	var write, read float64 // since the last sum
	check := func(what string, wantWrite, wantRead float64, errs ...error) {
		t.Helper()
		must(t, errs...)
		u := cost.Units()
		t.Logf("%s: %v write units, %v read units, %d requests", what, u.Write, u.Read, u.Requests)
		if u.Write != wantWrite || u.Read != wantRead {
			t.Errorf("%s: %v write units, %v read units, want %v and %v", what, u.Write, u.Read, wantWrite, wantRead)
		}
		write, read = write+u.Write, read+u.Read
		cost.Reset()
	}
	ctx := t.Context()
	event := tasklogtest.EntryOf(a2a.NewArtifactEvent(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, a2a.NewTextPart("text")))
	event.Owner = "look up/2#1"
	check("a silent step", 1, 0, lease.Record(ctx, 1, [][]byte{result(1)}))
	check("a step with events", 2, 0, lease.Append(ctx, 2, []tasklog.Entry{event}),
		lease.Record(ctx, 2, [][]byte{result(2)}))
	check("a step that is begun once", 2, 0, lease.Record(ctx, 3, [][]byte{[]byte(`{"kind":"began","name":"charge"}`)}),
		lease.Record(ctx, 4, [][]byte{result(4)}))
	check("ten steps that end together", 1, 0, lease.Record(ctx, 5, [][]byte{
		result(5), result(6), result(7), result(8), result(9), result(10), result(11), result(12), result(13), result(14),
	}))
	_, err := lease.Renew(ctx, time.Now().Add(time.Minute))
	check("a renewal", 1, 0, err)

	// A Sleep of a day: its entry, its suspension, and the holder after it.
	write, read = 0, 0
	check("the entry of a Sleep", 1, 0, lease.Record(ctx, 15, [][]byte{result(15)}))
	_, err = lease.Suspend(ctx, far(), 0)
	check("suspending", 3, 0, err) // and one more if a sweep has found the task before
	s := load(t, l, h.ID)
	cost.Reset()
	next, err := l.Acquire(ctx, s, recorder("next", 15))
	check("acquiring what was suspended", 4, 1, err)
	if write < 8 || write > 11 {
		t.Errorf("a Sleep of a day: %v write units in all, want 8 to 11", write)
	}
	lease = next

	// A callback, while the task is suspended.
	write, read = 0, 0
	check("opening a wait", 1, 0, l.OpenWait(ctx, h, "delivered", ""))
	_, err = lease.Suspend(ctx, far(), 0)
	must(t, err)
	cost.Reset()
	check("a delivery", 1, 0, l.Deliver(ctx, h.ID, "delivered", tasklog.Delivery{Body: []byte(`{"ok":true}`), ContentType: "application/json"}))
	check("waking", 3, 0, l.Wake(ctx, h.ID))
	t.Logf("a callback: %v write units, beside those of the suspension", write)
	if write > 5 {
		t.Errorf("a callback: %v write units", write)
	}
	check("waking what is due", 2, 0, l.Wake(ctx, h.ID)) // one for a condition that fails
	_, err = l.Wait(ctx, h.ID, "delivered")
	check("reading a wait", 0, 1, err)
	_, err = l.CloseWait(ctx, h.ID, "delivered")
	check("closing a wait", 1, 0, err)
	s = load(t, l, h.ID)
	cost.Reset()
	_, err = l.Acquire(ctx, s, recorder("third", 15))
	check("acquiring what was woken", 4, 1, err)
	s = load(t, l, h.ID)
	cost.Reset()
	claim := recorder("fourth", 15)
	claim.Until = time.Now().Add(time.Hour)
	_, err = l.Acquire(ctx, s, claim) // the third has crashed
	check("a takeover with both fences", 6, 0, err)
}

// TestReplayCost reads journals: what that costs follows from their size, and does not grow with
// anything else.
func TestReplayCost(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	for _, test := range []struct {
		n, most     int // entries, read units
		together    int
		requestMost int
	}{{100, 5, 1, 1}, {1000, 30, 1, 2}, {10_000, 150, 50, 4}} {
		h, lease := createDurable(t, l)
		for i := 0; i < test.n; i += test.together {
			var entries [][]byte
			for j := range test.together {
				entries = append(entries, result(i+j))
			}
			must(t, lease.Record(t.Context(), int64(i)+1, entries))
		}
		cost.Reset()
		steps, more, err := l.Steps(t.Context(), h.ID, 0, true)
		u := cost.Units()
		must(t, err)
		t.Logf("%d entries, %d together: %v read units, %d requests", test.n, test.together, u.Read, u.Requests)
		if len(steps) != test.n || more || u.Read > float64(test.most) || u.Requests > test.requestMost {
			t.Errorf("%d entries: %d read, more: %t, %+v", test.n, len(steps), more, u)
		}
		cost.Reset()
		s := load(t, l, h.ID) // which does not read the journal
		if u := cost.Units(); u.Read > 1 || s.Seq != 1 {
			t.Errorf("with %d entries: loading costs %+v", test.n, u)
		}
		cost.Reset()
		all, _, err := l.Steps(t.Context(), h.ID, int64(test.n), false)
		if u := cost.Units(); err != nil || len(all) > 0 || u.Read > 2 {
			t.Errorf("reading on after %d entries: %d, %v, %+v", test.n, len(all), err, u)
		}
	}
}

// TestSleepersCost has a sweep go by tasks that are suspended. Those that are not due cost it
// nothing, however many they are: it asks DynamoDB for what is due, and nothing is left out of the
// answer.
func TestSleepersCost(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	h, lease := createDurable(t, l)
	_, err := lease.Suspend(t.Context(), far(), 0)
	must(t, err)
	var whole []dynamodblocal.Item
	for _, sk := range []string{"H", "L"} {
		it, err := dynamodblocal.Read(t.Context(), client, table, string(h.ID), sk)
		must(t, err)
		whole = append(whole, it)
	}
	if whole[0]["run"] != nil || whole[1]["run"] == nil {
		t.Fatalf("the index has %v", whole)
	}
	// sleepers puts items of n suspended tasks that are due then, evenly under the keys of the index.
	sleepers := func(n int, due time.Time, items []dynamodblocal.Item) {
		t.Helper()
		_, err := dynamodblocal.Tasks(t.Context(), client, table, n, items, func(i int, it dynamodblocal.Item) {
			if it["run"] != nil {
				it["run"] = dynamodblocal.String(fmt.Sprint("wait-", i%tasklog.Shards))
				it["cr"], it["u"] = dynamodblocal.Number(due.Unix()), dynamodblocal.Number(due.UnixMilli())
			}
		})
		must(t, err)
	}
	metered, cost := dynamodblocal.NewMeter(client)
	o := metered.Options()
	o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("shape", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			if q, ok := in.Parameters.(*dynamodb.QueryInput); ok && q.IndexName != nil {
				key := *q.KeyConditionExpression
				if q.FilterExpression != nil || !strings.Contains(key, "#run = ") || !strings.Contains(key, "#cr <= ") {
					t.Errorf("a query of the index reads more than what is due: %s, and a filter: %t", key, q.FilterExpression != nil)
				}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	})
	sweep := func(looked, asked int) dynamodblocal.Units {
		t.Helper()
		cost.Reset()
		s := newSweeper(dynamodb.New(o), table)
		report, err := s.Sweep(t.Context())
		if must(t, err); report.Looked != looked || len(s.asked) != asked {
			t.Errorf("%+v, %d asked for, want %d and %d", report, len(s.asked), looked, asked)
		}
		return cost.Units()
	}
	none := sweep(0, 0)
	t.Logf("a sweep of nothing: %+v", none)
	if want := 1 + 3*0.5*tasklog.Shards; none.Read != want || none.Write != 0 { // the places, and three keys of each shard
		t.Errorf("a sweep of nothing: %+v, want %v read units", none, want)
	}
	for _, n := range []int{500, 10_000} {
		sleepers(n, far(), whole[1:]) // a sweep reads no head of theirs
		if got := sweep(0, 0); got != none {
			t.Errorf("with %d sleepers: %+v, want %+v as with one", n, got, none)
		}
	}
	// Those that are due get a worker, once.
	sleepers(100, time.Now().Add(-time.Hour), whole)
	u := sweep(100, 100)
	t.Logf("100 that are due: %+v", u)
	if got := sweep(0, 0); got != none {
		t.Errorf("after that: %+v, want %+v", got, none)
	}
	ids, err := tasklogtest.Unfinished(t.Context(), l)
	if must(t, err); len(ids) != 10_601 {
		t.Errorf("the index has %d, want all", len(ids))
	}
}
