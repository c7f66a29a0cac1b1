package dynamolog_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
)

// recorder returns the claim of a writer that records, to a lease that lasts for the test.
func recorder(writer string, place int64) tasklog.Claim {
	c := by(writer)
	c.Records, c.Place = true, place
	return c
}

// createDurable creates a task, and holds its lease, which records.
func createDurable(t *testing.T, l tasklog.Log) (tasklog.Head, tasklog.Lease) {
	t.Helper()
	h, first := tasklogtest.NewTask()
	lease, err := l.Create(t.Context(), h, first, recorder("creator", 0))
	must(t, err)
	return h, lease
}

// far is when the tasks here are suspended until.
func far() time.Time { return time.Now().Add(48 * time.Hour).Truncate(time.Second) }

// looks returns the looks at the task that come up to the time by: of its head, and of its lease.
func looks(t *testing.T, l *dynamolog.Log, h tasklog.Head, by time.Time) (head, wait tasklog.Look) {
	t.Helper()
	all, _, err := l.Due(t.Context(), dynamolog.ShardOf(h.ID), by, "", 1000)
	must(t, err)
	for _, look := range all {
		switch {
		case look.ID != h.ID:
		case look.Suspended:
			wait = look
		default:
			head = look
		}
	}
	return head, wait
}

// errLost is the error of a request that was done or not; its client goes on.
var errLost = errors.New("lost")

// wedge is something that happens at one request of a client.
type wedge struct {
	at   int32 // the number of the request, from 1
	done bool  // it happens after the request is done
	do   func(context.Context) error

	n       atomic.Int32 // of requests since the wedge was set
	set     atomic.Bool
	dead    atomic.Bool // no request is done any more
	reached atomic.Bool
}

// client returns a client like c with the wedge.
func (w *wedge) client(c *dynamodb.Client) *dynamodb.Client {
	return with(c, middleware.FinalizeMiddlewareFunc("wedge", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (out middleware.FinalizeOutput, md middleware.Metadata, err error) {
		if w.dead.Load() {
			return out, md, errDied
		}
		if !w.set.Load() || w.n.Add(1) != w.at {
			return next.HandleFinalize(ctx, in)
		}
		w.reached.Store(true)
		if w.done {
			out, md, err = next.HandleFinalize(ctx, in)
		}
		if err := w.do(ctx); err != nil {
			w.dead.Store(!errors.Is(err, errLost))
			return middleware.FinalizeOutput{}, md, err
		}
		if w.done {
			return out, md, err
		}
		return next.HandleFinalize(ctx, in)
	}))
}

// scene is a task with those who do something with it.
type scene struct {
	t      *testing.T
	l      *dynamolog.Log // of everybody else
	h      tasklog.Head
	lease  tasklog.Lease // of the creator
	leases []tasklog.Lease
	roused bool // a wake, or a request to cancel, was acknowledged
}

func (s *scene) acquire(ctx context.Context, l *dynamolog.Log, writer string) error {
	seen, err := l.Load(ctx, s.h.ID)
	if err != nil || seen.Busy() || seen.Lease.Sleeps() {
		return err
	}
	lease, err := l.Acquire(ctx, seen, recorder(writer, 0))
	if err == nil {
		s.leases = append(s.leases, lease)
	}
	return err
}

// does are what somebody may do, with a log of their own.
var does = map[string]func(context.Context, *scene, *dynamolog.Log) error{
	"wake": func(ctx context.Context, s *scene, l *dynamolog.Log) error {
		err := l.Wake(ctx, s.h.ID)
		s.roused = s.roused || err == nil
		return err
	},
	"cancel": func(ctx context.Context, s *scene, l *dynamolog.Log) error {
		err := l.RequestCancel(ctx, s.h)
		s.roused = s.roused || err == nil
		return err
	},
	"suspend": func(ctx context.Context, s *scene, _ *dynamolog.Log) error {
		_, err := s.lease.Suspend(ctx, far(), 0)
		return err
	},
	"renew": func(ctx context.Context, s *scene, _ *dynamolog.Log) error {
		_, err := s.lease.Renew(ctx, time.Now().Add(time.Minute))
		return err
	},
	"acquire": func(ctx context.Context, s *scene, l *dynamolog.Log) error { return s.acquire(ctx, l, "worker") },
	"wake and acquire": func(ctx context.Context, s *scene, l *dynamolog.Log) error {
		if err := l.Wake(ctx, s.h.ID); err != nil {
			return err
		}
		s.roused = true
		return s.acquire(ctx, l, "worker")
	},
	"settle": func(ctx context.Context, s *scene, l *dynamolog.Log) error { // as a sweep does
		due, _, err := l.Due(ctx, dynamolog.ShardOf(s.h.ID), time.Now().Add(time.Hour), "", 1000)
		if err != nil {
			return err
		}
		for _, look := range due {
			if look.ID != s.h.ID {
				continue
			}
			seen, err := l.Load(ctx, s.h.ID)
			if err == nil && !seen.Busy() {
				next := time.Now().Add(time.Minute)
				if seen.Lease.Sleeps() {
					next = seen.Lease.Due
				}
				_, err = l.Postpone(ctx, look, next)
			}
			if err != nil {
				return err
			}
		}
		return nil
	},
}

// judge fails the test unless the task is well: it does not sleep if it was roused, one or nobody
// holds it, the sweep meets it in time, and it can go on.
func (s *scene) judge(what string) {
	t := s.t
	t.Helper()
	seen := load(t, s.l, s.h.ID)
	if s.roused && seen.Lease.Sleeps() {
		t.Errorf("%s: it sleeps though it was roused: %+v", what, seen.Lease)
	}
	head, wait := looks(t, s.l, s.h, far().Add(time.Hour))
	switch {
	case seen.Lease.Suspended && (wait.ID == "" || s.roused && wait.Due.After(time.Now().Add(2*time.Minute))):
		t.Errorf("%s: it is suspended until %v, and the look at it is %+v", what, seen.Lease.Due, wait)
	case !seen.Lease.Suspended && (head.ID == "" || wait.ID != ""):
		t.Errorf("%s: it runs, and the looks at it are %+v and %+v", what, head, wait)
	}
	holders := 0
	for _, lease := range s.leases {
		err := lease.Append(t.Context(), 2, []tasklog.Entry{tasklogtest.Status(s.h, working, "x")})
		if err == nil {
			holders++
		} else if !errors.Is(err, tasklog.ErrConflict) && !errors.Is(err, errDied) {
			t.Errorf("%s: %v", what, err)
		}
		err = lease.Record(t.Context(), 1, [][]byte{[]byte("{}")})
		if err == nil && holders == 0 {
			t.Errorf("%s: somebody can record, and not append", what)
		}
	}
	if holders > 1 || holders > 0 && seen.Lease.Suspended {
		t.Errorf("%s: %d hold the lease, which is %+v", what, holders, seen.Lease)
	}
	for tries := 0; ; tries++ {
		must(t, s.l.Wake(t.Context(), s.h.ID))
		seen = load(t, s.l, s.h.ID)
		all, err := tasklogtest.AllSteps(t.Context(), s.l, s.h)
		must(t, err)
		lease, err := s.l.Acquire(t.Context(), seen, recorder(fmt.Sprint("last", tries), int64(len(all))))
		if errors.Is(err, tasklog.ErrConflict) && tries < 3 {
			continue
		}
		must(t, err, lease.Append(t.Context(), seen.Seq+1, in(s.h, working)), lease.Record(t.Context(), int64(len(all))+1, [][]byte{[]byte("{}")}))
		return
	}
}

const working = "TASK_STATE_WORKING"

// TestBetween has somebody do something with a task, while another acts before each of its requests,
// or the first one dies or loses an answer before a request or after it.
func TestBetween(t *testing.T) {
	t.Parallel()
	starts := map[string]func(*scene){
		"held":    func(*scene) {},
		"renewed": func(s *scene) { must(s.t, does["renew"](s.t.Context(), s, s.l)) },
		"sleeps":  func(s *scene) { must(s.t, does["suspend"](s.t.Context(), s, s.l)) },
		"due":     func(s *scene) { must(s.t, does["suspend"](s.t.Context(), s, s.l), does["wake"](s.t.Context(), s, s.l)) },
	}
	others := []string{"wake", "cancel", "suspend", "renew", "acquire", "wake and acquire", "settle", "dies", "loses"}
	for _, test := range []struct{ start, what string }{
		{"held", "suspend"},
		{"renewed", "suspend"},
		{"held", "wake"}, {"renewed", "wake"}, {"sleeps", "wake"}, {"due", "wake"},
		{"held", "cancel"}, {"sleeps", "cancel"}, {"due", "cancel"},
		{"due", "acquire"}, {"sleeps", "settle"}, {"due", "settle"},
	} {
		client, table := newTable(t) // of its own, since each look reads all that are due
		reached := 0
		for _, other := range others {
			for at := range int32(24) {
				w := &wedge{at: at/2 + 1, done: at%2 == 1}
				if w.done && other != "dies" && other != "loses" {
					continue // this is before the next request
				}
				l := dynamolog.New(w.client(client), table)
				s := &scene{t: t, l: dynamolog.New(client, table)}
				s.h, s.lease = createDurable(t, l)
				s.leases = append(s.leases, s.lease)
				starts[test.start](s)
				what := fmt.Sprintf("%s, %s; %s at request %d, done: %t", test.start, test.what, other, w.at, w.done)
				w.do = func(ctx context.Context) error {
					switch other {
					case "dies":
						return errDied
					case "loses":
						return errLost
					}
					w.set.Store(false)
					if err := does[other](ctx, s, s.l); err != nil && !errors.Is(err, tasklog.ErrConflict) {
						t.Errorf("%s: %v", what, err)
					}
					return nil
				}
				w.set.Store(true)
				err := does[test.what](t.Context(), s, l)
				w.set.Store(false)
				if err != nil && !errors.Is(err, tasklog.ErrConflict) && !errors.Is(err, errDied) && !errors.Is(err, errLost) {
					t.Errorf("%s: %v", what, err)
				}
				if !w.reached.Load() {
					break
				}
				reached++
				s.judge(what)
			}
		}
		if reached < len(others) {
			t.Errorf("%s, %s: only %d requests", test.start, test.what, reached)
		}
	}
}

// TestOldVersion has a process of a former version meet a suspended task. It takes it for one that
// is held until it is due, and asks nobody for it. If it acquires the lease after that, the index
// gets right again.
func TestOldVersion(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	l := dynamolog.New(client, table)
	h, lease := createDurable(t, l)
	due, past := far(), time.Now().Add(-time.Minute).Truncate(time.Second)
	suspended, err := lease.Suspend(t.Context(), due, 0)
	if must(t, err); !suspended {
		t.Fatal("it is not suspended")
	}
	read := func() dynamodblocal.Item {
		t.Helper()
		it, err := dynamodblocal.Read(t.Context(), client, table, string(h.ID), "L")
		must(t, err)
		return it
	}
	put := func(it dynamodblocal.Item) {
		t.Helper()
		_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it})
		must(t, err)
	}
	it := read()
	if got := numberOf(t, it, "u"); got != due.UnixMilli() || it["run"] == nil {
		t.Errorf("the former version takes it for held until %v: %v", got, it)
	}
	must(t, l.Wake(t.Context(), h.ID))
	if got := numberOf(t, read(), "u"); got > time.Now().UnixMilli() || got < past.UnixMilli() {
		t.Errorf("woken, it is held until %v", got)
	}

	// What the former version writes when it acquires the lease.
	it = read()
	it["w"], it["u"] = dynamodblocal.String("old"), dynamodblocal.Number(time.Now().Add(time.Minute).UnixMilli())
	it["ep"], it["seq"], it["lo"] = dynamodblocal.Number(2), dynamodblocal.Number(1), dynamodblocal.Number(0)
	put(it)
	s := load(t, l, h.ID)
	if s.Lease.Suspended || s.Lease.Records || s.Lease.Holder != "old" || !s.Busy() {
		t.Errorf("the lease is %+v", s.Lease)
	}
	if _, wait := looks(t, l, h, time.Now()); !wait.Held {
		t.Errorf("the look at it is %+v", wait)
	}
	if _, wait := looks(t, l, h, far()); wait.ID != "" {
		t.Errorf("it is still there: %+v", wait)
	}
	it = read()
	it["u"] = dynamodblocal.Number(past.UnixMilli()) // it has crashed
	put(it)
	next, err := l.Acquire(t.Context(), load(t, l, h.ID), recorder("next", 0))
	must(t, err, next.Record(t.Context(), 1, [][]byte{[]byte("{}")}))
	if err := lease.Record(t.Context(), 1, [][]byte{[]byte("{}")}); !errors.Is(err, tasklog.ErrConflict) {
		t.Errorf("recorded by the first holder: %v", err)
	}
	suspended, err = next.Suspend(t.Context(), far(), 1)
	if must(t, err); !suspended {
		t.Error("it is not suspended again")
	}
}

// numberOf returns an attribute.
func numberOf(t *testing.T, it dynamodblocal.Item, name string) int64 {
	t.Helper()
	v, ok := it[name].(*types.AttributeValueMemberN)
	if !ok {
		t.Fatalf("%s is no number in %v", name, it)
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	must(t, err)
	return n
}

// TestSweepRepairs has a holder die before the head of the task that it suspends leaves the index of
// running tasks. A sweep meets it once, and asks nobody.
func TestSweepRepairs(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	w := &wedge{at: 2, do: func(context.Context) error { return errDied }}
	h, lease := createDurable(t, dynamolog.New(w.client(client), table))
	w.set.Store(true)
	suspended, err := lease.Suspend(t.Context(), far(), 0)
	if must(t, err); !suspended || !w.reached.Load() {
		t.Fatalf("suspended: %t, died: %t", suspended, w.reached.Load())
	}
	head, err := dynamodblocal.Read(t.Context(), client, table, string(h.ID), "H")
	must(t, err)
	// It is there, since a sweep has found the task before, and its lease would have ended.
	head["run"] = dynamodblocal.String(strconv.Itoa(dynamolog.ShardOf(h.ID)))
	head["cr"] = dynamodblocal.Number(time.Now().Add(-time.Minute).Unix())
	_, err = client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: head})
	must(t, err)
	for _, looked := range []int{1, 0} {
		s := newSweeper(client, table)
		if report, err := s.Sweep(t.Context()); err != nil || report.Looked != looked || len(s.asked) > 0 {
			t.Errorf("%+v, %v, asked for %v, want %d looked at", report, err, s.asked, looked)
		}
	}
	l := dynamolog.New(client, table)
	must(t, l.Wake(t.Context(), h.ID))
	for _, asked := range []int{1, 0} {
		s := newSweeper(client, table)
		if report, err := s.Sweep(t.Context()); err != nil || len(s.asked) != asked {
			t.Errorf("woken: %+v, %v, asked for %v, want %d", report, err, s.asked, asked)
		}
	}
	must(t, (&scene{t: t, l: l, h: h}).acquire(t.Context(), l, "worker"))
	if head, wait := looks(t, l, h, far().Add(time.Hour)); wait.ID != "" || head.Due.After(time.Now().Add(time.Hour)) {
		t.Errorf("acquired, the looks are %+v and %+v", head, wait)
	}
}
