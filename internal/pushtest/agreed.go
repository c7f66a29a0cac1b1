package pushtest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// testAgreed checks that an agreement belongs to a configuration: it stays when the same one is put
// again, and ends when another takes its place, or when delivery was given up.
func testAgreed(t *testing.T, s Store) {
	c := put(t, s)
	h := tasklog.Head{ID: c.TaskID, Expires: c.Expires}
	agree := func() {
		t.Helper()
		release(t, claim(t, s, c, "w"), push.Progress{After: 4, Agreed: true, Sent: 7, Room: 8}, time.Time{}, true)
	}
	agreed := func(what string, want bool) {
		t.Helper()
		all, err := s.List(t.Context(), c.TaskID)
		must(t, err)
		if len(all) != 1 || all[0].Agreed != want || !want && (all[0].Room != 0 || all[0].Sent != c.Sent) {
			t.Errorf("%s: %+v", what, all)
		}
	}
	agreed("put", false)
	agree()
	agreed("agreed", true)
	again := c
	again.After, again.Sent = 9, 100
	must(t, s.Put(t.Context(), h, again))
	agreed("the same again", true)

	for _, change := range []func(){
		func() { c.Push.URL += "/other" },
		func() { c.Push.Token = "other" },
		func() { c.Push.Auth = &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: "other"} },
		func() { c.Version = "0.3" },
	} {
		agree()
		change()
		c.Agreed, c.Room = true, 1000 // Put does not take it over
		must(t, s.Put(t.Context(), h, c))
		agreed("another", false)
	}
	agree()
	must(t, claim(t, s, c, "x").GiveUp(t.Context(), push.Progress{After: 4, Agreed: true}), s.Put(t.Context(), h, c))
	agreed("given up, and put again", false)
	agree()
	must(t, s.Delete(t.Context(), c.TaskID, c.ID), s.Put(t.Context(), h, c))
	agreed("deleted, and put again", false)
}

// testProgress checks that all that progress has is kept, by each method that stores it, and that
// Put stores what a configuration begins with.
func testProgress(t *testing.T, s Store) {
	h, _ := tasklogtest.NewTask()
	c := NewConfig(h, "c", "https://example.com/hook")
	c.State, c.Sent = a2a.TaskStateWorking, 1234
	must(t, s.Put(t.Context(), h, c))
	held := claim(t, s, c, "w")
	if got := held.Config(); got.State != c.State || got.Progress != c.Progress {
		t.Errorf("put: %+v", got)
	}
	p := push.Progress{
		After: 5, Agreed: true, Failures: 2, Since: seconds(-100), Sent: 1 << 40, Room: 77,
		Hour: seconds(-50), Bytes: 99 << 20, Waited: 1234567 * time.Millisecond, Aside: 98 << 20,
	}
	stored := func(what string, want push.Progress) {
		t.Helper()
		all, err := s.List(t.Context(), c.TaskID)
		must(t, err)
		if len(all) != 1 || all[0].Progress != want {
			t.Errorf("%s: %+v, want %+v", what, all, want)
		}
	}
	must(t, held.Save(t.Context(), p, seconds(60)))
	stored("saved", p)
	c.Push.Token = "other"
	must(t, s.Put(t.Context(), h, c))
	hour := push.Progress{After: c.After, Sent: c.Sent, Hour: p.Hour, Bytes: p.Bytes, Waited: p.Waited, Aside: p.Aside}
	stored("replaced", hour) // or else a caller would have another hour each time
	held = claim(t, s, c, "v")
	must(t, held.Save(t.Context(), p, seconds(60)))
	stored("saved again", p)
	p.After, p.Failures, p.Since = 6, 0, time.Time{}
	release(t, held, p, time.Time{}, true)
	stored("released", p)
	p = at(7)
	release(t, claim(t, s, c, "x"), p, seconds(-1), true)
	stored("released with less", p)
	p.Agreed = true
	must(t, claim(t, s, c, "y").GiveUp(t.Context(), p))
	stored("given up", p)
}

// testLost checks that the store counts holders that were lost, until the delivery gets on.
func testLost(t *testing.T, s Store) {
	c := put(t, s)
	p := at(1)
	// lost has a holder claim the delivery, do something, and never come back.
	lost := func(writer string, want int, do func(push.Claim)) {
		t.Helper()
		held, err := s.Claim(t.Context(), c.TaskID, c.ID, writer, time.Now().Add(-time.Second))
		must(t, err)
		if held == nil || held.Config().Lost != want {
			t.Fatalf("%s claimed %+v, want %d lost before", writer, held, want)
		}
		again, err := s.Claim(t.Context(), c.TaskID, c.ID, writer, time.Now().Add(-time.Second)) // its acknowledgement was lost
		must(t, err)
		if again == nil || again.Config().Lost != want {
			t.Fatalf("%s claimed again %+v, want %d lost before", writer, again, want)
		}
		if do != nil {
			do(held)
		}
	}
	save := func(held push.Claim) { must(t, held.Save(t.Context(), p, seconds(-1))) }
	lost("a", 0, nil)
	lost("b", 1, save) // no progress
	lost("c", 2, nil)
	wantDue(t, s, c, true)
	lost("d", 3, func(held push.Claim) {
		p.After = 2
		save(held)
	})
	lost("e", 1, func(held push.Claim) {
		p.Agreed = true
		save(held)
	})
	lost("f", 1, save)
	release(t, claim(t, s, c, "g"), p, seconds(-1), true) // it was put off
	lost("h", 2, nil)
	p.After = 3
	release(t, claim(t, s, c, "i"), p, seconds(-1), true)
	lost("j", 0, nil)
	lost("k", 1, nil)

	// The sweeper has asked for a delivery in the meantime.
	looks, err := tasklogtest.Due(t.Context(), s, time.Now(), 100)
	must(t, err)
	for _, l := range looks {
		if l.ID == c.TaskID {
			_, err := s.Postpone(t.Context(), l, seconds(60))
			must(t, err)
		}
	}
	lost("l", 2, nil)
	release(t, claim(t, s, c, "m"), p, time.Time{}, true) // there is nothing more
	lost("n", 0, nil)
	lost("o", 1, nil)
	changed := c
	changed.Push.Token = "another"
	must(t, s.Put(t.Context(), tasklog.Head{ID: c.TaskID, Expires: c.Expires}, changed))
	lost("p", 0, nil)
}

// testSpend spends from a task's account: together, not more than it may have, whatever becomes of
// its configurations.
func testSpend(t *testing.T, s Store) {
	c := put(t, s)
	add := func(bytes, sent int64) (push.Account, bool, error) {
		return s.Spend(t.Context(), c.TaskID, push.Spending{
			Expires: c.Expires, Bytes: bytes, Sent: sent, Most: func(sent int64) int64 { return 10 * sent },
		})
	}
	spend := func(bytes, sent, wantSpent, wantMost int64, wantOK bool) {
		t.Helper()
		got, ok, err := add(bytes, sent)
		if want := (push.Account{Spent: wantSpent, Most: wantMost}); err != nil || got != want || ok != wantOK {
			t.Errorf("%d when %d were sent: got %+v, %v, %v, want %+v, %v", bytes, sent, got, ok, err, want, wantOK)
		}
	}
	spend(101, 10, 0, 100, false)
	spend(60, 10, 60, 100, true)
	spend(41, 10, 60, 100, false)
	must(t, s.Delete(t.Context(), c.TaskID, c.ID))
	spend(40, 10, 100, 100, true)
	spend(1, 10, 100, 100, false)
	spend(1000, 10, 100, 100, false)
	spend(800, 100, 900, 1000, true)
	// Who has not read so far may spend as much, and no more.
	spend(60, 10, 960, 1000, true)
	spend(41, 0, 960, 1000, false)
	spend(40, 0, 1000, 1000, true)
	spend(1, 99, 1000, 1000, false)
	if all, err := s.List(t.Context(), c.TaskID); len(all) != 0 || err != nil {
		t.Errorf("the account is a configuration: %+v, %v", all, err)
	}

	c = put(t, s)
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := 0
	for range 20 {
		wg.Go(func() {
			_, ok, err := add(11, 7)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if ok {
				got++
			}
		})
	}
	wg.Wait()
	a, _, err := add(0, 7)
	if must(t, err); got < 1 || int64(got)*11 > a.Spent || a.Spent != 66 {
		t.Errorf("%d have spent 11 bytes of 70, and the account has %d", got, a.Spent)
	}
}

// testSpendHour spends from a task's hour: together, not more than it may have, and anew in the next.
func testSpendHour(t *testing.T, s Store) {
	c := put(t, s)
	spend := func(hour, bytes, most int64, want bool) {
		t.Helper()
		ok, err := s.SpendHour(t.Context(), c.TaskID, c.Expires, hour, bytes, most)
		if must(t, err); ok != want {
			t.Errorf("%d of %d in hour %d: %v", bytes, most, hour, ok)
		}
	}
	spend(7, 101, 100, false)
	spend(7, 60, 100, true)
	spend(7, 41, 100, false)
	must(t, s.Delete(t.Context(), c.TaskID, c.ID))
	spend(7, 40, 100, true)
	spend(7, 1, 100, false)
	spend(6, 1, 100, false) // by the clock of another machine
	spend(8, 101, 100, false)
	spend(8, 100, 100, true)
	spend(7, 1, 100, false)
	_, ok, err := s.Spend(t.Context(), c.TaskID, push.Spending{ // it has nothing to do with the hour
		Expires: c.Expires, Bytes: 10, Sent: 10, Most: func(sent int64) int64 { return sent },
	})
	if must(t, err); !ok {
		t.Error("the account has no room")
	}
	spend(8, 1, 100, false)
	spend(9, 100, 100, true)

	var wg sync.WaitGroup
	var got atomic.Int64
	for range 20 {
		wg.Go(func() {
			ok, err := s.SpendHour(t.Context(), c.TaskID, c.Expires, 10, 10, 75)
			if err != nil {
				t.Error(err)
			}
			if ok {
				got.Add(1)
			}
		})
	}
	wg.Wait()
	if n := got.Load(); n < 1 || n > 7 {
		t.Errorf("%d have spent 10 bytes of 75", n)
	}
	spend(10, 10, 75, false)
}
