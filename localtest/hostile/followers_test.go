package hostile_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"a2alambda/internal/tasklog"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

// hangUp has n clients follow the task, one after the other. Each hangs up after its first event:
// its instance does not learn that.
func (s *system) hangUp(t *testing.T, task string, n int) {
	t.Helper()
	for i := range n {
		method := []string{"SubscribeToTask", "tasks/resubscribe"}[i%2]
		stream, err := client.Open(t.Context(), s.url, method, client.ByID(task))
		localtest.Must(t, err)
		_, err = stream.Next()
		localtest.Must(t, err)
		stream.Close()
	}
}

// held waits until n of the agent's instances are held, no more, and returns how long that took.
func (s *system) held(t *testing.T, n int) time.Duration {
	t.Helper()
	begun := time.Now()
	client.Await(t, 100*time.Millisecond, func() string {
		if got := len(s.Agent.Busy()); got > n {
			return fmt.Sprintf("%d instances are held, want %d", got, n)
		}
		return ""
	})
	return time.Since(begun).Round(100 * time.Millisecond)
}

// TestHungUp has clients follow a running task and one that waits for its client, and hang up.
func TestHungUp(t *testing.T) {
	t.Parallel() // it waits for most of its time
	const talker = "a2alambda/localtest/hostile/internal/talker"
	s := newSystem(t, talker, talker)
	s.watched(t, "followers", func(t *testing.T) {
		begins := message("", text("1 chunks"), "")
		runs := client.Follow(t, s.url, "SendStreamingMessage", `{"message":`+begins+`}`)
		first, err := runs.Next()
		localtest.Must(t, err)
		running := client.TaskIn(t, first.Data)
		waiting := taskIn(t, s.rpc(t, "SendMessage", `{"message":`+message("", text("1 questions"), "")+`}`))
		const n = tasklog.MaxSeats + 2
		s.hangUp(t, running, n)
		s.hangUp(t, waiting, n)
		t.Logf("%d followers of each task have hung up: %d instances are held", n, len(s.Agent.Busy()))
		t.Logf("%v later, %d are", s.held(t, 2*tasklog.MaxSeats+1), 2*tasklog.MaxSeats+1)
		t.Logf("%v later, none for the task that waits", s.held(t, tasklog.MaxSeats+1))

		if got := len(s.Agent.Busy()); got != tasklog.MaxSeats+1 {
			t.Errorf("%d instances are held, want %d and the one that runs the task", got, tasklog.MaxSeats)
		}
		s.hangUp(t, running, 3)
		t.Logf("after three more it took %v", s.held(t, tasklog.MaxSeats+1))

		// The message comes again, without a stream, and waits for the end of the turn.
		answers := make(chan client.Answer, 3)
		for range cap(answers) {
			go func() {
				a, err := client.Call(t.Context(), s.url, "SendMessage", `{"message":`+begins+`}`)
				if err != nil {
					t.Error(err)
				}
				answers <- a
			}()
		}
		client.Await(t, 0, func() string {
			s.hangUp(t, running, tasklog.MaxSeats)
			s.held(t, tasklog.MaxSeats+1)
			if len(answers) < cap(answers) {
				return "newer followers have come, and a message that was sent again still waits"
			}
			return ""
		})
		for range cap(answers) {
			if a := <-answers; a.Status != http.StatusOK || !strings.Contains(a.Body, `"state":"TASK_STATE_WORKING"`) {
				t.Errorf("a message that was sent again is answered with %v", a)
			}
		}

		// A client that does not hang up learns why.
		stream := client.Follow(t, s.url, "SubscribeToTask", client.ByID(running))
		_, err = stream.Next()
		localtest.Must(t, err)
		s.held(t, tasklog.MaxSeats+1) // it has taken the place of another
		s.hangUp(t, running, tasklog.MaxSeats)
		a, err := client.Read(stream.Response, nil)
		localtest.Must(t, err)
		if want := ": " + tasklog.ErrMadeRoom.Error() + "\nretry: 10000\n"; !strings.HasSuffix(a.Body, want) {
			t.Errorf("a stream that made room ended with %q", a.Body)
		}
		s.held(t, tasklog.MaxSeats+1)

		if a := s.rpc(t, "CancelTask", client.ByID(running)); !strings.Contains(string(a.body), "CANCELED") {
			t.Errorf("%v", a)
		}
		if _, err := runs.Until("CANCELED"); err != nil {
			t.Errorf("the stream that runs the task did not see its end: %v", err)
		}
		s.held(t, 0)
	})
}
