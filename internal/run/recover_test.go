package run_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// resumer is an executor that can resume.
type resumer struct{ executor }

func (x resumer) Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		_ = yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, a2a.NewMessageForTask(a2a.MessageRoleAgent, ec,
			a2a.NewTextPart("resumed after "+string(ec.StoredTask.Status.State)))), nil) &&
			yield(status(ec, a2a.TaskStateCompleted), nil)
	}
}

// TestThawed freezes a run for longer than its lease, while another instance takes its task over.
// When the run wakes up, it appends nothing, whether or not it knows of the takeover.
func TestThawed(t *testing.T) {
	for _, canResume := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := new(memlog.Log)
			var thaws atomic.Pointer[time.Time]
			thaws.Store(new(time.Time))
			wait := func(context.Context, tasklog.Op) error {
				time.Sleep(time.Until(*thaws.Load()))
				return nil
			}
			frozen := tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Lease.Append", Do: wait},
				tasklogtest.Fault{Op: "Lease.Renew", Do: wait}, tasklogtest.Fault{Op: "AskedOf", Do: wait})
			var x a2asrv.AgentExecutor = executor(
				func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
					yield(status(ec, a2a.TaskStateWorking), nil)
					time.Sleep(20 * time.Second)
					yield(status(ec, a2a.TaskStateCompleted), nil)
				})
			want := []string{"WORKING", "FAILED: The agent was interrupted and cannot resume."}
			if canResume {
				x = resumer{x.(executor)}
				want = []string{"WORKING", "WORKING: resumed after TASK_STATE_WORKING", "COMPLETED"}
			}
			old, h := start(t, t.Context(), frozen, new(bytes.Buffer), x)
			time.Sleep(time.Second)
			thaw := time.Now().Add(18 * time.Second)
			thaws.Store(&thaw)
			time.Sleep(16 * time.Second)
			next, err := runner(l, io.Discard, x).Resume(t.Context(), h.ID)
			if err != nil || (next != nil) != canResume {
				t.Fatalf("resuming: %v, %v", next, err)
			}
			if next != nil {
				if err := next.Wait(); err != nil {
					t.Fatal(err)
				}
			}
			if err := old.Wait(); !run.Superseded(err) {
				t.Errorf("the run that was frozen ended with %v", err)
			}
			if got := describe(t, l, h.ID); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestCutOffAtOnce cuts a run off before its executor has said anything. The next run starts anew.
func TestCutOffAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		h := orphan(t, l)
		r := runner(l, io.Discard, resumer{
			func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				if ec.StoredTask != nil || ec.Message == nil {
					t.Errorf("executed with %+v", ec)
				}
				yield(status(ec, a2a.TaskStateCompleted), nil)
			},
		})
		if err := r.Work(t.Context(), h.ID); err != nil {
			t.Fatal(err)
		}
		if got := describe(t, l, h.ID); !slices.Equal(got, []string{"COMPLETED"}) {
			t.Errorf("got %q", got)
		}
	})
}

// cancelResumer is an executor that can resume, and be canceled.
type cancelResumer struct {
	resumer
	cancel executor
}

func (c cancelResumer) Cancel(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return c.cancel.Execute(ctx, ec)
}

// TestCancelOrphan asks to cancel a task whose holder has crashed, and a task that was left to a
// worker. The next worker cancels it without running it, whether or not its executor can resume.
func TestCancelOrphan(t *testing.T) {
	execute := func(_ context.Context, _ *a2asrv.ExecutorContext, _ func(a2a.Event, error) bool) {
		t.Error("the executor was run")
	}
	crash := func(states ...a2a.TaskState) func(*testing.T, tasklog.Store) tasklog.Head {
		return func(t *testing.T, l tasklog.Store) tasklog.Head { return orphan(t, l, states...) }
	}
	for name, test := range map[string]struct {
		make func(*testing.T, tasklog.Store) tasklog.Head
		want []string
	}{
		"nothing said": {crash(), []string{"CANCELED: last words"}},
		"said":         {crash(a2a.TaskStateWorking), []string{"WORKING", "CANCELED: last words"}},
		"left to a worker": {func(t *testing.T, l tasklog.Store) tasklog.Head {
			h, first := tasklogtest.NewTask()
			if _, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w"}); err != nil {
				t.Fatal(err)
			}
			return h
		}, []string{"CANCELED: last words"}},
	} {
		for _, canResume := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, can resume: %t", name, canResume), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cancel := func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
						if ec.Message != nil || ec.StoredTask == nil {
							t.Errorf("canceled with %+v", ec)
						}
						m := a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart("last words"))
						yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCanceled, m), nil)
					}
					var x a2asrv.AgentExecutor = canceler{execute, cancel}
					if canResume {
						x = cancelResumer{resumer{execute}, cancel}
					}
					l := new(memlog.Log)
					h := test.make(t, l)
					if err := l.RequestCancel(t.Context(), h); err != nil {
						t.Fatal(err)
					}
					work(t, l, new(bytes.Buffer), x, h.ID)
					if got := describe(t, l, h.ID); !slices.Equal(got, test.want) {
						t.Errorf("got %q, want %q", got, test.want)
					}
				})
			})
		}
	}
}

// TestCrashesAgainAndAgain checks that a task fails if its workers crash as soon as they begin.
func TestCrashesAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		h := orphan(t, l)
		died := 0
		r := runner(l, io.Discard, resumer{
			func(context.Context, *a2asrv.ExecutorContext, func(a2a.Event, error) bool) { t.Error("it was run") },
		})
		r.Invoke = func(ctx context.Context, id a2a.TaskID) error {
			s, err := l.Load(ctx, id)
			if err != nil {
				return err
			}
			if died == 4 {
				return r.Work(ctx, id)
			}
			died++
			_, err = l.Acquire(ctx, s, tasklog.Claim{Writer: a2a.NewMessageID(), Until: time.Now().Add(run.LeaseTime)})
			return err
		}
		for range 10 {
			time.Sleep(time.Minute)
			if _, err := r.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		s, err := l.Load(t.Context(), h.ID)
		if err != nil || s.Task.Status.State != a2a.TaskStateFailed || !strings.Contains(s.Task.Status.Message.Parts[0].Text(), "interrupted") {
			t.Errorf("the task is %+v, %v", s.Task.Status, err)
		}
	})
}
