package run_test

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/memory"
)

// TestGrows has an executor say more than there is memory for while others have some of it: it waits
// for that, and if it waits in vain, another process goes on, or the task fails. A run that is alone
// may say as much as a task may have.
func TestGrows(t *testing.T) {
	const others, nobody = 60 << 20, 0
	long := strings.Repeat("x", 5<<20) // twice this takes 30 MB
	say := executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		for range 2 {
			said := a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart(long)))
			if !yield(said, nil) {
				return
			}
		}
		yield(status(ec, a2a.TaskStateCompleted), nil)
	})
	const tooMuch = "FAILED: The agent said more than the server has memory for now."
	for _, test := range []struct {
		name  string
		x     a2asrv.AgentExecutor
		limit int64
		used  int64 // by another request
		until time.Duration
		over  bool
		took  time.Duration
		want  []string // the events, without the long text
	}{
		{"alone", say, 64 << 20, nobody, 0, true, 0, []string{"WORKING", "WORKING", "COMPLETED"}},
		{"enough", say, 148 << 20, others, time.Hour, true, 0, []string{"WORKING", "WORKING", "COMPLETED"}},
		{"enough later", say, 128 << 20, others, 5 * time.Second, true, 5 * time.Second, []string{"WORKING", "WORKING", "COMPLETED"}},
		{"never enough", say, 128 << 20, others, time.Hour, true, 10 * time.Second, []string{"WORKING", tooMuch}},
		{"never enough, and can resume", resumer{say}, 128 << 20, others, time.Hour, false, 10 * time.Second, []string{"WORKING"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(test.limit))
			synctest.Test(t, func(t *testing.T) {
				ctx, account := memory.Open(t.Context())
				defer account.Close()
				other, others := memory.Open(t.Context())
				defer others.Close()
				if err := memory.Charge(other, "body", test.used); err != nil {
					t.Fatal(err)
				}
				if test.until > 0 {
					defer time.AfterFunc(test.until, others.Close).Stop()
				}
				l, begun := new(memlog.Log), time.Now()
				r, h := start(t, ctx, l, t.Output(), test.x)
				if err := r.Wait(); err != nil {
					t.Error(err)
				}
				took := time.Since(begun).Truncate(time.Second)
				lines := describe(t, l, h.ID)
				for i := range lines {
					lines[i] = strings.TrimSuffix(lines[i], ": "+long)
				}
				if took != test.took || r.Over() != test.over || !slices.Equal(lines, test.want) {
					t.Errorf("after %v, over is %v: %.400q, want %q after %v", took, r.Over(), lines, test.want, test.took)
				}
				lease, err := l.Lease(t.Context(), h.ID)
				if err != nil || !test.over && !lease.Released {
					t.Errorf("the lease is %+v: %v", lease, err)
				}
			})
		})
	}
}

// TestWorkWithoutMemory has a worker asked for when others have the memory: it leaves the task as it
// is, and says so.
func TestWorkWithoutMemory(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(64 << 20))
	other, others := memory.Open(t.Context())
	defer others.Close()
	if err := memory.Charge(other, "body", 16<<20-memory.Stream+1); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		h := orphan(t, l)
		r := runner(l, t.Output(), resumer{works(time.Second)})
		if err := r.Work(t.Context(), h.ID); err != memory.ErrFull {
			t.Errorf("without memory: %v", err)
		}
		if lines := describe(t, l, h.ID); len(lines) > 0 {
			t.Errorf("the task has %q", lines)
		}
		others.Close()
		if err := r.Work(t.Context(), h.ID); err != nil {
			t.Error(err)
		}
		if lines := describe(t, l, h.ID); len(lines) == 0 || lines[len(lines)-1] != "COMPLETED" {
			t.Errorf("the task has %q", lines)
		}
	})
}
