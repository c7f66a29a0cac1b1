package tasklog_test

import (
	"testing"
	"time"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestFollowMany follows a task that says something every 1.8 seconds, beside many others. The more there
// are, the less often it is polled, unless it talks.
func TestFollowMany(t *testing.T) {
	for _, test := range []struct {
		others, here int // tasks; here run in the process
		every        time.Duration
		least, most  int // polls in a minute
	}{
		{0, 0, 1800 * time.Millisecond, 270, 400},
		{150, 0, 1800 * time.Millisecond, 270, 400},
		{500, 0, 1800 * time.Millisecond, 130, 260},
		{1500, 0, 1800 * time.Millisecond, 90, 220},
		{1500, 1500, 1800 * time.Millisecond, 270, 400},
		{1500, 0, 95 * time.Millisecond, 600, 1100},
	} {
		follows(t, func(t *testing.T, f *following) {
			var all []*follower
			counted := f.head
			for i := range test.others {
				head, first := tasklogtest.NewTask()
				head.Expires = f.head.Expires
				if _, err := f.log.Create(t.Context(), head, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Hour)}); err != nil {
					t.Fatal(err)
				}
				if f.head = head; i < test.here {
					defer f.followers.Running(head.ID, 1)()
				}
				all = append(all, f.follow(nil))
			}
			f.head = counted
			w := f.follow(nil)
			go func() {
				for end := time.Now().Add(70 * time.Second); time.Now().Before(end); {
					time.Sleep(test.every)
					f.append(working)
				}
			}()
			time.Sleep(5 * time.Second)
			if n := f.log.polled(f.head.ID, time.Minute); n < test.least || n > test.most {
				t.Errorf("beside %d tasks, %d here, an event every %v: %d polls in a minute, want %d to %d",
					test.others, test.here, test.every, n, test.least, test.most)
			}
			time.Sleep(10 * time.Second)
			if got, want := len(shownNow(t, w.tap)), int(70*time.Second/test.every)+1; got != want {
				t.Errorf("beside %d tasks, %d here, an event every %v: %d of %d events were shown", test.others, test.here, test.every, got, want)
			}
			for _, w := range append(all, w) {
				w.cancel()
				<-w.done
			}
		})
	}
}
