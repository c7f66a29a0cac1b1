package tasklog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

const (
	working   = a2a.TaskStateWorking
	completed = a2a.TaskStateCompleted
)

// recorder notes the appends to a store. They take a while, and may fail.
type recorder struct {
	latency time.Duration
	fail    func() error
	start   time.Time
	appends []string // "<time since start> <first>-<last> <state>"
}

// store returns an empty store.
func (r *recorder) store() tasklog.Store {
	return tasklogtest.Faulty(new(memlog.Log), tasklogtest.Fault{Op: "Lease.Append", Do: r.append})
}

func (r *recorder) append(_ context.Context, op tasklog.Op) error {
	time.Sleep(r.latency)
	if r.fail != nil {
		if err := r.fail(); err != nil {
			return err
		}
	}
	last := len(op.Entries) - 1
	state := strings.TrimPrefix(string(op.Entries[last].State), "TASK_STATE_")
	r.appends = append(r.appends, fmt.Sprintf("%v %d-%d %s", time.Since(r.start), op.First, op.First+int64(last), state))
	return nil
}

// create creates a task in the store, and returns its lease and the fold over its log.
func create(tb testing.TB, s tasklog.Store, h tasklog.Head, first tasklog.Entry) (tasklog.Lease, *tasklog.Fold) {
	tb.Helper()
	lease, err := s.Create(tb.Context(), h, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Minute)})
	if err != nil {
		tb.Fatal(err)
	}
	fold := tasklog.NewFold(nil, 0)
	fold.Add(tasklog.Event{Seq: 1, JSON: first.JSON})
	return lease, fold
}

// appender returns an appender to a new task, whose appends are recorded, and a function that adds
// a status with a message or, without a text, with none.
func appender(t *testing.T, r *recorder, gap time.Duration, tap bool) (
	a *tasklog.Appender, add func(state a2a.TaskState, text ...string), shown *tasklog.Tap,
) {
	t.Helper()
	h, first := tasklogtest.NewTask()
	s := r.store()
	cfg := tasklog.AppenderConfig{Gap: gap}
	cfg.Lease, cfg.Fold = create(t, s, h, first)
	if tap {
		shown = tasklog.NewTap(t.Context(), s, h.ID, 1)
		cfg.Appended = shown.Publish
	}
	a = tasklog.NewAppender(t.Context(), cfg)
	r.start = time.Now()
	return a, func(state a2a.TaskState, text ...string) {
		t.Helper()
		if err := a.Add(tasklogtest.Status(h, state, strings.Join(text, ""))); err != nil {
			t.Error(err)
		}
	}, shown
}

// shownNow returns what the tap can show without waiting.
func shownNow(t *testing.T, tap *tasklog.Tap) []tasklog.Event {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	events, _ := tap.Next(ctx)
	return events
}

func checkAppends(t *testing.T, l *recorder, want ...string) {
	t.Helper()
	if !slices.Equal(l.appends, want) {
		t.Errorf("appends\n%q\nwant\n%q", l.appends, want)
	}
}

func TestAppenderGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &recorder{latency: 10 * time.Millisecond}
		a, add, _ := appender(t, l, 0, false)
		for range 5 { // the first goes at once, those that come while it is written go together
			add(working)
			time.Sleep(3 * time.Millisecond)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		checkAppends(t, l, "10ms 2-2 WORKING", "20ms 3-5 WORKING", "30ms 6-6 WORKING")
	})
}

func TestAppenderPaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(recorder)
		a, add, _ := appender(t, l, 50*time.Millisecond, false)
		add(working)
		time.Sleep(5 * time.Millisecond)
		for range 15 { // one each 10 ms
			add(working)
			time.Sleep(10 * time.Millisecond)
		}
		add(completed)
		synctest.Wait()
		checkAppends(t, l,
			"0s 2-2 WORKING", "10ms 3-3 WORKING", "20ms 4-4 WORKING", "30ms 5-5 WORKING", // the burst
			"50ms 6-7 WORKING", "100ms 8-12 WORKING", "150ms 13-17 WORKING",
			"155ms 18-18 COMPLETED") // the end waits for nothing
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAppenderEndsApart writes the end of a turn apart from much that comes before it.
func TestAppenderEndsApart(t *testing.T) {
	for text, want := range map[string][]string{
		"a word":                   {"10ms 2-2 WORKING", "20ms 3-5 COMPLETED"},
		strings.Repeat("x", 3<<10): {"10ms 2-2 WORKING", "20ms 3-4 WORKING", "30ms 5-5 COMPLETED"},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &recorder{latency: 10 * time.Millisecond}
			a, add, _ := appender(t, l, 0, false)
			add(working, text)
			synctest.Wait()
			for _, state := range []a2a.TaskState{working, working, completed} {
				add(state, text)
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			checkAppends(t, l, want...)
		})
	}
}

func TestAppenderCloseWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(recorder)
		a, add, _ := appender(t, l, time.Hour, false)
		for range 10 {
			add(working)
			synctest.Wait()
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		checkAppends(t, l, "0s 2-2 WORKING", "0s 3-11 WORKING")
		if err := a.Add(tasklog.Entry{JSON: []byte("{}")}); !errors.Is(err, tasklog.ErrClosed) {
			t.Errorf("adding after Close: %v", err)
		}
	})
}

// TestAppenderLingers writes what is yielded in the same breath together, and nothing late.
func TestAppenderLingers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(recorder)
		a, add, _ := appender(t, l, 95*time.Millisecond, false)
		say := func(states ...a2a.TaskState) {
			for _, s := range states {
				add(s)
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Second - time.Duration(len(states))*time.Millisecond)
		}
		say(working)                   // the first event waits for nothing
		say(working, working, working) // with what follows at once
		say(working)                   // alone
		say(working, completed)        // the end waits for nothing
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		checkAppends(t, l, "0s 2-2 WORKING", "1.005s 3-5 WORKING", "2.005s 6-6 WORKING", "3.001s 7-8 COMPLETED")
	})
}

func TestAppenderTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := 3
		l := &recorder{fail: func() error {
			if failures--; failures >= 0 {
				return errors.New("out of order")
			}
			return nil
		}}
		a, add, tap := appender(t, l, 0, true)
		add(working)
		synctest.Wait()
		if events := shownNow(t, tap); len(events) != 0 {
			t.Fatal("an event was shown before it was in the log")
		}
		add(completed)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		checkAppends(t, l, "350ms 2-2 WORKING", "350ms 3-3 COMPLETED")
		if events := shownNow(t, tap); len(events) != 2 { // Next has lost nothing
			t.Errorf("%d events were shown at once, want 2", len(events))
		}
	})
}

func TestAppenderGivesUp(t *testing.T) {
	for _, failure := range []error{
		errors.New("out of order"), tasklog.ErrConflict, fmt.Errorf("appending: %w", tasklog.ErrConflict),
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &recorder{fail: func() error { return failure }}
			a, add, tap := appender(t, l, 0, true)
			add(working)
			<-a.Failed().Done()
			if err := context.Cause(a.Failed()); !errors.Is(err, failure) {
				t.Errorf("failed with %v, want %v", err, failure)
			}
			elapsed := time.Since(l.start)
			if conflict := errors.Is(failure, tasklog.ErrConflict); conflict != (elapsed == 0) || elapsed > 30*time.Second {
				t.Errorf("gave up after %v", elapsed)
			}
			if err := a.Add(tasklog.Entry{JSON: []byte("{}")}); !errors.Is(err, failure) {
				t.Errorf("Add: %v", err)
			}
			if err := a.Close(); !errors.Is(err, failure) {
				t.Errorf("Close: %v", err)
			}
			if events := shownNow(t, tap); len(events) != 0 {
				t.Error("an event was shown that is not in the log")
			}
		})
	}
}

// TestAppenderThrottled has a busy store. Throttled appends are retried for longer than other
// failures, and at least once in a second and a half.
func TestAppenderThrottled(t *testing.T) {
	for busy, want := range map[time.Duration]bool{50 * time.Second: true, 70 * time.Second: false} {
		synctest.Test(t, func(t *testing.T) {
			var l *recorder
			tried, last := time.Time{}, time.Duration(0)
			l = &recorder{fail: func() error {
				if !tried.IsZero() {
					last = max(last, time.Since(tried))
				}
				tried = time.Now()
				if time.Since(l.start) < busy {
					return fmt.Errorf("appending: %w", tasklog.ErrThrottled)
				}
				return nil
			}}
			a, add, _ := appender(t, l, 0, false)
			add(completed)
			if err := a.Close(); (err == nil) != want || !want && !errors.Is(err, tasklog.ErrThrottled) {
				t.Errorf("after %v: %v", time.Since(l.start), err)
			}
			if last > 1500*time.Millisecond {
				t.Errorf("it was not tried for %v", last)
			}
		})
	}
}

// TestAppenderTakesItsTime checks that a long append may take longer than a short one.
func TestAppenderTakesItsTime(t *testing.T) {
	for bytes, most := range map[int]time.Duration{1000: 6 * time.Second, 6 << 20: 24 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			h, first := tasklogtest.NewTask()
			var took time.Duration
			s := tasklogtest.Faulty(new(memlog.Log), tasklogtest.Fault{Op: "Lease.Append", Nth: 1, Do: func(ctx context.Context, _ tasklog.Op) error {
				start := time.Now()
				<-ctx.Done()
				took = time.Since(start)
				return ctx.Err()
			}})
			lease, fold := create(t, s, h, first)
			a := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{Lease: lease, Fold: fold})
			entry := tasklogtest.Status(h, completed, strings.Repeat("x", bytes))
			if err := errors.Join(a.Add(entry), a.Close()); err != nil || took != most {
				t.Errorf("%d bytes: %v, after %v", bytes, err, took)
			}
		})
	}
}

// TestAppenderWaits checks that an executor can't run away from the store.
func TestAppenderWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &recorder{latency: time.Second}
		a, _, _ := appender(t, l, 0, false)
		event := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
		for range 30 {
			if err := a.Add(tasklog.Entry{JSON: event}); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(l.start); waited < 15*time.Second {
			t.Errorf("30 MB were taken in %v, with a store that takes 1 MB a second", waited)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestTapSlowReader checks that a reader that falls behind still gets all events.
func TestTapSlowReader(t *testing.T) {
	const n = 60
	s := new(memlog.Log)
	h, first := tasklogtest.NewTask()
	lease, fold := create(t, s, h, first)
	tap := tasklog.NewTap(t.Context(), s, h.ID, 1)
	a := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{Lease: lease, Fold: fold, Appended: tap.Publish})
	text := strings.Repeat("x", 200_000)
	for range n { // 12 MB, before the first is taken
		if err := a.Add(tasklogtest.Status(h, working, text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	tap.End()
	next := int64(2)
	for {
		events, err := tap.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Seq != next {
				t.Fatalf("event %d where %d was due", e.Seq, next)
			}
			next++
		}
	}
	if next != n+2 {
		t.Errorf("the last event was %d, want %d", next-1, n+1)
	}
}

// TestFlush writes what was added at once, whatever the gap, and returns when it is in the log.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		h, first := tasklogtest.NewTask()
		lease, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		fold := tasklog.NewFold(nil, 0)
		fold.Add(tasklog.Event{Seq: 1, JSON: first.JSON})
		a := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{Lease: lease, Fold: fold, Gap: time.Minute})
		begun := time.Now()
		for i := range 10 {
			if err := a.Add(tasklogtest.Status(h, a2a.TaskStateWorking, "")); err != nil {
				t.Fatal(err)
			}
			if err := a.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if events, _, err := l.Read(t.Context(), h.ID, 1, 100); err != nil || len(events) != i+1 {
				t.Fatalf("%d events after flush %d, %v", len(events), i+1, err)
			}
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("ten flushes took %v", took)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
