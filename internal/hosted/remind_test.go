package hosted_test

import (
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
)

func TestRemind(t *testing.T) {
	durabletest.Test(t, durabletest.Case{
		Agent: func(*durabletest.World) durable.Func { return Remind },
		Script: func(w *durabletest.World) {
			w.Begin("Water the plants")
			w.Answer("48h")
			w.AwaitEnd()
		},
		Check: func(t *testing.T, w *durabletest.World) {
			if task := w.Task(); w.State() != a2a.TaskStateCompleted || task.Artifacts[0].Parts[0].Text() != "Water the plants" {
				t.Errorf("the task is %+v", task)
			}
		},
	})
}
