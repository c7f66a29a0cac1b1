package tasklog_test

import (
	"testing"
	"time"
)

// TestFollowSlow follows a task that talks, in stores of several speeds. A slow one is polled less
// often, however many wait for it, but each event comes in a few seconds.
func TestFollowSlow(t *testing.T) {
	for _, test := range []struct {
		takes       time.Duration // a poll
		least, most int           // polls in a minute
	}{
		{5 * time.Millisecond, 500, 1100},
		{100 * time.Millisecond, 60, 130},
		{time.Second, 25, 40},
	} {
		follows(t, func(t *testing.T, f *following) {
			f.log.takes = test.takes
			w := f.follow(nil)
			go func() {
				for range 700 {
					time.Sleep(95 * time.Millisecond)
					f.append(working)
				}
			}()
			time.Sleep(time.Second)
			fresh, stale, _ := f.log.count(time.Minute)
			if n := fresh + stale; n < test.least || n > test.most {
				t.Errorf("a poll takes %v: %d in a minute, want %d to %d", test.takes, n, test.least, test.most)
			}
			time.Sleep(10 * time.Second)
			if got := shownNow(t, w.tap); len(got) != 700 {
				t.Errorf("a poll takes %v: %d events were shown", test.takes, len(got))
			}
			w.cancel()
			<-w.done
		})
	}
}
