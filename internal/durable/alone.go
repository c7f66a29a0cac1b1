package durable

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/tasklog"
)

// Execute implements [a2asrv.AgentExecutor] for hosts that don't know durable agents: it runs the
// function once, in memory, without a journal, and logs that. What is cut off is lost.
func (a *Agent) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		logger := slog.Default()
		logger.WarnContext(ctx, "a durable agent is run without a journal: its host does not know durable agents", "task", ec.TaskID)
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		task := &Task{
			ID: ec.TaskID, ContextID: ec.ContextID, Message: ec.Message,
			User: ec.User, Tenant: ec.Tenant, Metadata: ec.Metadata,
		}
		host := &alone{events: make(chan a2a.Event)}
		r, err := NewRun(ctx, a, Config{Host: host, Logger: logger, Task: task, Stored: ec.StoredTask})
		if err != nil {
			yield(nil, err)
			return
		}
		ended := make(chan Outcome, 1)
		go func() { ended <- r.Run(ctx) }()
		if ec.StoredTask == nil && !yield(a2a.NewSubmittedTask(ec, ec.Message), nil) {
			return
		}
		for {
			select {
			case event := <-host.events:
				if !yield(event, nil) {
					return
				}
			case o := <-ended:
				switch {
				case o.End == Ended:
				case o.End == Returned && o.Err == nil:
					yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
				case o.Err != nil:
					yield(nil, o.Err)
				default:
					yield(nil, context.Cause(ctx))
				}
				return
			}
		}
	}
}

// Cancel implements [a2asrv.AgentExecutor], for the same hosts.
func (a *Agent) Cancel(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCanceled, nil), nil)
	}
}

// alone is a Host without a store.
type alone struct{ events chan a2a.Event }

func (h *alone) Put(ctx context.Context, e a2a.Event, _ string) error {
	select {
	case h.events <- e:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (*alone) Check(a2a.Event) error                         { return nil }
func (*alone) Flush(context.Context) error                   { return nil }
func (*alone) Record(context.Context, int64, [][]byte) error { return nil }
func (*alone) Held() bool                                    { return true }
func (*alone) Suspend(context.Context, time.Time, int64) (bool, error) {
	return false, ErrNoSuspension
}
func (*alone) Asked(context.Context) (tasklog.Asked, error) { return tasklog.Asked{}, nil }

var errAlone = errors.New("durable: this needs a host that knows durable agents")

func (*alone) OpenWait(context.Context, string, string) error { return errAlone }
func (*alone) Wait(context.Context, string) (tasklog.Wait, error) {
	return tasklog.Wait{}, errAlone
}
func (*alone) CloseWait(context.Context, string) (tasklog.Wait, error) {
	return tasklog.Wait{}, errAlone
}

func (*alone) Secret(context.Context) ([]byte, error) {
	secret := make([]byte, tasklog.SecretBytes)
	_, err := rand.Read(secret)
	return secret, err
}

func (*alone) Took(context.Context, Report) {}

// String names the end, for logs.
func (e End) String() string {
	switch e {
	case Returned:
		return "returned"
	case Ended:
		return "ended"
	case Suspended:
		return "suspended"
	case HandedOver:
		return "handed over"
	case Mismatched:
		return "parked"
	case Undone:
		return "canceled"
	case Lost:
		return "lost"
	}
	return fmt.Sprintf("end %d", int(e))
}
