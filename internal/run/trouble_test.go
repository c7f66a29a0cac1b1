package run_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
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

// troubled is a log some of whose requests get no answer, or are refused.
type troubled struct {
	*memlog.Log
	hangs      func(append int32) bool // whether an append gets no answer
	noRenewals time.Time               // from when on renewals are refused
	stuck      bool                    // instead, they get no answer, and neither does asking

	appends, refused atomic.Int32
}

func (l *troubled) Append(ctx context.Context, b tasklog.Batch) error {
	if l.hangs != nil && l.hangs(l.appends.Add(1)) {
		<-ctx.Done()
		return ctx.Err()
	}
	return l.Log.Append(ctx, b)
}

func (l *troubled) Renew(ctx context.Context, h tasklog.Head, writer string, until time.Time) (tasklog.Asked, error) {
	trouble := !l.noRenewals.IsZero() && time.Now().After(l.noRenewals)
	switch {
	case trouble && l.stuck:
		<-ctx.Done()
		return tasklog.Asked{}, ctx.Err()
	case trouble && !until.IsZero():
		l.refused.Add(1)
		return tasklog.Asked{}, errors.New("throttled")
	}
	return l.Log.Renew(ctx, h, writer, until)
}

// TestStalledAppend checks that an append that gets no answer is tried again, and holds nobody up for long.
func TestStalledAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &troubled{Log: new(memlog.Log), hangs: func(n int32) bool { return n == 1 }}
		begun := time.Now()
		r, _ := start(t, t.Context(), l, new(bytes.Buffer), executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			yield(status(ec, a2a.TaskStateCompleted), nil)
		}))
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestNoRenewals checks that a holder whose renewals fail, or get no answer, stops before its lease ends, and does not press the store.
func TestNoRenewals(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := &troubled{Log: new(memlog.Log), noRenewals: time.Now().Add(time.Minute), stuck: stuck}
			r, h := start(t, t.Context(), l, new(bytes.Buffer), executor(
				func(ctx context.Context, _ *a2asrv.ExecutorContext, _ func(a2a.Event, error) bool) { <-ctx.Done() },
			))
			if err := r.Wait(); !run.Lost(err) {
				t.Errorf("the run ended with %v", err)
			}
			if lease, err := l.Lease(t.Context(), h.ID); err != nil || lease.Expired() {
				t.Errorf("by then the lease was %+v, %v", lease, err)
			}
			if n := l.refused.Load(); n > 8 {
				t.Errorf("%d renewals were tried in the ten seconds of a lease", n)
			}
		})
	}
}

// TestLostAgainAndAgain checks that a task fails whose workers die as soon as they begin.
func TestLostAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		h, first := tasklogtest.NewTask()
		if err := l.Create(t.Context(), h, "w", time.Now().Add(run.LeaseTime), first); err != nil {
			t.Fatal(err)
		}
		died := 0
		r := &run.Runner{Log: l, Logger: slog.New(slog.DiscardHandler)}
		r.Executor = resumer{func(context.Context, *a2asrv.ExecutorContext, func(a2a.Event, error) bool) { t.Error("it was run") }}
		r.Invoke = func(ctx context.Context, id a2a.TaskID) error {
			s, err := l.Load(ctx, id)
			if err != nil {
				return err
			}
			if died == 4 {
				return r.Work(ctx, id)
			}
			died++
			_, err = l.Acquire(ctx, s, a2a.NewMessageID(), time.Now().Add(run.LeaseTime))
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
