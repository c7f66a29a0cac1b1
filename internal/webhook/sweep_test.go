package webhook_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestSweepAsksForDeliveries has more deliveries due than a sweep may ask for, and nobody delivers.
// The next sweep asks for the others, and later ones ask again for each after a minute or two.
// Meanwhile each can be claimed, once.
func TestSweepAsksForDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(memlog.Log).Pushes()
		var h tasklog.Head
		for i := range 1500 {
			if i%push.MaxConfigs == 0 {
				h, _ = tasklogtest.NewTask()
			}
			id := strconv.Itoa(i)
			c := push.Config{TaskID: h.ID, ID: id, Push: a2a.PushConfig{ID: id, URL: "https://a.example"}, Expires: h.Expires}
			must(t, s.Put(t.Context(), h, c))
			_, err := s.Claim(t.Context(), h.ID, id, "crashes", time.Now().Add(time.Minute))
			must(t, err)
		}
		time.Sleep(time.Minute)
		var mu sync.Mutex
		asked := map[string]int{}
		round := func(wantAsked, wantLeft int) {
			t.Helper()
			report, err := push.Sweep(t.Context(), s, func(_ context.Context, _ a2a.TaskID, config string) error {
				mu.Lock()
				defer mu.Unlock()
				asked[config]++
				return nil
			})
			if err != nil || report.Asked != wantAsked || report.Left != wantLeft {
				t.Errorf("%+v, %v, want %d asked for, %d left", report, err, wantAsked, wantLeft)
			}
		}
		round(1000, 500)
		round(500, 0)
		round(0, 0)
		if len(asked) != 1500 {
			t.Errorf("%d were asked for", len(asked))
		}
		last := strconv.Itoa(1499) // of the last task
		if c, err := s.Claim(t.Context(), h.ID, last, "late", time.Now().Add(time.Hour)); c == nil || err != nil {
			t.Errorf("it can't be claimed: %v, %v", c, err)
		}
		if c, err := s.Claim(t.Context(), h.ID, last, "later", time.Now().Add(time.Hour)); c != nil || err != nil {
			t.Errorf("it was claimed twice: %v, %v", c, err)
		}
		time.Sleep(2 * time.Minute)
		round(1000, 499)
		if asked[last] != 1 {
			t.Error("one was asked for that is claimed")
		}
	})
}
