package dynamolog_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"a2alambda/internal/bucket"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/ministack"
)

// s3 is the client of a bucket. It shows each request to strike, which may answer it.
type s3 struct {
	strike func(method, key string) (status int, code string)

	mu         sync.Mutex
	puts, gets []string // the keys that S3 was asked for
}

// answerLost is a status for a request that is done, but whose answer is lost.
const answerLost = -1

func (s *s3) Do(r *http.Request) (*http.Response, error) {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	status, code := 0, ""
	s.mu.Lock()
	if s.strike != nil {
		status, code = s.strike(r.Method, key)
	}
	if r.Method == http.MethodPut {
		s.puts = append(s.puts, key)
	} else {
		s.gets = append(s.gets, key)
	}
	s.mu.Unlock()
	if status > 0 {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("<Code>" + code + "</Code>"))}, nil
	}
	resp, err := http.DefaultClient.Do(r)
	if err == nil && status == answerLost {
		resp.Body.Close()
		return nil, errors.New("connection reset")
	}
	return resp, err
}

// asked returns the keys of the requests since the last call.
func (s *s3) asked() (puts, gets []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	puts, gets, s.puts, s.gets = s.puts, s.gets, nil, nil
	return puts, gets
}

// inBucket returns a bucket at S3 for the bodies from that many bytes on, and its client. Requests
// are tried often, without long pauses.
func inBucket(t *testing.T, from int) (dynamolog.Large, *s3) {
	t.Helper()
	c, client := ministack.Bucket(t), new(s3)
	c.Client = client
	c.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff, o.RateLimiter = 20, 5*time.Millisecond, ratelimit.None
	})
	return dynamolog.Large{Bucket: c, From: from}, client
}

// TestLogInBucket passes the tests of a log and of push configurations with bodies from 1 KB on in
// a bucket.
func TestLogInBucket(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	bodies, s3 := inBucket(t, 1<<10)
	tasklogtest.Test(t, func(*testing.T) tasklog.Store { return dynamolog.NewWith(client, table, bodies) })
	pushtest.Test(t, func(*testing.T) pushtest.Store { return pushes(dynamolog.NewWith(client, table, bodies)) })
	if puts, gets := s3.asked(); len(puts) < 20 || len(gets) < 20 {
		t.Errorf("%d puts and %d gets: the bodies were elsewhere", len(puts), len(gets))
	}
}

// TestLogInBucketFaults passes those of large bodies at an S3 that throttles, fails, and loses answers.
func TestLogInBucketFaults(t *testing.T) {
	t.Parallel()
	client, table := newLightTable(t)
	bodies, s3 := inBucket(t, 1<<10)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s3.strike = func(string, string) (int, string) {
		switch random.IntN(12) {
		case 0:
			return http.StatusInternalServerError, "InternalError"
		case 1:
			return answerLost, ""
		case 2:
			return http.StatusServiceUnavailable, "SlowDown"
		}
		return 0, ""
	}
	tasklogtest.TestBodies(t, func(*testing.T) tasklog.Store { return dynamolog.NewWith(client, table, bodies) })
}

// bigEvent returns an event of about n bytes that deflate little.
func bigEvent(h tasklog.Head, n int) []tasklog.Entry {
	info := a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}
	return []tasklog.Entry{tasklogtest.EntryOf(a2a.NewArtifactEvent(info, a2a.NewTextPart(incompressible(n))))}
}

// TestBucketOnAndOff has processes with a bucket, without one again, and with one again work on a
// task, and with another one: each reads what is in the table and what is in the buckets. One that
// can't read buckets reads neither wrong nor half a task, and says why.
func TestBucketOnAndOff(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	bodies, s3 := inBucket(t, 0)
	leaving, another := bodies, bodies
	leaving.Bucket.Name, another.Bucket.Name = "", ministack.Bucket(t).Name
	h, first := tasklogtest.NewTask()
	all := []tasklog.Entry{first}
	_, err := dynamolog.New(client, table).Create(t.Context(), h, first, by("none"))
	must(t, err)
	for i, l := range []*dynamolog.Log{
		dynamolog.New(client, table), dynamolog.NewWith(client, table, bodies), dynamolog.NewWith(client, table, leaving),
		dynamolog.NewWith(client, table, another), dynamolog.NewWith(client, table, leaving),
	} {
		lease, err := l.Acquire(t.Context(), load(t, l, h.ID), by("w"+strconv.Itoa(i)))
		must(t, err)
		more := bigEvent(h, 500<<10+i)
		must(t, lease.Append(t.Context(), int64(len(all))+1, more))
		all = append(all, more...)
		lease.Close(t.Context())
		puts, _ := s3.asked()
		if want := []int{0, 1, 0, 1, 0}[i]; len(puts) != want {
			t.Errorf("process %d put %d objects, want %d", i, len(puts), want)
		}
		events, _, err := l.Read(t.Context(), h.ID, 0, 100)
		must(t, err)
		if len(events) != len(all) {
			t.Fatalf("process %d read %d events, want %d", i, len(events), len(all))
		}
		for n, e := range events {
			if string(e.JSON) != string(all[n].JSON) {
				t.Errorf("process %d: event %d is another", i, n+1)
			}
		}
	}
	l := dynamolog.New(client, table)
	if s, err := l.Load(t.Context(), h.ID); err == nil || errors.Is(err, tasklog.ErrNotFound) || !strings.Contains(err.Error(), "can't read: "+bodies.Bucket.Name+"/1/") {
		t.Errorf("without a bucket: %v, %v", s, err)
	}
}

// TestObjectKeys checks the keys of a large body: the lifetime, the task and the ref are in them,
// no two writers have the same, and no object is put twice.
func TestObjectKeys(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	bodies, s3 := inBucket(t, 0)
	l := dynamolog.NewWith(client, table, bodies)
	h, first := tasklogtest.NewTask()
	h.Expires = time.Now().Add(20 * 24 * time.Hour).Truncate(time.Second)
	old, err := l.Create(t.Context(), h, first, by("old"))
	must(t, err)
	// The holder is deposed before it appends: what it puts is nobody's.
	seen := load(t, l, h.ID)
	lease, err := l.Acquire(t.Context(), seen, tasklog.Claim{Writer: "new", Until: time.Now().Add(time.Minute)})
	must(t, err)
	if err := old.Append(t.Context(), 2, bigEvent(h, 12<<20)); !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("a deposed holder: %v", err)
	}
	theirs, _ := s3.asked()
	event := bigEvent(h, 9<<20)
	must(t, lease.Append(t.Context(), 2, event), lease.Append(t.Context(), 2, event))
	ours, _ := s3.asked()
	for writer, keys := range map[string][]string{"old": theirs, "new": ours} {
		slices.Sort(keys)
		if len(keys) != 3 && writer == "old" || len(keys) != 2 && writer == "new" {
			t.Errorf("%s: %q", writer, keys)
		}
		for i, key := range keys {
			if !strings.HasPrefix(key, "21/"+string(h.ID)+"/2."+writer+"/"+strconv.Itoa(i)+"-") {
				t.Errorf("%s: key %s", writer, key)
			}
		}
	}
	events, _, err := l.Read(t.Context(), h.ID, 1, 10)
	must(t, err)
	if len(events) != 1 || string(events[0].JSON) != string(event[0].JSON) {
		t.Errorf("%d events were read", len(events))
	}
}

// TestBucketRefuses has S3 refuse for good. The error is the table's: throttled, or another one,
// but never that there is no task. Nothing refers to what was not put.
func TestBucketRefuses(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	bodies, s3 := inBucket(t, 0)
	l := dynamolog.NewWith(client, table, bodies)
	h, first, lease := create(t, l)
	event := bigEvent(h, 300<<10)
	for _, test := range []struct {
		status    int
		code      string
		throttled bool
	}{
		{http.StatusServiceUnavailable, "SlowDown", true},
		{http.StatusForbidden, "AccessDenied", false},
		{http.StatusNotFound, "NoSuchKey", false},
		{http.StatusNotFound, "NoSuchBucket", false},
		{http.StatusInternalServerError, "InternalError", false},
	} {
		refuse := func(method string) {
			s3.strike = func(m, _ string) (int, string) {
				if m != method {
					return 0, ""
				}
				return test.status, test.code
			}
		}
		check := func(what string, err error) {
			t.Helper()
			refused := (*bucket.Error)(nil)
			if !errors.As(err, &refused) || refused.Code != test.code || errors.Is(err, tasklog.ErrThrottled) != test.throttled || errors.Is(err, tasklog.ErrNotFound) || errors.Is(err, tasklog.ErrConflict) {
				t.Errorf("%s, %s: %v", test.code, what, err)
			}
		}
		ctx := tasklog.GiveUpSoon(t.Context())
		refuse(http.MethodPut)
		check("appending", lease.Append(ctx, 2, event))
		other, _ := tasklogtest.NewTask()
		_, err := l.Create(ctx, other, tasklogtest.EntryOf(a2a.NewSubmittedTask(a2a.TaskInfo{TaskID: other.ID, ContextID: other.ContextID},
			a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(incompressible(300<<10))))), by("x"))
		check("creating", err)
		if _, err := l.Load(t.Context(), other.ID); !errors.Is(err, tasklog.ErrNotFound) {
			t.Errorf("%s: a task was made: %v", test.code, err)
		}
		s3.strike = nil
		if s := load(t, l, h.ID); s.Seq != 1 {
			t.Errorf("%s: event %d is there", test.code, s.Seq)
		}
	}
	must(t, lease.Append(t.Context(), 2, event))
	s3.strike = func(string, string) (int, string) { return http.StatusNotFound, "NoSuchKey" }
	_, err := l.Load(t.Context(), h.ID)
	if !errors.Is(err, bucket.ErrMissing) || errors.Is(err, tasklog.ErrNotFound) {
		t.Errorf("an object is gone: %v", err)
	}
	s3.strike = func(string, string) (int, string) { return http.StatusServiceUnavailable, "SlowDown" }
	if _, err = l.Load(tasklog.GiveUpSoon(t.Context()), h.ID); !errors.Is(err, tasklog.ErrThrottled) {
		t.Errorf("reads are throttled: %v", err)
	}
	// What needs no body is as it was.
	if polled, err := l.Poll(t.Context(), h.ID, 2, false); err != nil || len(polled.Events) != 0 {
		t.Errorf("a poll: %v", err)
	}
	s3.strike = nil
	if s := load(t, l, h.ID); s.Seq != 2 || string(first.JSON) == "" {
		t.Errorf("event %d is the last", s.Seq)
	}
}

// TestThrottledPut has S3 throttle for longer than the SDK tries: a run's append goes through, and
// puts each object as often as it was refused and once more.
func TestThrottledPut(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	bodies, s3 := inBucket(t, 0)
	l := dynamolog.NewWith(client, table, bodies)
	h, _, lease := create(t, l)
	left := 8
	s3.strike = func(string, string) (int, string) {
		if left--; left >= 0 {
			return http.StatusServiceUnavailable, "SlowDown"
		}
		return 0, ""
	}
	must(t, lease.Append(t.Context(), 2, bigEvent(h, 300<<10)))
	if puts, _ := s3.asked(); len(puts) != 9 {
		t.Errorf("%d puts", len(puts))
	}
	if s := load(t, l, h.ID); s.Seq != 2 {
		t.Errorf("event %d is the last", s.Seq)
	}
}

// TestReachBucket tries a bucket with and without rights to it.
func TestReachBucket(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	bodies, s3 := inBucket(t, 0)
	l := dynamolog.NewWith(client, table, bodies)
	must(t, l.Reach(t.Context()))
	for _, method := range []string{http.MethodPut, http.MethodGet} {
		s3.strike = func(m, _ string) (int, string) {
			if m == method {
				return http.StatusForbidden, "AccessDenied"
			}
			return 0, ""
		}
		if err := l.Reach(t.Context()); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("without the right to %s: %v", method, err)
		}
	}
	bodies.Bucket.Name = "" // then there is nothing to be reached
	must(t, dynamolog.NewWith(client, table, bodies).Reach(t.Context()))
}

// TestPriceOfFile compares what a file of 5 MB costs in the table and in a bucket: to write it, and
// to read its task. docs/limits.md has the figures.
func TestPriceOfFile(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		write, read float64 // units, at most
		puts, gets  int
	}{
		"table":  {5_400, 1_400, 0, 0},
		"bucket": {6, 6, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			client, table := newTable(t)
			client, meter := dynamodblocal.NewMeter(client)
			bodies, s3 := inBucket(t, 0)
			if name == "table" {
				bodies = dynamolog.Large{}
			}
			l := dynamolog.NewWith(client, table, bodies)
			h, _, lease := create(t, l)
			meter.Reset()
			must(t, lease.Append(t.Context(), 2, bigEvent(h, 5<<20*4/3))) // 5 MB deflated
			write, _ := meter.Units(), s3
			puts, _ := s3.asked()
			meter.Reset()
			load(t, l, h.ID)
			read := meter.Units()
			_, gets := s3.asked()
			t.Logf("%v write units and %d PUT, %v read units and %d GET", write.Write, len(puts), read.Read, len(gets))
			if write.Write > want.write || read.Read > want.read || len(puts) != want.puts || len(gets) != want.gets {
				t.Errorf("want at most %+v", want)
			}
		})
	}
}
