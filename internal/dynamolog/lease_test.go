package dynamolog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
)

// checkCost returns a function that checks what was spent since its last call.
func checkCost(t *testing.T, cost *dynamodblocal.Meter) func(what string, write, read float64, errs ...error) {
	return func(what string, write, read float64, errs ...error) {
		t.Helper()
		must(t, errs...)
		if u := cost.Units(); u.Write != write || u.Read != read {
			t.Errorf("%s: %v write units, %v read units, want %v and %v", what, u.Write, u.Read, write, read)
		}
		cost.Reset()
	}
}

// TestLeaseCost holds what a holder does to its price.
func TestLeaseCost(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	check := checkCost(t, cost)
	h, _, lease := create(t, l)
	cost.Reset()
	check("an append without state", 1, 0, lease.Append(t.Context(), 2, []tasklog.Entry{tasklogtest.EntryOf(
		a2a.NewArtifactEvent(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, a2a.NewTextPart("text")))}))
	_, err := lease.Renew(t.Context(), by("").Until)
	check("a renewal", 1, 0, err)
	_, err = l.AskedOf(t.Context(), "PROCESS")
	check("asking", 0, 0.5, err)
	must(t, lease.Append(t.Context(), 3, in(h, a2a.TaskStateWorking)))
	lease.Close(t.Context())
	check("an append with a new state", 4, 0)
	check("an append in the same state", 1, 0, lease.Append(t.Context(), 4, in(h, a2a.TaskStateWorking)))

	_, err = l.Load(t.Context(), h.ID)
	check("loading", 0, 1, err)
	_, err = l.Lease(t.Context(), h.ID)
	check("asking who holds the lease", 0, 1, err)
	_, err = l.Doubt(t.Context(), h.ID, load(t, l, h.ID).Lease)
	check("doubting the first holder, after loading", 1, 2, err)
	_, err = l.Doubt(t.Context(), h.ID, load(t, l, h.ID).Lease)
	check("doubting it again, after loading", 1, 2, err)
	_, err = lease.Renew(t.Context(), by("").Until)
	check("the answer", 1, 0, err)
	end := time.Now().Add(-time.Hour)
	acquire := func(what string, write float64) {
		t.Helper()
		s := load(t, l, h.ID)
		cost.Reset()
		end = end.Add(time.Second) // moves it in the index, for two units
		lease, err = l.Acquire(t.Context(), s, tasklog.Claim{Writer: what, Until: end})
		check(what, write, 0, err)
	}
	acquire("acquiring the lease of a holder that has not told its last status", 6)
	acquire("acquiring the lease of a holder that has crashed", 5)
	seen := load(t, l, h.ID).Lease
	cost.Reset()
	_, err = l.Doubt(t.Context(), h.ID, seen)
	check("doubting", 1, 0, err)
	_, err = l.Depose(t.Context(), h.ID, seen, tasklog.AnyPlace)
	check("deposing", 1, 0, err)
	acquire("acquiring the lease of a deposed holder", 5)
	check("releasing", 1, 0, lease.Release(t.Context()))
	acquire("acquiring a lease that was released", 1)
	must(t, lease.Append(t.Context(), 5, in(h, a2a.TaskStateInputRequired)))
	lease.Close(t.Context())
	check("the end of a turn", 5, 0)
	acquire("acquiring the lease for the next turn", 3)

	c := by("records")
	c.Records = true
	_, err = l.Acquire(t.Context(), load(t, l, h.ID), c)
	must(t, err)
	seen = load(t, l, h.ID).Lease
	cost.Reset()
	_, err = l.Depose(t.Context(), h.ID, seen, 0)
	check("deposing a holder that records", 2, 1, err)
}

// waiting returns a task that waits for input.
func waiting(t *testing.T, l *dynamolog.Log) (*tasklog.Snapshot, tasklog.Lease) {
	t.Helper()
	h, _, lease := create(t, l)
	must(t, lease.Append(t.Context(), 2, in(h, a2a.TaskStateInputRequired)))
	lease.Close(t.Context())
	return load(t, l, h.ID), lease
}

// TestHalfAcquired has somebody stop halfway to the lease of a task that waits. After the task is
// settled, the sweeper does not meet it again. If the other goes on, it does not get the lease.
func TestHalfAcquired(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	s, _ := waiting(t, l)
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
			if ids, err := tasklogtest.Unfinished(ctx, l); err != nil || slices.Contains(ids, s.Head.ID) {
				t.Errorf("it is still found, or %v", err)
			}
		}
		return next.HandleFinalize(ctx, in)
	}))
	if _, err := dynamolog.New(halfway, table).Acquire(t.Context(), s, by("slow")); !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("acquired: %v", err)
	}
	now := load(t, l, s.Head.ID)
	if now.Busy() {
		t.Fatalf("it is %+v", now)
	}
	_, err := l.Acquire(t.Context(), now, by("next"))
	must(t, err)
}

// TestRenewAfterNobody checks that a holder does not get back a lease that was left to a worker.
func TestRenewAfterNobody(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	s, lease := waiting(t, l)
	_, err := l.Acquire(t.Context(), s, tasklog.Claim{Writer: "x"})
	must(t, err)
	if _, err := lease.Renew(t.Context(), time.Now().Add(time.Minute)); !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("renewed: %v", err)
	}
}

// TestLeftToFormer checks that a process of a former version can take a lease that was left to a worker: it compares the
// stored end with that of the lease that it has read.
func TestLeftToFormer(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	s, _ := waiting(t, l)
	_, err := l.Acquire(t.Context(), s, tasklog.Claim{Writer: "x"})
	must(t, err)
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &table,
		Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: string(s.Head.ID)}, "sk": &types.AttributeValueMemberS{Value: "L"},
		},
	})
	must(t, err)
	until, _ := out.Item["u"].(*types.AttributeValueMemberN)
	if want := fmt.Sprint(load(t, l, s.Head.ID).Lease.Until.UnixMilli()); until == nil || until.Value != want {
		t.Errorf("the stored end is %v, want %s", until, want)
	}
}

// before returns a client like c that calls do before its nth request.
func before(c *dynamodb.Client, nth int32, do func(context.Context) error) *dynamodb.Client {
	var n atomic.Int32
	return with(c, middleware.FinalizeMiddlewareFunc("before", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (out middleware.FinalizeOutput, md middleware.Metadata, err error) {
		if n.Add(1) == nth {
			if err := do(ctx); err != nil {
				return out, md, err
			}
		}
		return next.HandleFinalize(ctx, in)
	}))
}

// TestDoubt has somebody doubt a holder that has not appended its message, while others act between
// the doubter's requests. Nobody gets the lease without the place in the log, and nobody is kept
// out for good.
func TestDoubt(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	for nth := range int32(4) {
		// begin returns a task that waits, whose next holder has not appended anything.
		begin := func(t *testing.T) (tasklog.Head, *tasklog.Snapshot, tasklog.Lease) {
			s, _ := waiting(t, l)
			holder, err := l.Acquire(t.Context(), s, by("holder"))
			must(t, err)
			return s.Head, load(t, l, s.Head.ID), holder
		}
		doubt := func(t *testing.T, s *tasklog.Snapshot, do func(context.Context) error) (tasklog.Lease, error) {
			lease, err := dynamolog.New(before(client, nth+1, do), table).Acquire(t.Context(), s, by("doubter"))
			if err != nil && !errors.Is(err, tasklog.ErrConflict) && !errors.Is(err, errDied) {
				t.Fatal(err)
			}
			return lease, err
		}
		t.Run(fmt.Sprint("another doubts before request ", nth), func(t *testing.T) {
			h, s, _ := begin(t)
			var other tasklog.Lease
			otherErr := errors.New("did not come")
			lease, err := doubt(t, s, func(ctx context.Context) error {
				other, otherErr = l.Acquire(ctx, s, by("other"))
				return nil
			})
			if (err == nil) == (otherErr == nil) {
				t.Fatalf("one got %v, the other %v", err, otherErr)
			}
			if err != nil {
				lease = other
			}
			must(t, lease.Append(t.Context(), 3, in(h, a2a.TaskStateSubmitted)))
		})
		t.Run(fmt.Sprint("the holder appends before request ", nth), func(t *testing.T) {
			h, s, holder := begin(t)
			appended := errors.New("did not come")
			lease, err := doubt(t, s, func(ctx context.Context) error {
				appended = holder.Append(ctx, 3, in(h, a2a.TaskStateSubmitted))
				return nil
			})
			if (err == nil) == (appended == nil) {
				t.Fatalf("the doubter got %v, the holder %v", err, appended)
			}
			if err != nil {
				_, err = holder.Renew(t.Context(), time.Now().Add(time.Minute))
				must(t, err, holder.Append(t.Context(), 4, in(h, a2a.TaskStateWorking)))
			} else {
				must(t, lease.Append(t.Context(), 3, in(h, a2a.TaskStateSubmitted)))
			}
		})
		t.Run(fmt.Sprint("the holder renews before request ", nth), func(t *testing.T) {
			h, s, holder := begin(t)
			lease, err := doubt(t, s, func(ctx context.Context) error {
				_, _ = holder.Renew(ctx, time.Now().Add(2*time.Minute))
				return nil
			})
			if err != nil {
				lease = holder
			}
			must(t, lease.Append(t.Context(), 3, in(h, a2a.TaskStateSubmitted)))
		})
		t.Run(fmt.Sprint("the doubter dies before request ", nth), func(t *testing.T) {
			h, s, holder := begin(t)
			_, err := doubt(t, s, func(context.Context) error { return errDied })
			if err == nil {
				return // it needs no such request
			}
			if _, err = holder.Renew(t.Context(), time.Now().Add(time.Minute)); errors.Is(err, tasklog.ErrConflict) {
				err = nil // the doubter has the lease
			}
			must(t, err)
			if done, err := l.Depose(t.Context(), h.ID, load(t, l, h.ID).Lease, tasklog.AnyPlace); !done || err != nil {
				t.Fatalf("deposing: %t, %v", done, err)
			}
			for tries := 1; ; tries++ {
				lease, err := l.Acquire(t.Context(), load(t, l, h.ID), by(string(a2a.NewTaskID())))
				if errors.Is(err, tasklog.ErrConflict) && tries < 2 {
					continue
				}
				must(t, err, lease.Append(t.Context(), 3, in(h, a2a.TaskStateSubmitted)))
				break
			}
		})
	}
}

var errDied = errors.New("died")

// TestAskedInOrder has somebody ask something of a holder each time that its process is about to delete
// what it has read. The process learns of it at once, by its renewal, or the next time. A doubt is
// announced before it stands.
func TestAskedInOrder(t *testing.T) {
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	other := dynamolog.New(client, table)
	process := tasklog.NewProcess()
	h, first := tasklogtest.NewTask()
	var lease tasklog.Lease
	var asks func()
	l := dynamolog.New(with(client, middleware.FinalizeMiddlewareFunc("asks", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if do := asks; do != nil && awsmiddleware.GetOperationName(ctx) == "DeleteItem" {
			asks = nil
			do()
		}
		return next.HandleFinalize(ctx, in)
	})), table)
	lease, err := l.Create(t.Context(), h, first, by(tasklog.NewWriter(process)))
	must(t, err)
	renew := func() tasklog.Asked {
		t.Helper()
		asked, err := lease.Renew(t.Context(), by("").Until)
		must(t, err)
		return asked
	}
	renew()
	check := checkCost(t, cost)
	cost.Reset()
	check("waking a task that runs", 3, 0, other.Wake(t.Context(), h.ID))
	asks = func() { must(t, other.Wake(t.Context(), h.ID), other.RequestCancel(t.Context(), h)) }
	if ids, err := l.AskedOf(t.Context(), process); len(ids) != 1 || err != nil {
		t.Fatal(ids, err)
	}
	if asked := renew(); asked.Woken != 2 || !asked.Cancel {
		t.Errorf("asked before it was read is %+v", asked)
	}
	cost.Reset()
	must(t, other.Wake(t.Context(), h.ID))
	asks = nil
	ids, err := l.AskedOf(t.Context(), process)
	check("and hearing of it", 4, 0.5, err)
	if asked := renew(); len(ids) != 1 || asked.Woken != 3 {
		t.Errorf("of %v asked is %+v", ids, asked)
	}

	seen, err := other.Lease(t.Context(), h.ID)
	must(t, err)
	doubting := dynamolog.New(with(client, middleware.FinalizeMiddlewareFunc("doubts", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		out, md, err := next.HandleFinalize(ctx, in)
		if awsmiddleware.GetOperationName(ctx) == "UpdateItem" {
			ids, err := other.AskedOf(ctx, process)
			if must(t, err); len(ids) > 0 {
				renew() // before the doubt stands
			}
		}
		return out, md, err
	})), table)
	if _, err := doubting.Doubt(t.Context(), h.ID, seen); !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("doubting a holder that has answered: %v", err)
	}
	if now, err := other.Lease(t.Context(), h.ID); err != nil || now.Doubted || !now.Until.After(seen.Until) {
		t.Errorf("the lease is %+v, %v", now, err)
	}
}
