package run_test

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

// TestLines checks the log line of a run, for each way in which a run may end.
func TestLines(t *testing.T) {
	patient := executor(func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		yield(status(ec, a2a.TaskStateWorking), nil)
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
			yield(status(ec, a2a.TaskStateCompleted), nil)
		}
	})
	within := func(d time.Duration) func(t *testing.T, l tasklog.Store, logs *bytes.Buffer, x a2asrv.AgentExecutor) {
		return func(t *testing.T, l tasklog.Store, logs *bytes.Buffer, x a2asrv.AgentExecutor) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			r, h := start(t, ctx, l, logs, x)
			if err := r.Wait(); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(logs.String(), "handed over") {
				logs.Reset()
				work(t, l, logs, x, h.ID)
			}
		}
	}
	cutOff := func(t *testing.T, l tasklog.Store, logs *bytes.Buffer, x a2asrv.AgentExecutor) {
		work(t, l, logs, x, orphan(t, l, a2a.TaskStateWorking).ID)
	}
	for _, test := range []struct {
		name string
		x    a2asrv.AgentExecutor
		do   func(t *testing.T, l tasklog.Store, logs *bytes.Buffer, x a2asrv.AgentExecutor)
		want string
	}{
		{"completed", patient, within(time.Hour), "state=TASK_STATE_COMPLETED events=2 runMs=60000"},
		{"out of time", patient, within(time.Minute), `state=TASK_STATE_FAILED end="out of time" events=2 runMs=55000 failures=1`},
		{"handed over, and worked on", resumer{patient}, within(time.Minute), "state=TASK_STATE_COMPLETED events=2 runMs=0"},
		{"cut off, and resumed", resumer{patient}, cutOff, "state=TASK_STATE_COMPLETED events=2 runMs=0 recoveries=1"},
		{"cut off for good", patient, cutOff, `state=TASK_STATE_FAILED end=interrupted events=1 runMs=0 failures=1 recoveries=1`},
		{"unfinished", executor(func(context.Context, *a2asrv.ExecutorContext, func(a2a.Event, error) bool) {}), within(time.Hour),
			`state=TASK_STATE_FAILED end=unfinished events=1 runMs=0 failures=1`},
		{"panicked", executor(func(context.Context, *a2asrv.ExecutorContext, func(a2a.Event, error) bool) { panic("oh") }), within(time.Hour),
			`state=TASK_STATE_FAILED end=failed events=1 runMs=0 failures=1`},
		{"canceled", patient, func(t *testing.T, l tasklog.Store, logs *bytes.Buffer, _ a2asrv.AgentExecutor) {
			r, h := start(t, t.Context(), l, logs, canceler{patient, func(context.Context, *a2asrv.ExecutorContext, func(a2a.Event, error) bool) {}})
			time.Sleep(time.Second + time.Millisecond)
			if err := l.RequestCancel(t.Context(), h); err != nil {
				t.Fatal(err)
			}
			_ = r.Wait()
		}, `state=TASK_STATE_CANCELED end=canceled events=2 runMs=1200 cancels=1`},
		{"lost", patient, func(t *testing.T, l tasklog.Store, logs *bytes.Buffer, x a2asrv.AgentExecutor) {
			r, _ := start(t, t.Context(), fenced(l), logs, x)
			_ = r.Wait()
		}, "end=lost runMs=0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logs bytes.Buffer
				test.do(t, new(memlog.Log), &logs, test.x)
				lines := regexp.MustCompile(`msg=run task=\S+ context=\S+ trace=\w{32} (.*)\n`).FindAllStringSubmatch(logs.String(), -1)
				if len(lines) != 1 || lines[0][1] != test.want {
					t.Errorf("logged\n%s\nwant one line of a run: %s", &logs, test.want)
				}
			})
		})
	}
}

// work does what a worker does.
func work(t *testing.T, l tasklog.Store, logs *bytes.Buffer, x a2asrv.AgentExecutor, id a2a.TaskID) {
	t.Helper()
	if err := runner(l, logs, x).Work(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}
