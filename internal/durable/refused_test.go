package durable_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
)

// TestRefusedEvent refuses an event in every run, and goes on with an agent that goes on then. What
// is refused begins no artifact.
func TestRefusedEvent(t *testing.T) {
	for name, event := range map[string]func(*durable.Task) a2a.Event{
		"another task's": func(t *durable.Task) a2a.Event {
			return a2a.NewStatusUpdateEvent(a2a.TaskInfo{TaskID: "other", ContextID: t.ContextID}, a2a.TaskStateWorking, nil)
		},
		"another context's": func(t *durable.Task) a2a.Event {
			return a2a.NewArtifactUpdateEvent(a2a.TaskInfo{TaskID: t.ID, ContextID: "other"}, "report", a2a.NewTextPart("x"))
		},
		"no parts":  func(t *durable.Task) a2a.Event { return a2a.NewArtifactUpdateEvent(t, "report") },
		"no id":     func(t *durable.Task) a2a.Event { return chunk(t, "", "x") },
		"no state":  func(t *durable.Task) a2a.Event { return a2a.NewStatusUpdateEvent(t, "", nil) },
		"too large": func(t *durable.Task) a2a.Event { return chunk(t, "report", strings.Repeat("x", 11<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			refused := 0
			one(t, func(w *durabletest.World) durable.Func {
				return func(ctx context.Context, task *durable.Task) error {
					if durable.Yield(ctx, event(task)) != nil {
						refused++
					}
					if err := durable.Yield(ctx, chunk(task, "report", "well")); err != nil {
						return err
					}
					return durable.Sleep(ctx, "night", 8*time.Hour)
				}
			}, func(w *durabletest.World) {
				w.Begin("hello")
				time.Sleep(9 * time.Hour)
				if state := w.Task().Status.State; state != a2a.TaskStateCompleted {
					t.Errorf("the task is %s\n%s", state, w.Story())
				}
				if refused != 2 {
					t.Errorf("refused in %d runs of 2", refused)
				}
				if first := w.Events()[1]; !strings.Contains(first, "append false: well") {
					t.Errorf("the first chunk is %s", first)
				}
			})
		})
	}
}
