package operate_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/durable"
	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

// TestFaults has each operation of the store fail, before it is done or after it, while an operator
// takes an error back. Whatever the operator is told, a sweep has the task go on, the step is called
// twice at most, and after the command is given once more, if it was not recorded, the task ends well.
func TestFaults(t *testing.T) {
	t.Parallel()
	broken := errors.New("the store is broken")
	for n := 0; ; n++ {
		failed := false
		for _, done := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				count := -1 // operations since the command began; -1: none counts
				fault := func(after bool) error {
					if count < 0 || after != done {
						return nil
					}
					count++
					if count-1 == n {
						failed = true
						return broken
					}
					return nil
				}
				mem := new(memlog.Log)
				s := newShop(t, mem)
				s.Store = tasklog.Hooked(mem, tasklog.Hooks{
					Before: func(context.Context, tasklog.Op) error { return fault(false) },
					After: func(_ context.Context, _ tasklog.Op, err error) error {
						if err != nil {
							return err
						}
						return fault(true)
					},
				})
				work := s.Invoke
				id := s.begin(sleeping(func(ctx context.Context) (string, error) {
					return durable.Do(ctx, "charge", func(context.Context) (string, error) {
						if s.called("charge") == 1 {
							return "", errors.New("no money")
						}
						return "charged", nil
					})
				}))
				s.Invoke = nil // the request for a worker is lost
				count = 0
				_, err := s.Retry(t.Context(), id, "shop/charge", false)
				count = -1
				recorded := len(s.read(id).Journal.Operations) > 0
				if err == nil && !recorded {
					t.Errorf("operation %d: the operator is told that it is done", n)
				}
				time.Sleep(2 * time.Minute) // the lease has ended, if the operator could not give it back
				s.must(work(t.Context(), id))
				if !recorded {
					s.does(s.Retry(t.Context(), id, "shop/charge", false))
					s.must(work(t.Context(), id))
				}
				s.does(s.Answer(t.Context(), id, "rest/nap", json.RawMessage("{}"), false))
				s.must(work(t.Context(), id))
				if now := s.read(id); s.lastWords(id) != "charged" || s.calls["charge"] != 2 {
					t.Errorf("operation %d, done %t, told %v: the task is %s, %q, %v", n, done, err, now.Snapshot.Task.Status.State, s.lastWords(id), s.calls)
				}
			})
		}
		if !failed {
			if n < 5 {
				t.Errorf("only %d operations", n)
			}
			return
		}
	}
}
