package tasklog_test

import (
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// TestNextLease checks what a snapshot says about its lease, and which lease follows.
func TestNextLease(t *testing.T) {
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	const waits = a2a.TaskStateInputRequired
	claim := tasklog.Claim{Writer: "next", Until: soon}
	for name, test := range map[string]struct {
		lease        tasklog.LeaseInfo
		state        a2a.TaskState
		seq          int64
		busy, fenced bool
		crashes      int // that the next lease counts
	}{
		"at work":                       {tasklog.LeaseInfo{Holder: "w", Epoch: 3, Seq: 4, Until: soon}, working, 5, true, true, 0},
		"crashed":                       {tasklog.LeaseInfo{Holder: "w", Epoch: 3, Seq: 4, Until: past, Crashes: 2}, working, 5, true, true, 0},
		"deposed":                       {tasklog.LeaseInfo{Holder: "w", Epoch: 3, Seq: 4, Deposed: true, Crashes: 2}, working, 5, false, true, 0},
		"deposed idle":                  {tasklog.LeaseInfo{Holder: "w", Epoch: 3, Seq: 5, Deposed: true, Crashes: 2}, working, 5, false, true, 3},
		"crashed idle":                  {tasklog.LeaseInfo{Holder: "w", Epoch: 3, Seq: 5, Until: past, Crashes: 2}, working, 5, true, true, 3},
		"released":                      {tasklog.LeaseInfo{Holder: "w", Epoch: 3, Seq: 5, Released: true, Crashes: 2}, working, 5, false, false, 0},
		"turn ended":                    {tasklog.LeaseInfo{Holder: "w", Epoch: 3, Seq: 4, Until: soon}, waits, 5, false, false, 0},
		"about to begin a turn":         {tasklog.LeaseInfo{Holder: "w", Epoch: 3, Seq: 5, Until: soon}, waits, 5, true, true, 1},
		"crashed at the begin":          {tasklog.LeaseInfo{Holder: "w", Epoch: 3, Seq: 5, Until: past}, waits, 5, true, true, 1},
		"created for a worker":          {tasklog.LeaseInfo{Epoch: 1, Seq: 1}, a2a.TaskStateSubmitted, 1, false, false, 0},
		"left to a worker":              {tasklog.LeaseInfo{Epoch: 3, Seq: 5}, a2a.TaskStateSubmitted, 6, false, false, 0},
		"to be left, without a message": {tasklog.LeaseInfo{Epoch: 3, Seq: 5, Crashes: 1}, waits, 5, false, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := &tasklog.Snapshot{Task: &a2a.Task{Status: a2a.TaskStatus{State: test.state}}, Seq: test.seq, Lease: test.lease}
			if s.Busy() != test.busy || s.Fenced() != test.fenced {
				t.Errorf("busy is %t, fenced is %t, want %t and %t", s.Busy(), s.Fenced(), test.busy, test.fenced)
			}
			want := tasklog.LeaseInfo{Holder: "next", Epoch: test.lease.Epoch + 1, Seq: test.seq, Until: soon, Crashes: test.crashes}
			if got := s.Next(claim); got != want {
				t.Errorf("the next lease is %+v, want %+v", got, want)
			}
		})
	}
}
