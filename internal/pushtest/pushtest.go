// Package pushtest tests that a [push.Store] keeps its contract. Every implementation passes the same tests.
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
)

// Store is a store of configurations with the log of their tasks.
type Store interface {
	push.Store
	tasklog.Log
}

// Test runs all tests. Open returns the store under test; the stores it returns may share their tasks.
func Test(t *testing.T, open func(t *testing.T) Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Store)
	}{
		{"Configurations", testConfigurations},
		{"PutAgain", testPutAgain},
		{"Delivery", testDelivery},
		{"ToldMeanwhile", testToldMeanwhile},
		{"PutOff", testPutOff},
		{"Dead", testDead},
		{"GivenUp", testGivenUp},
		{"Replaced", testReplaced},
		{"ConcurrentClaims", testConcurrentClaims},
		{"NothingOverlooked", testNothingOverlooked},
		{"Head", testHead},
		{"HolderIsTold", testHolderIsTold},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// NewConfig returns a configuration of the task, after its first event.
func NewConfig(h tasklog.Head, id, url string) push.Config {
	return push.Config{
		TaskID: h.ID, ID: id, Version: "1.0", After: 1, Expires: h.Expires, Trace: h.Trace,
		Push: a2a.PushConfig{TaskID: h.ID, ID: id, URL: url, Token: "token"},
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
	must(t, s.PutPush(t.Context(), h, c))
	return c
}

// seconds returns a time in so many seconds, to the second.
func seconds(n int) time.Time {
	return time.Now().Truncate(time.Second).Add(time.Duration(n) * time.Second)
}

// claim claims the delivery for the writer, who gets it.
func claim(t *testing.T, s Store, c push.Config, writer string) *push.Delivery {
	t.Helper()
	d, err := s.ClaimPush(t.Context(), c.TaskID, c.ID, writer, seconds(60))
	must(t, err)
	if d == nil || d.Writer != writer || d.TaskID != c.TaskID || d.ID != c.ID {
		t.Fatalf("%s claimed %+v", writer, d)
	}
	return d
}

// refused fails the test if the writer gets the delivery.
func refused(t *testing.T, s Store, c push.Config, writer string) {
	t.Helper()
	if d, err := s.ClaimPush(t.Context(), c.TaskID, c.ID, writer, seconds(60)); d != nil || err != nil {
		t.Fatalf("%s claimed %+v, %v", writer, d, err)
	}
}

// release releases the claim, and fails the test unless it is released as wanted.
func release(t *testing.T, s Store, d *push.Delivery, due time.Time, want bool) {
	t.Helper()
	if released, err := s.ReleasePush(t.Context(), d, due); err != nil || released != want {
		t.Fatalf("releasing: got %v, %v, want %v", released, err, want)
	}
}

// wantDue fails the test unless the configuration becomes due, or is not due. A store may tell late.
func wantDue(t *testing.T, s Store, c push.Config, want bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		due := false
		must(t, s.DuePushes(t.Context(), func(id a2a.TaskID, config string) bool {
			due = due || id == c.TaskID && config == c.ID
			return true
		}))
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
	if all, err := s.Pushes(t.Context(), h.ID); len(all) != 0 || err != nil {
		t.Fatalf("a task that is not there has %v, %v", all, err)
	}
	must(t, s.DeletePush(t.Context(), h.ID, "none"))
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
		must(t, s.PutPush(t.Context(), h, c))
	}
	other, _ := tasklogtest.NewTask()
	must(t, s.PutPush(t.Context(), other, NewConfig(other, "other", "https://example.com")))
	check := func() {
		t.Helper()
		got, err := s.Pushes(t.Context(), h.ID)
		must(t, err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
	}
	check()
	must(t, s.DeletePush(t.Context(), h.ID, want[1].ID), s.DeletePush(t.Context(), h.ID, want[1].ID))
	refused(t, s, want[1], "w")
	want = slices.Delete(want, 1, 2)
	check()
}

func testPutAgain(t *testing.T, s Store) {
	c := put(t, s)
	h := tasklog.Head{ID: c.TaskID, Expires: c.Expires}
	d := claim(t, s, c, "w")
	d.After = 7
	again := c
	again.After = 3
	must(t, s.PutPush(t.Context(), h, again))
	release(t, s, d, time.Time{}, true)
	must(t, s.PutPush(t.Context(), h, again))
	if d := claim(t, s, c, "x"); d.After != 7 {
		t.Errorf("the same configuration again: delivered after %d, want 7", d.After)
	}
}

func testDelivery(t *testing.T, s Store) {
	c := put(t, s)
	wantDue(t, s, c, false)
	d := claim(t, s, c, "w")
	if !reflect.DeepEqual(d.Config, c) || d.Failures != 0 || !d.Since.IsZero() {
		t.Errorf("claimed %+v, want %+v", d, c)
	}
	claim(t, s, c, "w") // the acknowledgement was lost
	d.After, d.Failures, d.Since = 5, 2, seconds(-100)
	must(t, s.SavePush(t.Context(), d, seconds(90)), s.SavePush(t.Context(), d, seconds(90)))
	refused(t, s, c, "x")
	must(t, s.SavePush(t.Context(), d, seconds(90))) // after being told
	d.After = 6
	release(t, s, d, time.Time{}, true)
	if err := s.SavePush(t.Context(), d, seconds(90)); !errors.Is(err, push.ErrConflict) {
		t.Errorf("saving without a claim: got %v, want ErrConflict", err)
	}
	wantDue(t, s, c, false)
	got := claim(t, s, c, "x")
	if got.After != 6 || got.Failures != 2 || !got.Since.Equal(d.Since) {
		t.Errorf("claimed %+v, want as it was released, %+v", got, d)
	}
	got.Failures, got.Since = 0, time.Time{}
	release(t, s, got, time.Time{}, true)
	if got := claim(t, s, c, "y"); got.Failures != 0 || !got.Since.IsZero() {
		t.Errorf("after a success: %+v", got)
	}
}

// testToldMeanwhile checks that who is refused the claim is not forgotten.
func testToldMeanwhile(t *testing.T, s Store) {
	c := put(t, s)
	d := claim(t, s, c, "w")
	refused(t, s, c, "x")
	refused(t, s, c, "y")
	for range 2 {
		release(t, s, d, time.Time{}, false)
	}
	must(t, s.SavePush(t.Context(), d, seconds(60)))
	release(t, s, d, time.Time{}, true)
	d = claim(t, s, c, "z")
	release(t, s, d, time.Time{}, true) // it is told no more

	d = claim(t, s, c, "w")
	refused(t, s, c, "x")
	release(t, s, d, seconds(-1), true) // it is due: then the log is read in any case
	claim(t, s, c, "x")
}

func testPutOff(t *testing.T, s Store) {
	c := put(t, s)
	d := claim(t, s, c, "w")
	d.Failures, d.Since = 1, seconds(0)
	release(t, s, d, seconds(60), true)
	refused(t, s, c, "x")
	wantDue(t, s, c, false)

	c = put(t, s)
	release(t, s, claim(t, s, c, "w"), seconds(-1), true)
	wantDue(t, s, c, true)
	d = claim(t, s, c, "x")
	wantDue(t, s, c, false)
	release(t, s, d, time.Time{}, true)

	c = put(t, s)
	release(t, s, claim(t, s, c, "w"), seconds(-1), true)
	must(t, s.DeletePush(t.Context(), c.TaskID, c.ID))
	wantDue(t, s, c, false)
	refused(t, s, c, "x")
}

// testDead checks that the claim of one who dies ends, and that the delivery is due then.
func testDead(t *testing.T, s Store) {
	c := put(t, s)
	d, err := s.ClaimPush(t.Context(), c.TaskID, c.ID, "dead", seconds(2))
	must(t, err)
	d.After = 4
	must(t, s.SavePush(t.Context(), d, seconds(2)))
	refused(t, s, c, "x")
	wantDue(t, s, c, true)
	if got := claim(t, s, c, "x"); got.After != 4 {
		t.Errorf("delivered after %d, want 4", got.After)
	}
	d.After = 9
	_, err = s.ReleasePush(t.Context(), d, time.Time{})
	for _, err := range []error{err, s.SavePush(t.Context(), d, seconds(60)), s.GiveUpPush(t.Context(), d)} {
		if !errors.Is(err, push.ErrConflict) {
			t.Errorf("after the claim has gone to another: got %v, want ErrConflict", err)
		}
	}
}

func testGivenUp(t *testing.T, s Store) {
	c := put(t, s)
	d := claim(t, s, c, "w")
	d.After, d.Failures, d.Since = 3, 9, seconds(-100)
	must(t, s.GiveUpPush(t.Context(), d))
	wantDue(t, s, c, false)
	if _, err := s.ClaimPush(t.Context(), c.TaskID, c.ID, "x", seconds(60)); !errors.Is(err, push.ErrGivenUp) {
		t.Errorf("claiming: got %v, want ErrGivenUp", err)
	}
	all, err := s.Pushes(t.Context(), c.TaskID)
	must(t, err)
	if len(all) != 1 || all[0].Push.URL != c.Push.URL {
		t.Errorf("there is %+v", all)
	}
	c.After = 8
	must(t, s.PutPush(t.Context(), tasklog.Head{ID: c.TaskID, Expires: c.Expires}, c))
	if d := claim(t, s, c, "y"); d.After != 8 || d.Failures != 0 {
		t.Errorf("put again: %+v", d)
	}
}

func testReplaced(t *testing.T, s Store) {
	c := put(t, s)
	d := claim(t, s, c, "w")
	d.After = 5
	c.Push.Token, c.After = "another", 2
	must(t, s.PutPush(t.Context(), tasklog.Head{ID: c.TaskID, Expires: c.Expires}, c))
	if err := s.SavePush(t.Context(), d, seconds(60)); !errors.Is(err, push.ErrConflict) {
		t.Errorf("saving: got %v, want ErrConflict", err)
	}
	if d := claim(t, s, c, "x"); !reflect.DeepEqual(d.Config, c) {
		t.Errorf("claimed %+v, want %+v", d.Config, c)
	}
}

func testConcurrentClaims(t *testing.T, s Store) {
	for range 10 {
		c := put(t, s)
		var wg sync.WaitGroup
		claims := make([]*push.Delivery, 6)
		for i := range claims {
			wg.Go(func() {
				var err error
				if claims[i], err = s.ClaimPush(t.Context(), c.TaskID, c.ID, fmt.Sprint(i), seconds(60)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		claims = slices.DeleteFunc(claims, func(d *push.Delivery) bool { return d == nil })
		if t.Failed() || len(claims) != 1 {
			t.Fatalf("%d have the claim", len(claims))
		}
	}
}

// testNothingOverlooked has several deliver what one counts, each woken after each step of it: when all of them are done,
// everything is delivered, once.
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
		d, err := s.ClaimPush(ctx, c.TaskID, c.ID, writer, seconds(60))
		for err == nil && d != nil {
			for end := read(); d.After < end; {
				mu.Lock()
				if d.After++; d.After != sent+1 {
					err = fmt.Errorf("%s sends %d after %d", writer, d.After, sent)
				}
				sent = d.After
				mu.Unlock()
			}
			released, releaseErr := s.ReleasePush(ctx, d, time.Time{})
			if released || releaseErr == push.ErrConflict {
				break // also when nobody was told, and another has had the claim since
			}
			err = errors.Join(err, releaseErr, s.SavePush(ctx, d, seconds(60)))
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
	if d := claim(t, s, c, "last"); d.After != written {
		t.Errorf("stored is %d of %d", d.After, written)
	}
}

// testHead checks that heads tell that there are configurations.
func testHead(t *testing.T, s Store) {
	load := func(h tasklog.Head) bool {
		t.Helper()
		snapshot, err := s.Load(t.Context(), h.ID)
		must(t, err)
		return snapshot.Head.Push
	}
	h, first := tasklogtest.NewTask()
	must(t, s.Create(t.Context(), h, "w", seconds(60), first))
	if load(h) {
		t.Error("a task without push notifications has some")
	}
	must(t, s.PutPush(t.Context(), h, NewConfig(h, "c", "https://example.com")))
	if !load(h) {
		t.Error("a task with push notifications has none")
	}
	must(t, s.SetStatus(t.Context(), h.ID, tasklog.Status{State: a2a.TaskStateWorking, Time: time.Now(), Seq: 2}))
	if !load(h) {
		t.Error("a status takes them away")
	}

	h, first = tasklogtest.NewTask()
	h.Push = true
	must(t, s.PutPush(t.Context(), h, NewConfig(h, "c", "https://example.com"))) // before the task
	if _, err := s.Load(t.Context(), h.ID); !errors.Is(err, tasklog.ErrNotFound) {
		t.Errorf("a configuration makes a task: %v", err)
	}
	must(t, s.Create(t.Context(), h, "w", seconds(60), first))
	if !load(h) {
		t.Error("a task that was created with push notifications has none")
	}
}

// testHolderIsTold checks that a configuration in the middle of a run comes to the knowledge of who runs.
func testHolderIsTold(t *testing.T, s Store) {
	h, first := tasklogtest.NewTask()
	must(t, s.Create(t.Context(), h, "w", seconds(60), first))
	asked := func(h tasklog.Head, until time.Time) tasklog.Asked {
		t.Helper()
		a, err := s.Renew(t.Context(), h, "w", until)
		must(t, err)
		return a
	}
	if a := asked(h, time.Time{}); a.Push {
		t.Error("told of nothing")
	}
	must(t, s.PutPush(t.Context(), h, NewConfig(h, "c", "https://example.com")))
	for _, until := range []time.Time{{}, seconds(70)} {
		if a := asked(h, until); a != (tasklog.Asked{Push: true}) {
			t.Errorf("renewing until %v: %+v", until, a)
		}
	}
	h.Push = true
	asked(h, seconds(80))
	if a := asked(h, seconds(90)); a.Push {
		t.Error("told again")
	}
	snapshot, err := s.Load(t.Context(), h.ID)
	must(t, err)
	if snapshot.Lease.Holder != "w" || snapshot.Lease.Expired() {
		t.Errorf("the lease is %+v", snapshot.Lease)
	}
}
