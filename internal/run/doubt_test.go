package run_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestDoubtLine checks the log line of a doubt, by what becomes of it.
func TestDoubtLine(t *testing.T) {
	for _, test := range []struct {
		name    string
		renews  bool
		latency time.Duration
		want    string
	}{
		{"a dead holder", false, 0, "outcome=deposed doubtMs=1300 doubts=1 deposed=1"},
		{"a healthy holder", true, 0, "outcome=answered doubtMs=1250 doubts=1"},
		{"a slow store", false, 700 * time.Millisecond, "outcome=unsure doubtMs=700"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logs bytes.Buffer
				l := new(memlog.Log)
				h, first := tasklogtest.NewTask()
				lease := create(t, l, h, first).Lease
				time.Sleep(14 * time.Second)
				if test.renews {
					time.AfterFunc(1200*time.Millisecond, func() {
						if _, err := lease.Renew(t.Context(), time.Now().Add(run.LeaseTime)); err != nil {
							t.Error(err)
						}
					})
				}
				slow := tasklog.Hooked(l, tasklog.Hooks{Before: func(context.Context, tasklog.Op) error {
					time.Sleep(test.latency)
					return nil
				}})
				s, err := l.Load(t.Context(), h.ID)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				dead := runner(slow, &logs, resumer{waiter}).Overtake(ctx, s)
				if want := test.want == "outcome=deposed doubtMs=1300 doubts=1 deposed=1"; dead != want {
					t.Errorf("the holder is dead: %t", dead)
				}
				_, line, _ := strings.Cut(strings.TrimSpace(logs.String()), "msg=doubt task="+string(h.ID)+" ")
				if line != test.want {
					t.Errorf("got %q, want %q", line, test.want)
				}
			})
		})
	}
}
