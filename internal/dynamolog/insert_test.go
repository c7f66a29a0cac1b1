package dynamolog_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
)

// TestShare has a process begin 100 tasks at once, and compares requests and price with those of a process
// that shares none.
func TestShare(t *testing.T) {
	t.Parallel()
	const tasks, events = 100, 5
	cost := func(share bool) (alone, shared int, units dynamodblocal.Units) {
		client, table := newTable(t)
		client, meter := dynamodblocal.NewMeter(client)
		var puts, batches atomic.Int64
		l := dynamolog.New(answered(client, func(ctx context.Context, in any) (any, error) {
			switch in := in.(type) {
			case *dynamodb.PutItemInput:
				puts.Add(1)
			case *dynamodb.BatchExecuteStatementInput:
				batches.Add(1)
				if n := len(in.Statements); n > dynamolog.InsertMost || len(dynamolog.Callers(ctx)) != n {
					t.Errorf("%d statements of %d callers", n, len(dynamolog.Callers(ctx)))
				}
			}
			return nil, nil
		}), table)
		if share {
			l.Share()
		}
		var all sync.WaitGroup
		for i := range tasks {
			all.Go(func() {
				h, first := tasklogtest.NewTask()
				lease, err := l.Create(t.Context(), h, first, by("w"))
				if err != nil {
					t.Error(err)
					return
				}
				for e := range events {
					if err := lease.Append(t.Context(), int64(2+e), []tasklog.Entry{tasklogtest.Status(h, a2a.TaskStateWorking, fmt.Sprint(i, " ", e))}); err != nil {
						t.Error(err)
					}
				}
				got, more, err := l.Read(t.Context(), h.ID, 1, 100)
				if err != nil || more || len(got) != events {
					t.Errorf("%d events, %t, %v", len(got), more, err)
				}
				for e, event := range got {
					if !strings.Contains(string(event.JSON), fmt.Sprintf("%q", fmt.Sprint(i, " ", e))) {
						t.Errorf("event %d of task %d is %s", e, i, event.JSON)
					}
				}
				lease.Close(t.Context())
			})
		}
		all.Wait()
		return int(puts.Load()), int(batches.Load()), meter.Units()
	}
	puts, none, before := cost(false)
	alone, batches, now := cost(true)
	if all := tasks * (3 + events); puts != all || none != 0 {
		t.Errorf("%d puts and %d shared requests where nothing is shared, want %d and 0", puts, none, all)
	}
	if alone+batches > puts/4 {
		t.Errorf("%d puts and %d shared requests, of %d puts: too many", alone, batches, puts)
	}
	// Of a statement, DynamoDB Local leaves out the units of indexes.
	if now.Writes != before.Writes || now.Write > before.Write {
		t.Errorf("%+v where requests are shared, %+v where they are not", now, before)
	}
}

// TestShareRefused checks that what a shared request does not put is put alone, whatever the reason, and
// that requests are not shared for a while after one that will fail again.
func TestShareRefused(t *testing.T) {
	t.Parallel()
	denied := &types.BatchStatementError{Code: types.BatchStatementErrorCodeEnumAccessDenied}
	slow := &types.BatchStatementError{Code: types.BatchStatementErrorCodeEnumProvisionedThroughputExceeded}
	for _, test := range []struct {
		name   string
		answer func(n int) (*dynamodb.BatchExecuteStatementOutput, error)
		rests  bool
	}{
		{"request denied", func(int) (*dynamodb.BatchExecuteStatementOutput, error) {
			return nil, errors.New("AccessDeniedException")
		}, true},
		{"statements denied", func(n int) (*dynamodb.BatchExecuteStatementOutput, error) {
			return &dynamodb.BatchExecuteStatementOutput{Responses: slices.Repeat([]types.BatchStatementResponse{{Error: denied}}, n)}, nil
		}, true},
		{"statements throttled", func(n int) (*dynamodb.BatchExecuteStatementOutput, error) {
			return &dynamodb.BatchExecuteStatementOutput{Responses: slices.Repeat([]types.BatchStatementResponse{{Error: slow}}, n)}, nil
		}, false},
		{"an answer to nothing", func(int) (*dynamodb.BatchExecuteStatementOutput, error) {
			return &dynamodb.BatchExecuteStatementOutput{}, nil
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client, table := newTable(t)
			var batches atomic.Int64
			l := dynamolog.New(answered(client, func(_ context.Context, in any) (any, error) {
				p, ok := in.(*dynamodb.BatchExecuteStatementInput)
				if !ok {
					return nil, nil
				}
				batches.Add(1)
				return test.answer(len(p.Statements))
			}), table)
			l.Share()
			var after [2]int64 // how many were sent, after each round
			for round := range after {
				var all sync.WaitGroup
				for range 2 * dynamolog.InsertMost {
					all.Go(func() {
						h, first := tasklogtest.NewTask()
						if _, err := l.Create(t.Context(), h, first, by("w")); err != nil {
							t.Error(err)
						}
						if _, err := l.Load(t.Context(), h.ID); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				after[round] = batches.Load()
			}
			if rested := after[0] == after[1]; after[0] == 0 || rested != test.rests {
				t.Errorf("shared requests after each round: %d", after)
			}
		})
	}
}

// TestShareWhen checks by fake time when puts are sent: the first alone, and at once; the others after
// a gap, or when there are enough; but not those whose callers have gone. A large one does not wait, nor
// does any for a while after a shared request has failed.
func TestShareWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type sent struct {
			after time.Duration
			puts  int
		}
		var mu sync.Mutex
		var got []sent
		var broken atomic.Bool
		begun := time.Now()
		o := dynamodb.Options{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""), HTTPClient: noRoute{}}
		l := dynamolog.New(answered(dynamodb.New(o), func(_ context.Context, in any) (any, error) {
			mu.Lock()
			switch p := in.(type) {
			case *dynamodb.PutItemInput:
				got = append(got, sent{time.Since(begun), 1})
				mu.Unlock()
				time.Sleep(time.Second)
				return &dynamodb.PutItemOutput{}, nil
			case *dynamodb.BatchExecuteStatementInput:
				got = append(got, sent{time.Since(begun), len(p.Statements)})
				mu.Unlock()
				if broken.Load() {
					return nil, errors.New("broken")
				}
				return &dynamodb.BatchExecuteStatementOutput{Responses: make([]types.BatchStatementResponse, len(p.Statements))}, nil
			}
			mu.Unlock()
			return nil, errors.New("not expected")
		}), "tasks")
		l.Share()
		h, first := tasklogtest.NewTask()
		lease, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Hour), Records: true})
		must(t, err)
		got, begun = nil, time.Now()
		open := func(ctx context.Context) {
			_ = l.OpenWait(ctx, tasklog.Head{ID: "t", Expires: time.Now().Add(time.Hour)}, "a", "")
		}
		go open(t.Context())
		synctest.Wait()
		gone, leave := context.WithCancel(t.Context())
		for _, ctx := range []context.Context{t.Context(), gone, t.Context()} {
			go open(ctx)
		}
		synctest.Wait()
		leave()
		time.Sleep(dynamolog.InsertGap)
		synctest.Wait()
		for range dynamolog.InsertMost {
			go open(t.Context())
		}
		synctest.Wait()
		go lease.Record(t.Context(), 1, [][]byte{random(10_000)})
		synctest.Wait()
		time.Sleep(2*time.Second - dynamolog.InsertGap)
		twice := func() { // at the same time
			go open(t.Context())
			synctest.Wait()
			go open(t.Context())
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		broken.Store(true)
		twice()
		twice()
		broken.Store(false)
		time.Sleep(dynamolog.InsertRest - 4*time.Second)
		twice()
		twice()
		rested := dynamolog.InsertRest
		want := []sent{
			{0, 1},
			{0, 1}, // whose caller has gone: it tries alone, which its context ends
			{dynamolog.InsertGap, 2},
			{dynamolog.InsertGap, dynamolog.InsertMost},
			{dynamolog.InsertGap, 1}, // the large one
			{2 * time.Second, 1},
			{2*time.Second + dynamolog.InsertGap, 1}, // fails
			{2*time.Second + dynamolog.InsertGap, 1},
			{4 * time.Second, 1},
			{4 * time.Second, 1},
			{2*time.Second + rested, 1},
			{2*time.Second + rested, 1},
			{4*time.Second + rested, 1},
			{4*time.Second + rested + dynamolog.InsertGap, 1},
		}
		if !slices.Equal(got, want) {
			t.Errorf("sent %v, want %v", got, want)
		}
		time.Sleep(2 * time.Second)
	})
}

type noRoute struct{}

func (noRoute) Do(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }
