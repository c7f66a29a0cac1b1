// Package pushtest has the conformance tests of [push.Store], which every store must pass.
package pushtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/internal/trace"
)

// Store is a store of configurations with the log of their tasks.
type Store struct {
	push.Store
	Log tasklog.Log
}

// Test runs all tests. Open returns the store under test. The tests may share one store.
func Test(t *testing.T, open func(t *testing.T) Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Store)
	}{
		{"Configurations", testConfigurations},
		{"PutAgain", testPutAgain},
		{"Full", testFull},
		{"ConcurrentPuts", testConcurrentPuts},
		{"Delivery", testDelivery},
		{"ToldMeanwhile", testToldMeanwhile},
		{"PutOff", testPutOff},
		{"Crash", testCrash},
		{"Lost", testLost},
		{"Agreed", testAgreed},
		{"Progress", testProgress},
		{"Spend", testSpend},
		{"SpendHour", testSpendHour},
		{"GivenUp", testGivenUp},
		{"Replaced", testReplaced},
		{"ConcurrentClaims", testConcurrentClaims},
		{"NothingOverlooked", testNothingOverlooked},
		{"Head", testHead},
		{"Lease", testLease},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// Wrap returns the store with wrapped errors, as any store may return them.
func Wrap(s push.Store) push.Store {
	return push.Hooked(s, tasklog.Hooks{After: func(_ context.Context, _ tasklog.Op, err error) error {
		if err != nil {
			err = fmt.Errorf("wrapped: %w", err)
		}
		return err
	}})
}

// NewConfig returns a configuration of the task, after its first event.
func NewConfig(h tasklog.Head, id, url string) push.Config {
	return push.Config{
		TaskID: h.ID, ID: id, Version: "1.0", Expires: h.Expires,
		Trace:    trace.Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", State: "a=1,b=2"},
		Push:     a2a.PushConfig{TaskID: h.ID, ID: id, URL: url, Token: "token"},
		Progress: push.Progress{After: 1},
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// put stores a configuration of a new task.
func put(t *testing.T, s Store) push.Config {
	t.Helper()
	h, _ := tasklogtest.NewTask()
	c := NewConfig(h, "c", "https://example.com/hook")
	must(t, s.Put(t.Context(), h, c))
	return c
}

// seconds returns the time that many seconds from now, to the second.
func seconds(n int) time.Time {
	return time.Now().Truncate(time.Second).Add(time.Duration(n) * time.Second)
}

// claim claims the delivery for the writer, and fails the test if the store refuses it.
func claim(t *testing.T, s Store, c push.Config, writer string) push.Claim {
	t.Helper()
	got, err := s.Claim(t.Context(), c.TaskID, c.ID, writer, seconds(60))
	must(t, err)
	if got == nil || got.Config().TaskID != c.TaskID || got.Config().ID != c.ID {
		t.Fatalf("%s claimed %+v", writer, got)
	}
	return got
}

// at returns the progress of a delivery that has reached the event, without failures.
func at(seq int64) push.Progress { return push.Progress{After: seq} }

// refused fails the test if the writer gets the delivery.
func refused(t *testing.T, s Store, c push.Config, writer string) {
	t.Helper()
	if got, err := s.Claim(t.Context(), c.TaskID, c.ID, writer, seconds(60)); got != nil || err != nil {
		t.Fatalf("%s claimed %+v, %v", writer, got, err)
	}
}

// release releases the claim, and fails the test unless it is released as wanted.
func release(t *testing.T, c push.Claim, p push.Progress, due time.Time, want bool) {
	t.Helper()
	if released, err := c.Release(t.Context(), p, due); err != nil || released != want {
		t.Fatalf("releasing: got %v, %v, want %v", released, err, want)
	}
}

// wantDue fails the test unless the configuration becomes due or, if want is false, is not due. The
// store may know it only some seconds later.
func wantDue(t *testing.T, s Store, c push.Config, want bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		looks, err := tasklogtest.Due(t.Context(), s, time.Now(), 100)
		must(t, err)
		due := slices.ContainsFunc(looks, func(l tasklog.Look) bool { return l.ID == c.TaskID && l.Config == c.ID })
		if due == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("due: %v, want %v", due, want)
		}
	}
}

func testConfigurations(t *testing.T, s Store) {
	h, _ := tasklogtest.NewTask()
	if all, err := s.List(t.Context(), h.ID); len(all) != 0 || err != nil {
		t.Fatalf("a task that is not there has %v, %v", all, err)
	}
	must(t, s.Delete(t.Context(), h.ID, "none"))
	var want []push.Config
	for _, id := range []string{"#", "1", "a b/ä\n", strings.Repeat("x", push.MaxID), "\U0010FFFE"} {
		c := NewConfig(h, id, "https://example.com/"+fmt.Sprint(len(want)))
		c.After = int64(len(want))
		if len(want) == 2 {
			c.Version = "0.3"
			c.Push.Auth = &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: "secret"}
		}
		want = append(want, c)
	}
	for _, c := range slices.Backward(want) {
		must(t, s.Put(t.Context(), h, c))
	}
	other, _ := tasklogtest.NewTask()
	must(t, s.Put(t.Context(), other, NewConfig(other, "other", "https://example.com")))
	check := func() {
		t.Helper()
		got, err := s.List(t.Context(), h.ID)
		must(t, err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
	}
	check()
	must(t, s.Delete(t.Context(), h.ID, want[1].ID), s.Delete(t.Context(), h.ID, want[1].ID))
	refused(t, s, want[1], "w")
	want = slices.Delete(want, 1, 2)
	check()
}

func testPutAgain(t *testing.T, s Store) {
	c := put(t, s)
	h := tasklog.Head{ID: c.TaskID, Expires: c.Expires}
	held := claim(t, s, c, "w")
	again := c
	again.After = 3
	must(t, s.Put(t.Context(), h, again))
	release(t, held, at(7), time.Time{}, true)
	must(t, s.Put(t.Context(), h, again))
	if got := claim(t, s, c, "x").Config(); got.After != 7 {
		t.Errorf("the same configuration again: delivered after %d, want 7", got.After)
	}
}

func testDelivery(t *testing.T, s Store) {
	c := put(t, s)
	wantDue(t, s, c, false)
	held := claim(t, s, c, "w")
	if !reflect.DeepEqual(held.Config(), c) {
		t.Errorf("claimed %+v, want %+v", held.Config(), c)
	}
	claim(t, s, c, "w") // the acknowledgement was lost
	p := push.Progress{After: 5, Failures: 2, Since: seconds(-100)}
	must(t, held.Save(t.Context(), p, seconds(90)), held.Save(t.Context(), p, seconds(90)))
	refused(t, s, c, "x")
	must(t, held.Save(t.Context(), p, seconds(90))) // after somebody was refused
	p.After = 6
	release(t, held, p, time.Time{}, true)
	if err := held.Save(t.Context(), p, seconds(90)); !errors.Is(err, push.ErrConflict) {
		t.Errorf("saving without a claim: got %v, want ErrConflict", err)
	}
	wantDue(t, s, c, false)
	held = claim(t, s, c, "x")
	if got := held.Config(); got.After != 6 || got.Failures != 2 || !got.Since.Equal(p.Since) {
		t.Errorf("claimed %+v, want as it was released, %+v", got, p)
	}
	release(t, held, at(6), time.Time{}, true)
	if got := claim(t, s, c, "y").Config(); got.Progress != at(6) {
		t.Errorf("after a success: %+v", got)
	}
}

// testToldMeanwhile checks that the store remembers a caller to which it refused the claim.
func testToldMeanwhile(t *testing.T, s Store) {
	c := put(t, s)
	held := claim(t, s, c, "w")
	refused(t, s, c, "x")
	refused(t, s, c, "y")
	for range 2 {
		release(t, held, at(1), time.Time{}, false)
	}
	must(t, held.Save(t.Context(), at(1), seconds(60)))
	release(t, held, at(1), time.Time{}, true)
	release(t, claim(t, s, c, "z"), at(1), time.Time{}, true) // nobody was refused since

	held = claim(t, s, c, "w")
	refused(t, s, c, "x")
	release(t, held, at(1), seconds(-1), true) // due now: the next holder reads the log in any case
	claim(t, s, c, "x")
}

func testPutOff(t *testing.T, s Store) {
	c := put(t, s)
	release(t, claim(t, s, c, "w"), push.Progress{After: 1, Failures: 1, Since: seconds(0)}, seconds(60), true)
	refused(t, s, c, "x")
	wantDue(t, s, c, false)

	c = put(t, s)
	release(t, claim(t, s, c, "w"), at(1), seconds(-1), true)
	wantDue(t, s, c, true)
	held := claim(t, s, c, "x")
	wantDue(t, s, c, false)
	release(t, held, at(1), time.Time{}, true)

	// After Postpone it is not due. It can still be claimed, once.
	c = put(t, s)
	release(t, claim(t, s, c, "w"), at(1), seconds(-1), true)
	wantDue(t, s, c, true)
	looks, err := tasklogtest.Due(t.Context(), s, time.Now(), 100)
	must(t, err)
	for _, l := range looks {
		if l.ID == c.TaskID {
			_, err := s.Postpone(t.Context(), l, seconds(60))
			must(t, err)
			moved, err := s.Postpone(t.Context(), l, seconds(90))
			if must(t, err); moved {
				t.Error("it was postponed twice")
			}
		}
	}
	wantDue(t, s, c, false)
	held = claim(t, s, c, "x")
	refused(t, s, c, "y")
	release(t, held, at(1), time.Time{}, false) // y was refused
	release(t, held, at(1), seconds(60), true)
	refused(t, s, c, "z")

	c = put(t, s)
	release(t, claim(t, s, c, "w"), at(1), seconds(-1), true)
	must(t, s.Delete(t.Context(), c.TaskID, c.ID))
	wantDue(t, s, c, false)
	refused(t, s, c, "x")
}

// testCrash checks that the claim of a crashed holder ends, and that the delivery is due then.
func testCrash(t *testing.T, s Store) {
	c := put(t, s)
	held, err := s.Claim(t.Context(), c.TaskID, c.ID, "crashed", seconds(2))
	must(t, err)
	must(t, held.Save(t.Context(), at(4), seconds(2)))
	refused(t, s, c, "x")
	wantDue(t, s, c, true)
	if got := claim(t, s, c, "x").Config(); got.After != 4 {
		t.Errorf("delivered after %d, want 4", got.After)
	}
	_, err = held.Release(t.Context(), at(9), time.Time{})
	for _, err := range []error{err, held.Save(t.Context(), at(9), seconds(60)), held.GiveUp(t.Context(), at(9))} {
		if !errors.Is(err, push.ErrConflict) {
			t.Errorf("after the claim has gone to another: got %v, want ErrConflict", err)
		}
	}
}

func testGivenUp(t *testing.T, s Store) {
	c := put(t, s)
	must(t, claim(t, s, c, "w").GiveUp(t.Context(), push.Progress{After: 3, Failures: 9, Since: seconds(-100)}))
	wantDue(t, s, c, false)
	if _, err := s.Claim(t.Context(), c.TaskID, c.ID, "x", seconds(60)); !errors.Is(err, push.ErrGivenUp) {
		t.Errorf("claiming: got %v, want ErrGivenUp", err)
	}
	all, err := s.List(t.Context(), c.TaskID)
	must(t, err)
	if len(all) != 1 || all[0].Push.URL != c.Push.URL {
		t.Errorf("there is %+v", all)
	}
	c.After = 8
	must(t, s.Put(t.Context(), tasklog.Head{ID: c.TaskID, Expires: c.Expires}, c))
	if got := claim(t, s, c, "y").Config(); got.Progress != at(8) {
		t.Errorf("put again: %+v", got)
	}
}

func testReplaced(t *testing.T, s Store) {
	c := put(t, s)
	held := claim(t, s, c, "w")
	c.Push.Token, c.After = "another", 2
	must(t, s.Put(t.Context(), tasklog.Head{ID: c.TaskID, Expires: c.Expires}, c))
	if err := held.Save(t.Context(), at(5), seconds(60)); !errors.Is(err, push.ErrConflict) {
		t.Errorf("saving: got %v, want ErrConflict", err)
	}
	if got := claim(t, s, c, "x").Config(); !reflect.DeepEqual(got, c) {
		t.Errorf("claimed %+v, want %+v", got, c)
	}
}

func testConcurrentClaims(t *testing.T, s Store) {
	for range 10 {
		c := put(t, s)
		var wg sync.WaitGroup
		claims := make([]push.Claim, 6)
		for i := range claims {
			wg.Go(func() {
				var err error
				if claims[i], err = s.Claim(t.Context(), c.TaskID, c.ID, fmt.Sprint(i), seconds(60)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		claims = slices.DeleteFunc(claims, func(c push.Claim) bool { return c == nil })
		if t.Failed() || len(claims) != 1 {
			t.Fatalf("%d have the claim", len(claims))
		}
	}
}

// testNothingOverlooked has several deliverers deliver what another goroutine counts. Each step of
// the count wakes all of them. When they are done, everything is delivered, once.
func testNothingOverlooked(t *testing.T, s Store) {
	const steps, deliverers = 30, 3
	c := put(t, s)
	var mu sync.Mutex
	written, sent := c.After, c.After
	read := func() int64 {
		mu.Lock()
		defer mu.Unlock()
		return written
	}
	deliver := func(ctx context.Context, writer string) error {
		held, err := s.Claim(ctx, c.TaskID, c.ID, writer, seconds(60))
		if err != nil || held == nil {
			return err
		}
		for p := held.Config().Progress; err == nil; {
			for end := read(); p.After < end; {
				mu.Lock()
				if p.After++; p.After != sent+1 {
					err = fmt.Errorf("%s sends %d after %d", writer, p.After, sent)
				}
				sent = p.After
				mu.Unlock()
			}
			released, releaseErr := held.Release(ctx, p, time.Time{})
			if released || errors.Is(releaseErr, push.ErrConflict) {
				break // a conflict: it was done without an answer, and somebody else has had the claim since
			}
			err = errors.Join(err, releaseErr, held.Save(ctx, p, seconds(60)))
		}
		return err
	}
	var wg sync.WaitGroup
	for i := range steps {
		mu.Lock()
		written++
		mu.Unlock()
		for j := range deliverers {
			wg.Go(func() {
				if err := deliver(t.Context(), fmt.Sprint(i, " ", j)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if sent != written {
		t.Errorf("sent up to %d of %d", sent, written)
	}
	if got := claim(t, s, c, "last").Config(); got.After != written {
		t.Errorf("stored is %d of %d", got.After, written)
	}
}

// testHead checks that a task says that it has configurations.
func testHead(t *testing.T, s Store) {
	wantPush := func(h tasklog.Head, want bool) {
		t.Helper()
		snapshot, err := s.Log.Load(t.Context(), h.ID)
		must(t, err)
		if snapshot.Head.Push != want {
			t.Errorf("has configurations: %v, want %v", snapshot.Head.Push, want)
		}
	}
	h, lease := create(t, s)
	wantPush(h, false)
	must(t, s.Put(t.Context(), h, NewConfig(h, "c", "https://example.com")))
	wantPush(h, true)
	must(t, lease.Append(t.Context(), 2, []tasklog.Entry{tasklogtest.Status(h, a2a.TaskStateWorking, "")}))
	lease.Close(t.Context())
	wantPush(h, true)

	h, first := tasklogtest.NewTask()
	h.Push = true
	must(t, s.Put(t.Context(), h, NewConfig(h, "c", "https://example.com"))) // before the task
	if _, err := s.Log.Load(t.Context(), h.ID); !errors.Is(err, tasklog.ErrNotFound) {
		t.Errorf("a configuration makes a task: %v", err)
	}
	_, err := s.Log.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: seconds(60), Push: true})
	must(t, err)
	wantPush(h, true)
}

// create creates a task without configurations.
func create(t *testing.T, s Store) (tasklog.Head, tasklog.Lease) {
	t.Helper()
	h, first := tasklogtest.NewTask()
	lease, err := s.Log.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: seconds(60)})
	must(t, err)
	return h, lease
}

// testLease checks that storing a configuration during a run leaves the task's lease as it is.
func testLease(t *testing.T, s Store) {
	h, lease := create(t, s)
	must(t, s.Put(t.Context(), h, NewConfig(h, "c", "https://example.com")))
	asked, err := lease.Renew(t.Context(), seconds(70))
	must(t, err)
	if asked != (tasklog.Asked{}) {
		t.Errorf("the holder is asked for %+v", asked)
	}
	info, err := s.Log.Lease(t.Context(), h.ID)
	must(t, err)
	if info.Holder != "w" || info.Expired() {
		t.Errorf("the lease is %+v", info)
	}
}
