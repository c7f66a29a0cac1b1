package dynamolog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// request is a request to DynamoDB.
type request struct {
	op   string
	Item map[string]map[string]any
	size int // of the body
}

// sort returns the item's sort key.
func (r request) sort() string {
	s, _ := r.Item["sk"]["S"].(string)
	return s
}

// answerer is an HTTP client that answers as an empty DynamoDB does. If refuse is set and returns a
// status and an error code, it answers with those.
type answerer struct {
	refuse func(request) (status int, code string)

	mu   sync.Mutex
	puts map[string]int // items that were put, by sort key, and how often
	sent []request
}

func (a *answerer) Do(r *http.Request) (*http.Response, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	q := request{size: len(data)}
	_, q.op, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if q.op == "PutItem" {
		if err := json.Unmarshal(data, &q); err != nil {
			return nil, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent = append(a.sent, q)
	status, code := http.StatusOK, ""
	if a.refuse != nil {
		status, code = a.refuse(q)
	}
	body := "{}"
	switch {
	case status != http.StatusOK:
		body = fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"too many"}`, code)
	case q.op == "PutItem":
		if a.puts == nil {
			a.puts = make(map[string]int)
		}
		a.puts[q.sort()]++
	}
	return &http.Response{
		StatusCode: status, Request: r, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body:   io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// log returns a log whose requests a answers. They are retried as in the functions.
func (a *answerer) log(t *testing.T) *dynamolog.Log {
	t.Setenv("AWS_NEW_RETRIES_2026", "true")
	return dynamolog.New(dynamodb.New(dynamodb.Options{
		Region: "us-east-1", HTTPClient: a, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		DisableValidateResponseChecksum: true,
	}), "table")
}

// busy refuses all.
func busy(request) (int, string) {
	return http.StatusBadRequest, "ProvisionedThroughputExceededException"
}

// TestThrottledError has DynamoDB refuse every operation, because of its load or for another
// reason.
func TestThrottledError(t *testing.T) {
	for _, test := range []struct {
		status    int
		code      string
		throttled bool
	}{
		{400, "ProvisionedThroughputExceededException", true},
		{400, "ThrottlingException", true},
		{400, "RequestLimitExceeded", true},
		{400, "LimitExceededException", true},
		{503, "ServiceUnavailable", true},
		{500, "InternalServerError", false},
		{400, "ValidationException", false},
		{400, "AccessDeniedException", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := new(answerer)
			l := a.log(t)
			h, lease := createDurable(t, l)
			_, first := tasklogtest.NewTask()
			_, lastly := createDurable(t, l)
			_, _, other := create(t, l)
			a.refuse = func(request) (int, string) { return test.status, test.code }
			s := &tasklog.Snapshot{Head: h, Task: &a2a.Task{ID: h.ID}, Seq: 1, Lease: tasklog.LeaseInfo{Epoch: 1, Seq: 1}}
			ctx := t.Context()
			for name, call := range map[string]func() error{
				"Create":        func() error { _, err := l.Create(ctx, h, first, by("x")); return err },
				"Acquire":       func() error { _, err := l.Acquire(ctx, s, by("x")); return err },
				"Load":          func() error { _, err := l.Load(ctx, h.ID); return err },
				"Peek":          func() error { _, err := l.Peek(ctx, h.ID, tasklog.Want{}); return err },
				"Lease":         func() error { _, err := l.Lease(ctx, h.ID); return err },
				"Read":          func() error { _, _, err := l.Read(ctx, h.ID, 0, 1); return err },
				"Acquired":      func() error { _, err := l.Acquired(ctx, h.ID, 1); return err },
				"Poll":          func() error { _, err := l.Poll(ctx, h.ID, 1, false); return err },
				"RequestCancel": func() error { return l.RequestCancel(ctx, h) },
				"Append":        func() error { return lease.Append(ctx, 2, in(h, a2a.TaskStateWorking)) },
				"Renew":         func() error { _, err := lease.Renew(ctx, time.Now().Add(time.Minute)); return err },
				"AskedOf":       func() error { _, err := l.AskedOf(ctx, "PROCESS"); return err },
				"Steps":         func() error { _, _, err := l.Steps(ctx, h.ID, 0, true); return err },
				"Wake":          func() error { return l.Wake(ctx, h.ID) },
				"OpenWait":      func() error { return l.OpenWait(ctx, h, "a", "") },
				"Wait":          func() error { _, err := l.Wait(ctx, h.ID, "a"); return err },
				"OpenWaits":     func() error { _, err := l.OpenWaits(ctx, h.ID); return err },
				"Deliver":       func() error { return l.Deliver(ctx, h.ID, "a", tasklog.Delivery{}) },
				"Deliver much":  func() error { return l.Deliver(ctx, h.ID, "a", tasklog.Delivery{Body: random(10_000)}) },
				"CloseWait":     func() error { _, err := l.CloseWait(ctx, h.ID, "a"); return err },
				"Record":        func() error { return lease.Record(ctx, 1, [][]byte{[]byte("{}")}) },
				"Suspend":       func() error { _, err := lastly.Suspend(ctx, time.Now(), 0); return err },
				"Release":       func() error { return other.Release(ctx) },
				"List":          func() error { _, err := l.List(ctx, tasklog.Filter{}, tasklog.Position{}, 1); return err },
				"InContext":     func() error { _, err := l.InContext(ctx, h.Scope, h.ContextID, 1); return err },
				"Count":         func() error { _, err := l.Count(ctx, tasklog.Filter{}); return err },
				"Due":           func() error { _, _, err := l.Due(ctx, 0, time.Now(), "", 1); return err },
				"Postpone":      func() error { _, err := l.Postpone(ctx, tasklog.Look{ID: h.ID}, time.Now()); return err },
				"Places":        func() error { _, err := l.Places(ctx); return err },
				"SavePlace":     func() error { return l.SavePlace(ctx, 0, "", "x") },
				"TakeRound":     func() error { _, _, err := l.TakeRound(ctx, time.Now(), time.Now()); return err },
				"Settle":        func() error { return l.Settle(ctx, s) },
				"Secret":        func() error { _, err := l.Secret(ctx); return err },
				"Push.List":     func() error { _, err := l.Pushes().List(ctx, h.ID); return err },
				"Push.Put":      func() error { return l.Pushes().Put(ctx, h, push.Config{TaskID: h.ID, ID: "x", Expires: h.Expires}) },
			} {
				if err := call(); err == nil || errors.Is(err, tasklog.ErrThrottled) != test.throttled {
					t.Errorf("%s, %s: %v", test.code, name, err)
				}
			}
		})
	}
}

// TestGivesUpSoon checks how often a throttled request is retried, and for how long. What begins a
// task gives up after a second; what a running task writes does not.
func TestGivesUpSoon(t *testing.T) {
	for _, test := range []struct {
		ctx   func(context.Context) context.Context
		tries int
		most  time.Duration
	}{
		{tasklog.GiveUpSoon, 2, time.Second},
		{func(ctx context.Context) context.Context { return ctx }, 4, 7 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := &answerer{refuse: busy}
			l := a.log(t)
			h, first := tasklogtest.NewTask()
			h.Begins, h.ContextID = true, tasklog.ContextOf(h.ID) // otherwise two requests come first, at the same time
			for _, call := range []func(context.Context) error{
				func(ctx context.Context) error { _, err := l.Create(ctx, h, first, by("x")); return err },
				func(ctx context.Context) error { _, err := l.Load(ctx, h.ID); return err },
				func(ctx context.Context) error { return l.Deliver(ctx, h.ID, "a", tasklog.Delivery{}) },
				func(ctx context.Context) error { return l.Wake(ctx, h.ID) },
			} {
				a.sent = nil
				begun := time.Now()
				if err := call(test.ctx(t.Context())); !errors.Is(err, tasklog.ErrThrottled) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(begun); len(a.sent) != test.tries || took > test.most {
					t.Errorf("%d tries in %v, want %d in %v", len(a.sent), took, test.tries, test.most)
				}
			}
		})
	}
}

// TestQuotas has hundreds of tasks that can't begin, and as many reads fail. An append of a running
// task is still retried as often as ever. A request without quota left is refused at once.
func TestQuotas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := new(answerer)
		l := a.log(t)
		h, first, lease := create(t, l)
		a.refuse = busy
		soon := tasklog.GiveUpSoon(t.Context())
		var begun time.Time
		for range 300 {
			other, _ := tasklogtest.NewTask()
			begun = time.Now()
			if _, err := l.Create(soon, other, first, by("x")); !errors.Is(err, tasklog.ErrThrottled) {
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("the last was refused after %v", took)
		}
		for range 300 {
			if _, err := l.Poll(t.Context(), h.ID, 1, false); !errors.Is(err, tasklog.ErrThrottled) {
				t.Fatal(err)
			}
		}
		refused := 0
		a.refuse = func(q request) (int, string) {
			if refused++; refused <= 3 {
				return busy(q)
			}
			return http.StatusOK, ""
		}
		if err := lease.Append(t.Context(), 2, in(h, a2a.TaskStateWorking)); err != nil {
			t.Errorf("after %d tries: %v", refused, err)
		}
		lease.Close(t.Context())
	})
}

// TestThrottledOutOfTime checks that a request whose time ends while it waits for its next try is
// throttled, too.
func TestThrottledOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &answerer{refuse: busy}
		l := a.log(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := l.Load(ctx, "x"); !errors.Is(err, tasklog.ErrThrottled) {
			t.Errorf("got %v", err)
		}
	})
}
