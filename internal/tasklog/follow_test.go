package tasklog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// polls is a log that counts its polls. It can show stale polls an older state of itself.
type polls struct {
	*memlog.Log
	mu           sync.Mutex
	fresh, stale int
	last         time.Time                      // of the last fresh one
	longest      time.Duration                  // between two fresh ones
	old          func() (tasklog.Polled, error) // what stale polls find; nil for what is so
	err          error
	takes        time.Duration      // a poll
	of           map[a2a.TaskID]int // polls of each task
}

func (p *polls) Poll(ctx context.Context, id a2a.TaskID, after int64, stale bool) (tasklog.Polled, error) {
	time.Sleep(p.takes)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of[id]++
	if p.err != nil {
		return tasklog.Polled{}, p.err
	}
	if stale {
		p.stale++
		if p.old != nil {
			return p.old()
		}
	} else {
		p.longest = max(p.longest, time.Since(p.last))
		p.fresh, p.last = p.fresh+1, time.Now()
	}
	return p.Log.Poll(ctx, id, after, stale)
}

// polled returns how often a task was polled in the time d.
func (p *polls) polled(id a2a.TaskID, d time.Duration) int {
	now := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.of[id]
	}
	before := now()
	time.Sleep(d)
	return now() - before
}

// count returns how often the log was polled in the time d.
func (p *polls) count(d time.Duration) (fresh, stale int, longest time.Duration) {
	p.mu.Lock()
	p.fresh, p.stale, p.longest, p.last = 0, 0, 0, time.Now()
	p.mu.Unlock()
	time.Sleep(d)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fresh, p.stale, p.longest
}

// following is a task, its followers, and what they are shown.
type following struct {
	*testing.T
	log       *polls
	followers *tasklog.Followers
	head      tasklog.Head
	lease     tasklog.Lease
	orphaned  atomic.Int32
	next      int64
}

func newFollowing(t *testing.T) *following {
	f := &following{T: t, log: &polls{Log: new(memlog.Log), of: map[a2a.TaskID]int{}}, next: 2}
	f.followers = tasklog.NewFollowers(f.log, func(context.Context, a2a.TaskID) { f.orphaned.Add(1) })
	head, first := tasklogtest.NewTask()
	f.head = head
	f.head.Expires = time.Now().Add(24 * time.Hour)
	var err error
	if f.lease, err = f.log.Create(t.Context(), f.head, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	return f
}

// append appends statuses, and returns them.
func (f *following) append(states ...a2a.TaskState) (events []tasklog.Event) {
	f.Helper()
	var entries []tasklog.Entry
	for i, state := range states {
		entries = append(entries, tasklogtest.Status(f.head, state, ""))
		events = append(events, tasklog.Event{Seq: f.next + int64(i), JSON: entries[i].JSON})
	}
	if err := f.lease.Append(f.Context(), f.next, entries); err != nil {
		f.Fatal(err)
	}
	f.next += int64(len(states))
	return events
}

// follower is one of them.
type follower struct {
	tap    *tasklog.Tap
	cancel context.CancelFunc
	done   chan struct{}
	state  a2a.TaskState
	err    error
}

// follow begins to follow the task from its present state, with the config changed.
func (f *following) follow(change func(*tasklog.FollowConfig)) *follower {
	f.Helper()
	s, err := f.log.Load(f.Context(), f.head.ID)
	if err != nil {
		f.Fatal(err)
	}
	c := tasklog.FollowConfig{ID: f.head.ID, After: s.Seq, State: s.Task.Status.State, Lease: s.Lease}
	if change != nil {
		change(&c)
	}
	ctx, cancel := context.WithCancel(f.Context())
	w := &follower{tap: tasklog.NewTap(ctx, f.log, f.head.ID, c.After), cancel: cancel, done: make(chan struct{})}
	c.Tap = w.tap
	go func() {
		defer close(w.done)
		w.state, w.err = f.followers.Follow(ctx, c)
	}()
	synctest.Wait()
	return w
}

// shown returns the numbers of the events that the follower was shown since the last call.
func (w *follower) shown(t *testing.T) string {
	t.Helper()
	synctest.Wait()
	seqs := []int64{}
	for _, e := range shownNow(t, w.tap) {
		seqs = append(seqs, e.Seq)
	}
	return fmt.Sprint(seqs)
}

func (w *follower) ended() bool {
	synctest.Wait()
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

func follows(t *testing.T, test func(*testing.T, *following)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newFollowing(t)) })
}

// TestFollowTogether has many follow a task at once. Each is shown what comes after the place where
// it began, and the log is read as often as for one.
func TestFollowTogether(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		f.append(working)
		var all []*follower
		for i := range 100 {
			all = append(all, f.follow(nil))
			time.Sleep(time.Duration(i) * time.Millisecond)
			if i == 50 {
				f.append(working)
			}
		}
		late := f.follow(func(c *tasklog.FollowConfig) { c.After, c.State = 1, a2a.TaskStateSubmitted })
		time.Sleep(time.Second)
		for i, w := range all {
			want := "[]"
			if i <= 50 {
				want = "[3]"
			}
			if got := w.shown(t); got != want {
				t.Errorf("follower %d was shown %s, want %s", i, got, want)
			}
		}
		if got := late.shown(t); got != "[2 3]" {
			t.Errorf("one who had seen less than the others was shown %s", got)
		}
		fresh, stale, longest := f.log.count(10 * time.Second)
		if n := fresh + stale; n < 11 || n > 14 || fresh < 5 || fresh > 7 || longest > 1800*time.Millisecond {
			t.Errorf("in 10 s, the log was read %d times, %d of them fresh, after %v at most", n, fresh, longest)
		}
		f.append(working, completed)
		time.Sleep(time.Second)
		for i, w := range append(all, late) {
			if got := w.shown(t); got != "[4 5]" || !w.ended() || w.state != completed || w.err != nil {
				t.Errorf("follower %d was shown %s, and ended: %s, %v", i, got, w.state, w.err)
			}
		}
		if fresh, stale, _ := f.log.count(time.Minute); fresh+stale != 0 {
			t.Errorf("after the last follower the log was read %d times", fresh+stale)
		}
	})
}

// TestFollowFree follows a task that was handed over. Until somebody has the next lease, the log is hardly
// read, and nothing else but that lease looked for; then what comes is shown soon. If nobody comes for
// it, it is reported.
func TestFollowFree(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		f.append(working)
		if err := f.lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		w := f.follow(nil)
		if fresh, stale, longest := f.log.count(10 * time.Second); stale > 0 || fresh < 4 || fresh > 5 || longest > 2200*time.Millisecond {
			t.Errorf("in 10 s, the log was read %d times, and %d times stale, after %v at most", fresh, stale, longest)
		}
		if n := f.orphaned.Load(); n < 2 || n > 3 { // after 2 s and 4 s more
			t.Errorf("it was reported %d times", n)
		}
		s, err := f.log.Load(t.Context(), f.head.ID)
		if err != nil {
			t.Fatal(err)
		}
		if f.lease, err = f.log.Acquire(t.Context(), s, tasklog.Claim{Writer: "next", Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		f.append(working)
		time.Sleep(230 * time.Millisecond)
		if got := w.shown(t); got != "[3]" {
			t.Errorf("shown %s", got)
		}
		if _, stale, _ := f.log.count(2 * time.Second); stale == 0 {
			t.Error("the log is not followed any more")
		}
		w.cancel()
		<-w.done
	})
}

// TestFollowTalk follows a task that talks. After events the log is not read again at once, and
// most polls are stale, for half the price.
func TestFollowTalk(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		w := f.follow(nil)
		stop := make(chan struct{})
		var talk sync.WaitGroup
		talk.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
					f.append(working)
				}
			}
		})
		fresh, stale, longest := f.log.count(10 * time.Second)
		close(stop)
		talk.Wait()
		if n := fresh + stale; n < 110 || n > 140 || fresh > 15 || longest > 1100*time.Millisecond {
			t.Errorf("in 10 s, the log was read %d times, %d of them fresh, after %v at most", n, fresh, longest)
		}
		time.Sleep(time.Second)
		if events := shownNow(t, w.tap); int64(len(events)) != f.next-2 {
			t.Errorf("%d events were shown, want %d", len(events), f.next-2)
		}
		w.cancel()
		<-w.done
	})
}

// TestFollowPaced follows a task that talks as fast as a run appends. The polls come soon after the
// appends, and few of them are in vain.
func TestFollowPaced(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		w := f.follow(nil)
		var mu sync.Mutex // guards said
		var said []time.Time
		var lags []time.Duration
		var talk sync.WaitGroup
		talk.Go(func() {
			for range 200 {
				time.Sleep(95 * time.Millisecond)
				mu.Lock()
				said = append(said, time.Now())
				mu.Unlock()
				f.append(working)
			}
			time.Sleep(95 * time.Millisecond)
			f.append(completed)
		})
		talk.Go(func() {
			for {
				events, err := w.tap.Next(t.Context())
				if err != nil || events[len(events)-1].Seq > 201 {
					return
				}
				mu.Lock()
				for _, e := range events {
					lags = append(lags, time.Since(said[e.Seq-2]))
				}
				mu.Unlock()
			}
		})
		fresh, stale, _ := f.log.count(10 * time.Second)
		talk.Wait()
		slices.Sort(lags)
		p50 := lags[len(lags)/2]
		t.Logf("an event each 95 ms: %d polls in 10 s, %d of them fresh; %v late (p50), %v at most", fresh+stale, fresh, p50, lags[len(lags)-1])
		if n := fresh + stale; n > 150 || fresh > 15 || p50 > 20*time.Millisecond {
			t.Errorf("%d polls in 10 s, %d of them fresh; %v late (p50)", n, fresh, p50)
		}
		<-w.done
	})
}

// TestFollowQuiet follows a task that is silent for a minute, for little. Once it talks again, it is
// followed as closely as before.
func TestFollowQuiet(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		w := f.follow(nil)
		late := func() time.Duration {
			t.Helper()
			f.append(working)
			begun := time.Now()
			if _, err := w.tap.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
			return time.Since(begun)
		}
		time.Sleep(5 * time.Second)
		fresh, stale, longest := f.log.count(time.Minute)
		if units := float64(fresh) + float64(stale)/2; units > 60 || longest > 1800*time.Millisecond {
			t.Errorf("a silent minute costs %v read units: %d fresh polls, %v apart at most, and %d stale ones", units, fresh, longest, stale)
		}
		if d := late(); d > 850*time.Millisecond {
			t.Errorf("the first event came after %v", d)
		}
		for range 10 {
			time.Sleep(time.Second)
			if d := late(); d > 220*time.Millisecond {
				t.Errorf("an event that comes each second came after %v", d)
			}
		}
		// Whoever gets the lease is expected to talk soon.
		time.Sleep(time.Minute)
		s, err := f.log.Load(t.Context(), f.head.ID)
		if err != nil {
			t.Fatal(err)
		}
		if f.lease, err = f.log.Acquire(t.Context(), s, tasklog.Claim{Writer: "next", Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1800 * time.Millisecond)
		if fresh, stale, _ := f.log.count(400 * time.Millisecond); fresh+stale < 1 {
			t.Error("the next holder is not followed closely")
		}
		w.cancel()
		<-w.done
	})
}

// TestFollowRun follows a task that is run in the same process. Its events are shown when they are
// appended, and the log is read only if somebody else has appended events before them.
func TestFollowRun(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		done := f.followers.Running(f.head.ID, f.next-1)
		w := f.follow(nil)
		time.Sleep(10 * time.Second)
		f.followers.Appended(f.head.ID, f.append(working))
		if got := w.shown(t); got != "[2]" {
			t.Errorf("shown at once: %s", got)
		}
		late := f.follow(nil)
		if fresh, stale, _ := f.log.count(time.Hour); fresh+stale > 0 {
			t.Errorf("the log was read %d times", fresh+stale)
		}
		f.append(working)
		f.followers.Appended(f.head.ID, f.append(working))
		time.Sleep(100 * time.Millisecond)
		for _, w := range []*follower{w, late} {
			if got := w.shown(t); got != "[3 4]" {
				t.Errorf("shown after what somebody else has appended: %s", got)
			}
		}
		behind := f.follow(func(c *tasklog.FollowConfig) { c.After = 1 })
		if got := behind.shown(t); got != "[2 3 4]" {
			t.Errorf("one who has seen less was shown %s", got)
		}
		if fresh, stale, _ := f.log.count(time.Hour); fresh+stale > 0 {
			t.Errorf("then the log was read %d times", fresh+stale)
		}
		done() // the first poll may come before the next event; then the second is up to 142 ms later
		f.append(completed)
		time.Sleep(150 * time.Millisecond)
		for _, w := range []*follower{w, late, behind} {
			if got := w.shown(t); got != "[5]" || !w.ended() {
				t.Errorf("shown after the run: %s", got)
			}
		}
		f.followers.Appended("another", []tasklog.Event{{Seq: 1}}) // which nobody follows
	})
}

// TestFollowMoves follows a task that is run here, then elsewhere, then here again, and so on.
// Followers come all the time. Each is shown all events, once, in order, and the log is read only
// while the task runs elsewhere, or has events that no run here has appended.
func TestFollowMoves(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		type seen struct {
			*follower
			after int64
		}
		var all []seen
		come := func() {
			t.Helper()
			after := f.next - 1
			all = append(all, seen{f.follow(nil), after})
			if after > 1 { // as of an older load
				all = append(all, seen{f.follow(func(c *tasklog.FollowConfig) { c.After-- }), after - 1})
			}
		}
		for range 10 {
			come() // while nobody runs the task here
			for range 5 {
				time.Sleep(40 * time.Millisecond)
				f.append(working)
			}
			done := f.followers.Running(f.head.ID, f.next-1) // the followers have not seen all before
			for i := range 5 {
				if i != 2 {
					come()
				}
				f.followers.Appended(f.head.ID, f.append(working, working))
				time.Sleep(40 * time.Millisecond)
			}
			time.Sleep(time.Second)
			if fresh, stale, _ := f.log.count(time.Minute); fresh+stale > 0 {
				t.Errorf("while a run here brings the events, the log was read %d times", fresh+stale)
			}
			// It is superseded, and told so after another one has appended. Then its followers go on.
			f.append(working)
			done()
			done()
			time.Sleep(time.Second)
			if fresh, stale, _ := f.log.count(10 * time.Second); fresh+stale < 8 {
				t.Errorf("after the run, the log was read %d times in 10 s", fresh+stale)
			}
		}
		f.append(completed)
		time.Sleep(2 * time.Second)
		for i, w := range all {
			next := w.after + 1
			for _, e := range shownNow(t, w.tap) {
				if e.Seq != next {
					t.Fatalf("follower %d began after event %d, and was shown event %d instead of %d", i, w.after, e.Seq, next)
				}
				next++
			}
			if next != f.next || !w.ended() || w.err != nil || w.state != completed {
				t.Errorf("follower %d was shown the events before %d of %d, and ended: %s, %v", i, next, f.next-1, w.state, w.err)
			}
		}
	})
}

// TestFollowStale has stale polls show an old state: nothing follows from it.
func TestFollowStale(t *testing.T) {
	for name, old := range map[string]func() (tasklog.Polled, error){
		"a lease that has ended": func() (tasklog.Polled, error) {
			return tasklog.Polled{Lease: tasklog.LeaseInfo{Epoch: 1, Holder: "w", Deposed: true}}, nil
		},
		"no task": func() (tasklog.Polled, error) { return tasklog.Polled{}, tasklog.ErrNotFound },
	} {
		t.Run(name, func(t *testing.T) {
			follows(t, func(t *testing.T, f *following) {
				f.log.old = old
				a, b := f.follow(nil), f.follow(func(c *tasklog.FollowConfig) { c.UntilOrphaned = true })
				time.Sleep(5 * time.Second)
				f.append(working)
				time.Sleep(1800 * time.Millisecond)
				if got := a.shown(t); got != "[2]" {
					t.Errorf("shown within two seconds: %s", got)
				}
				if f.orphaned.Load() > 0 || a.ended() || b.ended() {
					t.Errorf("told orphaned %d times, ended: %t, %t", f.orphaned.Load(), a.ended(), b.ended())
				}
				f.append(completed)
				time.Sleep(1800 * time.Millisecond)
				if !a.ended() || !b.ended() || a.err != nil {
					t.Errorf("ended: %t, %t; %v", a.ended(), b.ended(), a.err)
				}
			})
		})
	}
}

// TestFollowOrphan follows a task whose holder is deposed. That is reported soon, since a worker may
// have been asked for, and then less and less often, once for all followers. A lease that has ended
// by the clock is not reported.
func TestFollowOrphan(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		if _, err := f.lease.Renew(t.Context(), time.Now().Add(10*time.Second)); err != nil {
			t.Fatal(err)
		}
		a, b := f.follow(nil), f.follow(nil)
		canceler := f.follow(func(c *tasklog.FollowConfig) { c.UntilOrphaned = true })
		at := func(begun time.Time, after time.Duration, told int32, deposed bool) {
			t.Helper()
			time.Sleep(time.Until(begun.Add(after)))
			if f.orphaned.Load() != told || a.ended() || b.ended() || canceler.ended() != deposed {
				t.Errorf("%v later it was told %d times, want %d; ended: %t, %t, %t", after, f.orphaned.Load(), told, a.ended(), b.ended(), canceler.ended())
			}
		}
		at(time.Now(), 30*time.Second, 0, false)
		lease, err := f.log.Lease(t.Context(), f.head.ID)
		if err == nil {
			_, err = f.log.Depose(t.Context(), f.head.ID, lease, tasklog.AnyPlace)
		}
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		at(begun, 1800*time.Millisecond, 0, true)
		at(begun, 5*time.Second, 1, true)
		at(begun, 10*time.Second, 2, true)
		at(begun, 20*time.Second, 3, true)
		seen := f.follow(nil) // joins the walk, and has seen to the task
		for _, w := range []*follower{a, b, seen} {
			w.cancel()
			<-w.done
		}
		told := f.orphaned.Load()
		seen = f.follow(nil)
		time.Sleep(1500 * time.Millisecond)
		if f.orphaned.Load() != told {
			t.Error("told at once to one who knew it")
		}
		time.Sleep(2 * time.Second)
		if f.orphaned.Load() != told+1 {
			t.Error("not told later")
		}
		seen.cancel()
		<-seen.done
	})
}

// TestFollowWaits follows a task that waits for its client: for a minute, or not at all, or until
// it goes on.
func TestFollowWaits(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		f.append(a2a.TaskStateInputRequired)
		final := func(c *tasklog.FollowConfig) { c.UntilFinal = true }
		if w := f.follow(final); !w.ended() || w.state != a2a.TaskStateInputRequired {
			t.Error("one who follows until a final state stays in one")
		}
		stays := f.follow(nil)
		leaving := f.follow(func(c *tasklog.FollowConfig) { c.UntilFinal, c.Leaving = true, true })
		time.Sleep(50 * time.Second)
		if leaving.ended() || stays.ended() {
			t.Error("ended before a minute")
		}
		f.append(a2a.TaskStateSubmitted)
		time.Sleep(time.Second)
		f.append(a2a.TaskStateInputRequired)
		time.Sleep(time.Second)
		if !leaving.ended() || stays.ended() {
			t.Errorf("at the next final state, ended: %t, %t", leaving.ended(), stays.ended())
		}
		time.Sleep(5 * time.Second)
		if fresh, stale, _ := f.log.count(10 * time.Second); fresh > 13 || stale > 0 {
			t.Errorf("in 10 s, the log was read %d times, and %d times stale", fresh, stale)
		}
		time.Sleep(53 * time.Second)
		if !stays.ended() || stays.err != nil || stays.state != a2a.TaskStateInputRequired {
			t.Errorf("after a minute, ended: %t, %s, %v", stays.ended(), stays.state, stays.err)
		}
	})
}

// TestFollowTrouble follows a log that can't be read, for some time or for too long.
func TestFollowTrouble(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		trouble := func(err error) {
			f.log.mu.Lock()
			defer f.log.mu.Unlock()
			f.log.err = err
		}
		unknown := f.follow(func(c *tasklog.FollowConfig) { c.After, c.State, c.Lease = 0, "", tasklog.LeaseInfo{} })
		if got := unknown.shown(t); got != "[1]" {
			t.Errorf("of a task of which nothing is known, it is shown at once: %s", got)
		}
		w := f.follow(nil)
		down := errors.New("down")
		for range 3 {
			trouble(down)
			time.Sleep(15 * time.Second)
			trouble(nil)
			time.Sleep(5 * time.Second)
		}
		if w.ended() {
			t.Errorf("ended with %v", w.err)
		}
		trouble(down)
		time.Sleep(30 * time.Second)
		if !w.ended() || !errors.Is(w.err, down) || !unknown.ended() {
			t.Errorf("ended: %t, %v", w.ended(), w.err)
		}
		trouble(nil)
		w = f.follow(nil)
		time.Sleep(25 * time.Hour)
		if !w.ended() || !errors.Is(w.err, tasklog.ErrNotFound) {
			t.Errorf("when the task had expired, ended: %t, %v", w.ended(), w.err)
		}
	})
}

// TestFollowRace has followers come and go while events are appended, here and elsewhere. Each is
// shown all events, once, in order.
func TestFollowRace(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		const n = 200
		var group sync.WaitGroup
		for i := range 50 {
			group.Go(func() {
				time.Sleep(time.Duration(i) * 7 * time.Millisecond)
				s, err := f.log.Load(f.Context(), f.head.ID)
				if err != nil {
					t.Error(err)
					return
				}
				ctx, cancel := context.WithCancel(f.Context())
				if i%5 == 0 {
					ctx, cancel = context.WithTimeout(f.Context(), time.Duration(i)*11*time.Millisecond)
				}
				defer cancel()
				tap := tasklog.NewTap(ctx, f.log, f.head.ID, s.Seq)
				state, err := f.followers.Follow(ctx, tasklog.FollowConfig{
					ID: f.head.ID, After: s.Seq, State: s.Task.Status.State, Lease: s.Lease, Tap: tap,
				})
				if err != nil || i%5 != 0 && state != completed {
					t.Errorf("follower %d ended: %s, %v", i, state, err)
				}
				tap.End()
				var seqs []int64
				for {
					events, err := tap.Next(context.Background())
					if err != nil {
						break
					}
					for _, e := range events {
						seqs = append(seqs, e.Seq)
					}
				}
				for j, seq := range seqs {
					if seq != s.Seq+int64(j)+1 {
						t.Errorf("follower %d began at %d and was shown %v", i, s.Seq, seqs)
						break
					}
				}
				if i%5 != 0 && s.Seq+int64(len(seqs)) != n {
					t.Errorf("follower %d was not shown the end: %d after %d", i, len(seqs), s.Seq)
				}
			})
		}
		for f.next < n {
			time.Sleep(5 * time.Millisecond)
			if events := f.append(working); f.next%3 != 0 {
				f.followers.Appended(f.head.ID, events)
			}
		}
		f.append(completed)
		group.Wait()
	})
}

// TestTapReach has a tap learn of events that it was not shown. It shows what it has, and then
// reads the others.
func TestTapReach(t *testing.T) {
	follows(t, func(t *testing.T, f *following) {
		tap := tasklog.NewTap(t.Context(), f.log, f.head.ID, 1)
		first := f.append(working, working)
		f.append(working, working)
		tap.Publish(first)
		tap.Reach(5)
		tap.Publish(f.append(completed))
		tap.End()
		var shown []int64
		for {
			events, err := tap.Next(t.Context())
			if err != nil {
				break
			}
			for _, e := range events {
				shown = append(shown, e.Seq)
			}
		}
		if got := fmt.Sprint(shown); got != "[2 3 4 5 6]" {
			t.Errorf("shown %s", got)
		}
	})
}

// TestFollowEnd ends following in a process that is about to end: at once, or if the process runs
// the task, after the last event of that run.
func TestFollowEnd(t *testing.T) {
	for _, runs := range []bool{false, true} {
		follows(t, func(t *testing.T, f *following) {
			done := func() {}
			if runs {
				done = f.followers.Running(f.head.ID, f.next-1)
			}
			w := f.follow(nil)
			f.followers.End()
			if w.ended() == runs {
				t.Errorf("runs here: %v, ended: %v", runs, !runs)
			}
			late := f.follow(nil)
			if late.ended() == runs {
				t.Errorf("runs here: %v, a late one ended: %v", runs, !runs)
			}
			want := "[]"
			if runs {
				want = "[2]"
				f.followers.Appended(f.head.ID, f.append(working))
			}
			done()
			for _, w := range []*follower{w, late, f.follow(nil)} {
				if !w.ended() || !errors.Is(w.err, tasklog.ErrEnding) {
					t.Fatalf("runs here: %v, ended: %v, %v", runs, w.ended(), w.err)
				}
			}
			for _, w := range []*follower{w, late} {
				if got := w.shown(t); got != want {
					t.Errorf("runs here: %v, it was shown %s, want %s", runs, got, want)
				}
			}
		})
	}
}
