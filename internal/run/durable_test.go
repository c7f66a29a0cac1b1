package run_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/durable"
	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestDeadline tells every executor when its run ends: some seconds before the invocation.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(time.Minute)
		ctx, cancel := context.WithDeadline(t.Context(), end)
		defer cancel()
		var got time.Time
		x := executor(func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			got, _ = ctx.Deadline()
			yield(status(ec, a2a.TaskStateCompleted), nil)
		})
		r, _ := start(t, ctx, new(memlog.Log), new(strings.Builder), x)
		if err := r.Wait(); err != nil || !got.Equal(end.Add(-5*time.Second)) {
			t.Errorf("the executor's deadline is %v before the end, %v", end.Sub(got), err)
		}
	})
}

// createDurable creates a task of a durable agent, and returns its turn.
func createDurable(t *testing.T, l tasklog.Store) (tasklog.Head, run.Turn) {
	t.Helper()
	h, _ := tasklogtest.NewTask()
	h.Expires = time.Now().Add(30 * 24 * time.Hour)
	until := time.Now().Add(run.LeaseTime)
	task := a2a.NewSubmittedTask(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hello")))
	data, err := tasklog.Encode(task)
	if err != nil {
		t.Fatal(err)
	}
	first := tasklog.NewEntry(task, data)
	lease, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: until, Request: request, Records: true})
	if err != nil {
		t.Fatal(err)
	}
	fold := tasklog.NewFold(nil, 0)
	fold.Add(tasklog.Event{Seq: 1, JSON: first.JSON})
	return h, run.Turn{
		Head: h, Request: request, First: request, Lease: lease, Until: until, Fold: fold, Size: first.Size(),
		Context: &a2asrv.ExecutorContext{TaskID: h.ID, ContextID: h.ContextID},
	}
}

// TestAsleep leaves a task alone while it sleeps, whoever comes to it, and goes on when it is due.
// A worker whose clock is a little slow goes on, too.
func TestAsleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var runs, asked atomic.Int32
		l := new(memlog.Log)
		runner := run.New(run.Config{
			Store: l, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Executor: durable.New(func(ctx context.Context, _ *durable.Task) error {
				runs.Add(1)
				if _, err := durable.Do(ctx, "step", func(context.Context) (string, error) { return "secret", nil }); err != nil {
					return err
				}
				return durable.Sleep(ctx, "night", 8*time.Hour)
			}),
			Invoke: func(context.Context, a2a.TaskID) error { asked.Add(1); return nil },
		})
		h, turn := createDurable(t, l)
		r := runner.Start(t.Context(), turn, run.Nobody)
		if err := r.Wait(); err != nil || r.Over() {
			t.Fatal(err, r.Over())
		}
		load := func() *tasklog.Snapshot {
			s, err := l.Load(t.Context(), h.ID)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		for range 3 {
			time.Sleep(2 * time.Hour)
			if err := runner.Recover(t.Context(), load()); err != nil {
				t.Error(err)
			}
			if _, err := runner.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
			if err := runner.Work(t.Context(), h.ID); err != nil {
				t.Error(err)
			}
		}
		if runs.Load() != 1 || asked.Load() != 0 || !load().Lease.Sleeps() {
			t.Errorf("%d runs, %d workers asked for, %+v", runs.Load(), asked.Load(), load().Lease)
		}
		time.Sleep(time.Until(load().Lease.Due.Add(-3 * time.Second)))
		if err := runner.Work(t.Context(), h.ID); err != nil || runs.Load() != 2 {
			t.Errorf("%d runs, %v", runs.Load(), err)
		}
		if state := load().Task.Status.State; state != a2a.TaskStateCompleted {
			t.Errorf("the task is %s", state)
		}
		for _, want := range []string{"msg=step", "step=step", "type=do", "outcome=done", "attempts=1", "bytes=8", "stepMs=", "end=suspended", "suspensions=1"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, log.String())
			}
		}
		if strings.Contains(log.String(), "secret") {
			t.Error("the log has what a step has returned")
		}
	})
}
