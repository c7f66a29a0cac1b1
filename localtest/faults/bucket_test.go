package faults_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/faults"
)

// TestBucket has an owner begin more tasks than the keys of its list have units for: the rest is
// refused. A task of another owner is not, and neither is a write that changes no index.
func TestBucket(t *testing.T) {
	client, table := dynamodblocal.Table(t)
	proxy, server := faults.Start(t, dynamodblocal.Endpoint(t), 1)
	options := client.Options()
	options.BaseEndpoint, options.RetryMaxAttempts = &server.URL, 1
	l := dynamolog.New(dynamodb.New(options), table)
	bucket := new(faults.Bucket)
	list := faults.Index{Key: "li", Others: []string{"po", "s", "ctx", "x"}, Rate: 1e-6}
	bucket.Set(list)
	create := func(owner string) (tasklog.Head, tasklog.Lease, error) {
		h, first := tasklogtest.NewTask()
		h.Scope.Owner = owner
		lease, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Minute)})
		return h, lease, err
	}
	proxy.Limit(bucket)
	if _, _, err := create("poor"); !errors.Is(err, tasklog.ErrThrottled) {
		t.Errorf("a key without units: %v", err)
	}
	bucket = new(faults.Bucket)
	list.Rate = 30
	bucket.Set(list)
	proxy.Limit(bucket)
	// Each of the list's four keys has thirty units at first, and gets thirty in each second.
	begun, done, refused := time.Now(), 0, 0
	var head tasklog.Head
	var lease tasklog.Lease
	for range 300 {
		h, lent, err := create("one")
		switch {
		case err == nil:
			head, lease = h, lent
			done++
		case errors.Is(err, tasklog.ErrThrottled):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if most := 120 * (1 + time.Since(begun).Seconds()); done < 60 || float64(done) > most || refused != bucket.Refused() {
		t.Errorf("%d tasks have begun, at most %v should have; %d were refused, the bucket says %d", done, most, refused, bucket.Refused())
	}
	if _, _, err := create("two"); err != nil {
		t.Errorf("another owner: %v", err)
	}
	list.Rate = 1e-6
	bucket.Set(list) // the units are gone
	before := bucket.Refused()
	artifact := tasklogtest.EntryOf(a2a.NewArtifactEvent(a2a.TaskInfo{TaskID: head.ID, ContextID: head.ContextID}, a2a.NewTextPart("x")))
	if err := lease.Append(t.Context(), 2, []tasklog.Entry{artifact}); err != nil {
		t.Errorf("an append that the list is not told of: %v", err)
	}
	if _, err := lease.Renew(t.Context(), time.Now().Add(time.Minute)); err != nil {
		t.Errorf("a renewal: %v", err)
	}
	if bucket.Refused() != before {
		t.Error("they were refused")
	}
	if err := l.Settle(t.Context(), &tasklog.Snapshot{
		Head: head, Seq: 2, Task: &a2a.Task{ID: head.ID, Status: a2a.TaskStatus{State: a2a.TaskStateCompleted}},
		Lease: tasklog.LeaseInfo{Epoch: 1, Seq: 1},
	}); !errors.Is(err, tasklog.ErrThrottled) {
		t.Errorf("a new place in the list: %v", err)
	}
}

// TestBucketOfMany has an owner begin many tasks at once, in a process that puts their items by shared
// requests: those are refused, too.
func TestBucketOfMany(t *testing.T) {
	client, table := dynamodblocal.Table(t)
	proxy, server := faults.Start(t, dynamodblocal.Endpoint(t), 1)
	options := client.Options()
	options.BaseEndpoint, options.RetryMaxAttempts = &server.URL, 1
	l := dynamolog.New(dynamodb.New(options), table)
	l.Share()
	bucket := new(faults.Bucket)
	bucket.Set(faults.Index{Key: "li", Others: []string{"po", "s", "ctx", "x"}, Rate: 10})
	proxy.Limit(bucket)
	const tasks = 200
	var all sync.WaitGroup
	var done, refused atomic.Int64
	begun := time.Now()
	for range tasks {
		all.Go(func() {
			h, first := tasklogtest.NewTask()
			h.Scope.Owner = "one"
			_, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Minute)})
			switch {
			case err == nil:
				done.Add(1)
				_, err = l.Load(t.Context(), h.ID)
			case errors.Is(err, tasklog.ErrThrottled):
				refused.Add(1)
				err = nil
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	// Each of the list's four keys has ten units at first.
	if most := 40 * (1 + time.Since(begun).Seconds()); done.Load() < 20 || float64(done.Load()) > most || int(refused.Load()) > bucket.Refused() {
		t.Errorf("%d tasks have begun, at most %v should have; %d were refused, the bucket says %d", done.Load(), most, refused.Load(), bucket.Refused())
	}
}
