package lambdaenv_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestGap holds the price of talking against what it adds to an event's delay, at several paces of
// the agent, with a store that answers at once.
func TestGap(t *testing.T) {
	const over = 10 * time.Second
	for _, test := range []struct {
		every   time.Duration
		appends int           // at most
		delay   time.Duration // of half of the events, at most
	}{
		{time.Millisecond, 111, 50 * time.Millisecond},
		{13 * time.Millisecond, 111, 50 * time.Millisecond},
		{20 * time.Millisecond, 111, 50 * time.Millisecond}, // 50 tokens a second
		{50 * time.Millisecond, 111, 50 * time.Millisecond},
		{95 * time.Millisecond, 111, 50 * time.Millisecond},
		{200 * time.Millisecond, 51, 5 * time.Millisecond}, // now and then
		{time.Second, 11, 5 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, first := tasklogtest.NewTask()
			lease, err := new(memlog.Log).Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			fold := tasklog.NewFold(nil, 0)
			fold.Add(tasklog.Event{Seq: 1, JSON: first.JSON})
			var mu sync.Mutex // guards said
			var said []time.Time
			var delays []time.Duration
			appends := 0
			a := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{
				Lease: lease, Fold: fold, Gap: lambdaenv.Gap,
				Appended: func(events []tasklog.Event) {
					appends++
					mu.Lock()
					defer mu.Unlock()
					for _, e := range events {
						delays = append(delays, time.Since(said[e.Seq-2]))
					}
				},
			})
			for begun := time.Now(); time.Since(begun) < over; time.Sleep(test.every) {
				mu.Lock()
				said = append(said, time.Now())
				mu.Unlock()
				if err := a.Add(tasklogtest.Status(h, a2a.TaskStateWorking, "")); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			if delays[0] != 0 {
				t.Errorf("the first event waited for %v", delays[0])
			}
			slices.Sort(delays)
			p50, most := delays[len(delays)/2], delays[len(delays)-1]
			t.Logf("an event each %v: %d appends in %v; half of the events waited for %v at most, the others for %v at most",
				test.every, appends, over, p50, most)
			if appends > test.appends || p50 > test.delay || most > lambdaenv.Gap {
				t.Errorf("want %d appends at most, half of the delays up to %v, and none over %v", test.appends, test.delay, lambdaenv.Gap)
			}
		})
	}
}
