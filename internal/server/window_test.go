package server_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// TestJoinWindow sends a message again. Before the end of its task, and within the window after the
// end, it is a retry. Later it begins a new task, or is refused if it continued a task.
func TestJoinWindow(t *testing.T) {
	for name, test := range map[string]struct {
		window       time.Duration
		joins, after time.Duration // the last time at which it is a retry, and the first at which it is not
	}{
		"default": {0, 10 * time.Minute, 10*time.Minute + time.Second},
		"set":     {time.Minute, time.Minute, time.Minute + time.Second},
		"none":    {-1, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := newServer()
				s.JoinWindow = test.window
				ask := message("", "what?")
				waits := send(t, s, ask, a2a.TaskStateInputRequired)
				time.Sleep(time.Hour)
				if again := send(t, s, ask, a2a.TaskStateInputRequired); again.ID != waits.ID {
					t.Error("the message of a task that goes on began another")
				}
				begin := message("", "done")
				task := send(t, s, begin, a2a.TaskStateCompleted)
				answer := message(waits.ID, "done")
				send(t, s, answer, a2a.TaskStateCompleted)
				ended := time.Now()
				if test.joins >= 0 {
					time.Sleep(test.joins)
					if again := send(t, s, begin, a2a.TaskStateCompleted); again.ID != task.ID {
						t.Errorf("the message began another task after %v", test.joins)
					}
					if again := send(t, s, answer, a2a.TaskStateCompleted); again.ID != waits.ID {
						t.Errorf("the answer is another task's after %v", test.joins)
					}
				}
				time.Sleep(time.Until(ended.Add(test.after)))
				if _, err := s.SendMessage(t.Context(), caller, answer); !errors.Is(err, a2a.ErrUnsupportedOperation) {
					t.Errorf("the answer was taken after %v: %v", test.after, err)
				}
				seen := map[a2a.TaskID]bool{task.ID: true}
				for range 3 {
					again := send(t, s, begin, a2a.TaskStateCompleted)
					if seen[again.ID] {
						t.Errorf("the message joined its task after %v", test.after)
					}
					seen[again.ID] = true
					time.Sleep(test.after)
				}
			})
		})
	}
}
