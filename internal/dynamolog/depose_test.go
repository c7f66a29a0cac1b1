package dynamolog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
)

// TestDepose has somebody depose a holder that records, while others act between the deposer's
// requests. What a holder is told that it has recorded, it has recorded as the holder. Nobody is
// kept out for good.
func TestDepose(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	claim := func(writer string) tasklog.Claim {
		c := by(writer)
		c.Records = true
		return c
	}
	record := func(ctx context.Context, lease tasklog.Lease, text string) error {
		return lease.Record(ctx, 1, [][]byte{[]byte(fmt.Sprintf("%q", text))})
	}
	for _, lateEpoch := range []bool{false, true} {
		for nth := range int32(5) {
			// begin returns a task whose holder has recorded nothing.
			begin := func(t *testing.T) (tasklog.Head, tasklog.LeaseInfo, tasklog.Lease) {
				h, first := tasklogtest.NewTask()
				holder, err := l.Create(t.Context(), h, first, claim("first"))
				must(t, err)
				if lateEpoch {
					holder, err = l.Acquire(t.Context(), load(t, l, h.ID), claim("holder"))
					must(t, err)
				}
				return h, load(t, l, h.ID).Lease, holder
			}
			depose := func(t *testing.T, h tasklog.Head, seen tasklog.LeaseInfo, do func(context.Context) error) (bool, error) {
				done, err := dynamolog.New(before(client, nth+1, do), table).Depose(t.Context(), h.ID, seen, 0)
				if err != nil && !errors.Is(err, errDied) {
					t.Fatal(err)
				}
				return done, err
			}
			run := func(what string, f func(t *testing.T)) {
				t.Run(fmt.Sprintf("%s before request %d; a later epoch: %t", what, nth, lateEpoch), f)
			}
			run("the holder records", func(t *testing.T) {
				h, seen, holder := begin(t)
				recorded := errors.New("did not come")
				done, _ := depose(t, h, seen, func(ctx context.Context) error {
					recorded = record(ctx, holder, "one")
					return nil
				})
				if done == (recorded == nil) {
					t.Errorf("deposed: %t, recorded: %v", done, recorded)
				}
			})
			run("the holder renews", func(t *testing.T) {
				h, seen, holder := begin(t)
				renewed := errors.New("did not come")
				done, _ := depose(t, h, seen, func(ctx context.Context) error {
					_, renewed = holder.Renew(ctx, seen.Until.Add(time.Minute))
					return nil
				})
				if done == (renewed == nil) {
					t.Errorf("deposed: %t, renewed: %v", done, renewed)
				}
				if !done {
					must(t, record(t.Context(), holder, "one"))
				}
			})
			run("another takes over", func(t *testing.T) {
				h, seen, holder := begin(t)
				var next tasklog.Lease
				_, _ = depose(t, h, seen, func(ctx context.Context) error {
					if _, err := l.Depose(ctx, h.ID, seen, 0); err != nil {
						return err
					}
					s, err := l.Load(ctx, h.ID)
					if err != nil {
						return err
					}
					next, err = l.Acquire(ctx, s, claim("next"))
					return err
				})
				if err := record(t.Context(), holder, "late"); next != nil && !errors.Is(err, tasklog.ErrConflict) {
					t.Errorf("a deposed holder recorded: %v", err)
				}
				if next != nil {
					must(t, record(t.Context(), next, "one"))
				}
			})
			run("the deposer dies", func(t *testing.T) {
				h, seen, holder := begin(t)
				if _, err := depose(t, h, seen, func(context.Context) error { return errDied }); err == nil {
					return // it needs no such request
				}
				if done, err := l.Depose(t.Context(), h.ID, seen, 0); !done || err != nil {
					t.Fatalf("deposing again: %t, %v", done, err)
				}
				if err := record(t.Context(), holder, "late"); !errors.Is(err, tasklog.ErrConflict) {
					t.Errorf("a deposed holder recorded: %v", err)
				}
				next, err := l.Acquire(t.Context(), load(t, l, h.ID), claim("next"))
				must(t, err, record(t.Context(), next, "one"))
			})
		}
	}
}

// TestDeaf has holders of a former version, which do not say that they learn of doubts.
func TestDeaf(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	h, _, holder := create(t, l)
	deaf := func(what string, want bool) {
		t.Helper()
		lease, err := l.Lease(t.Context(), h.ID)
		polled, pollErr := l.Poll(t.Context(), h.ID, 1, false)
		peeked, peekErr := l.Peek(t.Context(), h.ID, tasklog.Want{})
		must(t, err, pollErr, peekErr)
		if loaded := load(t, l, h.ID).Lease; peeked.Lease.Deaf != want || lease.Deaf != want || polled.Lease.Deaf != want || loaded.Deaf != want {
			t.Errorf("%s is deaf: %t, %t, %t", what, lease.Deaf, polled.Lease.Deaf, loaded.Deaf)
		}
	}
	former := func(sk string, change func(dynamodblocal.Item)) {
		t.Helper()
		it, err := dynamodblocal.Read(t.Context(), client, table, string(h.ID), sk)
		must(t, err)
		change(it)
		_, err = client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it})
		must(t, err)
	}
	deaf("the first holder", false)
	_, err := holder.Renew(t.Context(), by("").Until)
	must(t, err)
	deaf("the first holder, after a renewal", false)
	former("H", func(it dynamodblocal.Item) { delete(it, "ha") })
	deaf("a first holder of a former version", true)
	_, err = l.Acquire(t.Context(), load(t, l, h.ID), by("next"))
	must(t, err)
	deaf("the next holder", false)
	former("L", func(it dynamodblocal.Item) { // it has acquired the lease
		it["w"], it["ep"] = dynamodblocal.String("former"), dynamodblocal.Number(3)
	})
	deaf("a later holder of a former version", true)
	_, err = l.Acquire(t.Context(), load(t, l, h.ID), by("last"))
	must(t, err)
	deaf("the last holder", false)
}

// TestLateRenewal has a renewal reach the table after the release of the lease, or after the holder was
// deposed. It does not take that back.
func TestLateRenewal(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	for _, renewed := range []bool{false, true} {
		for _, deposed := range []bool{false, true} {
			var lease tasklog.Lease
			h, first := tasklogtest.NewTask()
			late, isLate := false, func(ctx context.Context) error {
				if !deposed {
					return lease.Release(ctx)
				}
				_, err := l.Depose(ctx, h.ID, load(t, l, h.ID).Lease, tasklog.AnyPlace)
				return err
			}
			slow := dynamolog.New(with(client, middleware.FinalizeMiddlewareFunc("late", func(
				ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
			) (out middleware.FinalizeOutput, md middleware.Metadata, err error) {
				if late {
					late = false
					if err := isLate(ctx); err != nil {
						return out, md, err
					}
				}
				return next.HandleFinalize(ctx, in)
			})), table)
			var err error
			lease, err = slow.Create(t.Context(), h, first, by("holder"))
			must(t, err)
			if renewed {
				_, err = lease.Renew(t.Context(), by("").Until)
				must(t, err)
			}
			late = true
			if _, err := lease.Renew(t.Context(), by("").Until); !errors.Is(err, tasklog.ErrConflict) {
				t.Errorf("renewing: %v", err)
			}
			if l := load(t, l, h.ID).Lease; l.Held() || l.Released == deposed || l.Deposed != deposed {
				t.Errorf("the lease is %+v", l)
			}
		}
	}
}
