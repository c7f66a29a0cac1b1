package tasklogtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"a2alambda/internal/tasklog"
)

// checkWait fails the test unless the wait is in the state and has got the body.
func checkWait(t *testing.T, s tasklog.Store, h tasklog.Head, name string, state tasklog.WaitState, body string) {
	t.Helper()
	w, err := s.Wait(t.Context(), h.ID, name)
	must(t, err)
	if w.Name != name || w.State != state || (w.Delivery != nil) != (state == tasklog.WaitDelivered) ||
		w.Delivery != nil && string(w.Delivery.Body) != body {
		t.Errorf("the wait is %+v, want it %s", w, state)
	}
}

func testWaits(t *testing.T, s tasklog.Store) {
	ctx := t.Context()
	h, _, _ := mustCreate(t, s)
	long := strings.Repeat("ü#", tasklog.MaxWaitName/3)
	names := []string{"a", "hotel/book", long, "a#", "a#0000"}
	for _, name := range names {
		must(t, s.OpenWait(ctx, h, name, "memo of "+name), s.OpenWait(ctx, h, name, "another"))
		checkWait(t, s, h, name, tasklog.WaitOpen, "")
	}
	if w, err := s.Wait(ctx, h.ID, "a"); err != nil || w.Memo != "memo of a" {
		t.Errorf("the wait is %+v, %v", w, err)
	}
	open := func() (names []string) {
		t.Helper()
		waits, err := s.OpenWaits(ctx, h.ID)
		must(t, err)
		for _, w := range waits {
			names = append(names, w.Name)
		}
		slices.Sort(names)
		return names
	}
	slices.Sort(names)
	if got := open(); !slices.Equal(got, names) {
		t.Errorf("open are %q, want %q", got, names)
	}

	came := time.Now().Truncate(time.Millisecond)
	d := tasklog.Delivery{Body: []byte("one\ntwo\n\n"), ContentType: "text/plain", Time: came}
	must(t, s.Deliver(ctx, h.ID, "a", d))
	later := d
	later.Time = came.Add(time.Second)
	must(t, s.Deliver(ctx, h.ID, "a", later)) // the same again
	checkWait(t, s, h, "a", tasklog.WaitDelivered, "one\ntwo\n\n")
	if w, err := s.Wait(ctx, h.ID, "a"); err != nil || !w.Delivery.Time.Equal(came) || w.Delivery.ContentType != "text/plain" {
		t.Errorf("what came is %+v, %v", w.Delivery, err)
	}
	for _, other := range []tasklog.Delivery{{Body: []byte("other"), ContentType: "text/plain"}, {Body: d.Body, ContentType: "text/html"}, {}} {
		if err := s.Deliver(ctx, h.ID, "a", other); !errors.Is(err, tasklog.ErrDelivered) {
			t.Errorf("delivering something else: %v", err)
		}
	}
	w, err := s.CloseWait(ctx, h.ID, "a") // too late
	if must(t, err); w.State != tasklog.WaitDelivered || string(w.Delivery.Body) != string(d.Body) {
		t.Errorf("closed, it is %+v", w)
	}
	must(t, s.OpenWait(ctx, h, "a", ""))
	checkWait(t, s, h, "a", tasklog.WaitDelivered, "one\ntwo\n\n")

	for range 2 {
		w, err = s.CloseWait(ctx, h.ID, "hotel/book")
		if must(t, err); w.State != tasklog.WaitClosed || w.Name != "hotel/book" {
			t.Errorf("closed, it is %+v", w)
		}
	}
	must(t, s.OpenWait(ctx, h, "hotel/book", ""))
	for _, body := range []string{"late", incompressible(tasklog.MaxDelivery)} {
		if err := s.Deliver(ctx, h.ID, "hotel/book", tasklog.Delivery{Body: []byte(body)}); !errors.Is(err, tasklog.ErrWaitClosed) {
			t.Errorf("delivering late: %v", err)
		}
	}
	checkWait(t, s, h, "hotel/book", tasklog.WaitClosed, "")

	bodies := map[string]string{"a#": incompressible(tasklog.MaxDelivery), "a#0000": "", long: strings.Repeat("\n", 70_000)}
	for name, body := range bodies {
		for range 2 {
			must(t, s.Deliver(ctx, h.ID, name, tasklog.Delivery{Body: []byte(body), Time: came}))
		}
		if err := s.Deliver(ctx, h.ID, name, tasklog.Delivery{Body: []byte(incompressible(10_000))}); !errors.Is(err, tasklog.ErrDelivered) {
			t.Errorf("delivering something else: %v", err)
		}
		checkWait(t, s, h, name, tasklog.WaitDelivered, body)
	}
	if got := open(); len(got) > 0 {
		t.Errorf("%q are open", got)
	}
	testNoWait(t, s, h)
}

// testNoWait asks for waits that are not there.
func testNoWait(t *testing.T, s tasklog.Store, h tasklog.Head) {
	ctx := t.Context()
	gone, _ := NewTask()
	gone.Expires = time.Now().Add(2 * time.Second).Truncate(time.Second)
	_, err := s.Create(ctx, gone, firstEvent(gone, "hello"), by("w"))
	must(t, err, s.OpenWait(ctx, gone, "a", ""))
	time.Sleep(time.Until(gone.Expires))
	if err := s.OpenWait(ctx, gone, "b", ""); !errors.Is(err, tasklog.ErrNotFound) {
		t.Errorf("opening a wait of an expired task: %v", err)
	}
	for name, h := range map[string]tasklog.Head{"b": h, "a": gone} {
		_, reading := s.Wait(ctx, h.ID, name)
		_, closing := s.CloseWait(ctx, h.ID, name)
		big := tasklog.Delivery{Body: []byte(incompressible(10_000))}
		for _, err := range []error{
			reading, closing, s.Deliver(ctx, h.ID, name, tasklog.Delivery{}), s.Deliver(ctx, h.ID, name, big),
		} {
			if !errors.Is(err, tasklog.ErrNotFound) {
				t.Errorf("of a wait that is not there: %v", err)
			}
		}
		if waits, err := s.OpenWaits(ctx, h.ID); err != nil || len(waits) > 0 {
			t.Errorf("open are %v, %v", waits, err)
		}
	}
}

// testWaitRace has several deliver and close one wait. The first wins, and all see the same.
func testWaitRace(t *testing.T, s tasklog.Store) {
	ctx := t.Context()
	h, _, _ := mustCreate(t, s)
	for round := range 10 {
		name := fmt.Sprint(round)
		must(t, s.OpenWait(ctx, h, name, ""))
		var wg sync.WaitGroup
		errs, bodies := make([]error, 4), make([][]byte, 4)
		for i := range errs {
			bodies[i] = []byte(fmt.Sprint(i, incompressible(1000*i)))
			wg.Go(func() { errs[i] = s.Deliver(ctx, h.ID, name, tasklog.Delivery{Body: bodies[i]}) })
		}
		var closed tasklog.Wait
		var err error
		wg.Go(func() { closed, err = s.CloseWait(ctx, h.ID, name) })
		wg.Wait()
		w, reading := s.Wait(ctx, h.ID, name)
		must(t, err, reading)
		if closed.State != w.State {
			t.Fatalf("closed it is %s, and then %s", closed.State, w.State)
		}
		for i, err := range errs {
			want := tasklog.ErrWaitClosed
			if w.Delivery != nil {
				want = tasklog.ErrDelivered
				if bytes.Equal(bodies[i], w.Delivery.Body) {
					want = nil
				}
			}
			if !errors.Is(err, want) {
				t.Errorf("delivery %d got %v; the wait is %s", i, err, w.State)
			}
		}
	}
}
