package lambdaenv_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/demoagent"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestWorkerJobs has a worker get an event for a task, which it loads at once, and one for tasks at
// which it looks later.
func TestWorkerJobs(t *testing.T) {
	for event, want := range map[string]struct {
		op    string
		tasks []a2a.TaskID
		after time.Duration
	}{
		`{"taskId":"t"}`:                     {"LoadIf", []a2a.TaskID{"t"}, 0},
		`{"taskId":"t","later":["t"]}`:       {"Peek", []a2a.TaskID{"t"}, 3 * time.Second},
		`{"taskId":"t","later":["t", "u"]}`:  {"Peek", []a2a.TaskID{"t", "u"}, 3 * time.Second},
		`{"taskId":"t","later":[],"new":{}}`: {"LoadIf", []a2a.TaskID{"t"}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var tasks []a2a.TaskID
			begun, after := time.Now(), time.Duration(0)
			seen := tasklogtest.Fault{Op: want.op, Do: func(_ context.Context, op tasklog.Op) error {
				mu.Lock()
				defer mu.Unlock()
				tasks, after = append(tasks, op.ID), time.Since(begun)
				return tasklog.ErrNotFound
			}}
			runner := run.New(run.Config{
				Store: tasklogtest.Faulty(new(memlog.Log), seen), Executor: new(demoagent.Executor), Logger: slog.New(slog.DiscardHandler),
				Invoke: func(context.Context, a2a.TaskID) error { return nil },
			})
			var job lambdaenv.Job
			if err := json.Unmarshal([]byte(event), &job); err != nil {
				t.Fatal(err)
			}
			if err := job.Work(t.Context(), runner); err != nil && want.after > 0 {
				t.Error(err)
			}
			if slices.Sort(tasks); !slices.Equal(tasks, want.tasks) || after != want.after {
				t.Errorf("%s: %q after %v, want %q after %v", event, tasks, after, want.tasks, want.after)
			}
		})
	}
}
