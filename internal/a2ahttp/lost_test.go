package a2ahttp_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

// outage is a log that can't be reached from and until times.
type outage struct {
	memlog.Log
	from, until time.Time
}

var errOutage = errors.New("the table of the house can't be reached")

func (o *outage) down() error {
	if now := time.Now(); now.After(o.from) && now.Before(o.until) {
		return errOutage
	}
	return nil
}

func (o *outage) Append(ctx context.Context, b tasklog.Batch) error {
	if err := o.down(); err != nil {
		return err
	}
	return o.Log.Append(ctx, b)
}

func (o *outage) Renew(ctx context.Context, h tasklog.Head, writer string, until time.Time) (tasklog.Asked, error) {
	if err := o.down(); err != nil {
		return tasklog.Asked{}, err
	}
	return o.Log.Renew(ctx, h, writer, until)
}

func (o *outage) Acquire(ctx context.Context, s *tasklog.Snapshot, writer string, until time.Time) (tasklog.Lease, error) {
	if err := o.down(); err != nil {
		return tasklog.Lease{}, err
	}
	return o.Log.Acquire(ctx, s, writer, until)
}

func (o *outage) Load(ctx context.Context, id a2a.TaskID) (*tasklog.Snapshot, error) {
	if err := o.down(); err != nil {
		return nil, err
	}
	return o.Log.Load(ctx, id)
}

func (o *outage) Poll(ctx context.Context, id a2a.TaskID, after int64) ([]tasklog.Event, tasklog.Lease, error) {
	if err := o.down(); err != nil {
		return nil, tasklog.Lease{}, err
	}
	return o.Log.Poll(ctx, id, after)
}

// TestLeaseLostInOutage has the store go away for longer than a lease lasts. When it is back, the
// run is resumed, and the stream of the server that began it goes on to the last event; so does a
// message that waits for its answer.
func TestLeaseLostInOutage(t *testing.T) {
	for name, call := range map[string]string{"stream": streamCall, "send": sendCall} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				l := &outage{from: now.Add(1500 * time.Millisecond), until: now.Add(20 * time.Second)}
				var logs bytes.Buffer
				w := do(t.Context(), handlerOf(l, &logs, slow(time.Second)), call, 0)
				if name == "send" {
					if body := w.Body.String(); !strings.Contains(body, "TASK_STATE_COMPLETED") {
						t.Errorf("got %s", body)
					}
				} else {
					got := slices.DeleteFunc(w.frames(), func(s string) bool { return s == ": ping" })
					if want := []string{
						"id: 1", "data SUBMITTED", "id: 2", "data WORKING", "id: 3", "data WORKING", "id: 4", "data WORKING",
						"id: 5", "data", "id: 6", "data COMPLETED",
					}; !slices.Equal(got, want) {
						t.Errorf("got %q, want %q", got, want)
					}
				}
				if !strings.Contains(logs.String(), errOutage.Error()) {
					t.Errorf("the log does not tell why: %s", &logs)
				}
			})
		})
	}
}
