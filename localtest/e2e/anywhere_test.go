package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"a2alambda/localtest/client"
)

// These tests ask one instance for a task that another one runs, or the same one among others.

func TestSubscribe(t *testing.T) {
	t.Parallel()
	onBothKinds(t, func(t *testing.T, o options) {
		for _, p := range []protocol{v03, v1} {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				o, g := o, newGate(t, 0)
				o.gate = g
				s := newSystem(t, o)
				s.warm(t, 4)
				original := s.follow(t, p.stream, p.tutorial(), "")
				original.take(t, 2)
				task := client.ByID(original.task(t))
				type subscriber struct {
					last string // id of the last event, or ""
					*stream
				}
				var subscribers []subscriber
				subscribe := func(last string) {
					subscribers = append(subscribers, subscriber{last, s.follow(t, p.subscribe, task, last)})
				}
				subscribe("")
				subscribe("1")
				subscribe("2")
				g.open()
				original.rest(t, false)
				if p == v03 {
					client.Same(t, original.String(), "testdata/stream.txt")
				}
				client.Same(t, client.Task(t, s.url, original.frames[0]), "testdata/stream_task.txt")
				subscribe("1") // the task has ended
				subscribe("3")
				subscribe("0") // the whole log
				refused := s.follow(t, p.subscribe, task, "6")
				if refused.rest(t, false); !strings.Contains(refused.String(), `"code":-32004`) {
					t.Errorf("after the last event came\n%s", refused)
				}
				for _, st := range subscribers {
					st.rest(t, false)
					first := eventID(st.frames[0])
					if st.task(t) != original.task(t) || !slices.Equal(st.frames[1:], original.after(first)) {
						t.Errorf("after event %q: got\n%swant the task and what follows of\n%s", st.last, st, original)
					}
					from := strings.Replace(st.last, "0", "1", 1)
					if from != "" && first != from || from == "1" && st.frames[0] != original.frames[0] {
						t.Errorf("after event %q the stream begins with\n%s", st.last, st.frames[0])
					}
				}
			})
		}
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	onBothKinds(t, func(t *testing.T, o options) {
		for _, p := range []protocol{v03, v1} {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				o := o
				o.gate = newGate(t, 0)
				s := newSystem(t, o)
				s.warm(t, 3)
				original := s.follow(t, p.stream, p.tutorial(), "")
				original.take(t, 2)
				task := client.ByID(original.task(t))
				subscriber := s.follow(t, p.subscribe, task, "1")
				reply := client.Result(t, s.url, p.cancel, task)
				original.rest(t, false)
				subscriber.rest(t, false)

				// The reply and the streams have the same status, with the same message id and time.
				_, status, _ := strings.Cut(reply, `"status":`)
				status = strings.TrimSuffix(status, "}}\n")
				for _, want := range []string{"Streaming operation cancelled", "cance"} {
					if !strings.Contains(strings.ToLower(status), strings.ToLower(want)) {
						t.Errorf("the reply has no %q: %s", want, reply)
					}
				}
				if end := original.frames[len(original.frames)-1]; !strings.Contains(end, status) {
					t.Errorf("the stream ends with\n%swant the status\n%s", end, status)
				}
				if n := len(original.frames); n > 5 {
					t.Errorf("the stream has %d frames: the agent was not interrupted", n)
				}
				if subscriber.String() != original.String() {
					t.Errorf("a subscriber got\n%swant\n%s", subscriber, original)
				}
				if again := client.Result(t, s.url, p.cancel, task); !strings.Contains(again, `"code":-32002`) {
					t.Errorf("canceled again it answered %s", again)
				}
				if p == v03 {
					if stored := client.Task(t, s.url, reply); stored != reply {
						t.Errorf("the task is\n%swant\n%s", stored, reply)
					}
				}
			})
		}
	})
}

func TestSameMessage(t *testing.T) {
	t.Parallel()
	onBothKinds(t, func(t *testing.T, o options) {
		g := newGate(t, 0)
		o.gate = g
		s := newSystem(t, o)
		params := v03.tutorial()
		const clients = 4
		type opened struct {
			*stream
			err error
		}
		results := make(chan opened, clients)
		ctx, cancel := context.WithTimeout(t.Context(), client.Patience)
		defer cancel()
		for range clients {
			go func() {
				st, err := s.open(ctx, v03.stream, params, "")
				results <- opened{st, err}
			}()
		}
		var streams []*stream
		for range clients {
			o := <-results
			if o.err != nil {
				t.Fatal(o.err)
			}
			streams = append(streams, o.stream)
		}
		g.open()
		sent := client.Result(t, s.url, v03.send, params) // joins them
		for _, st := range streams {
			st.rest(t, false)
			if st.String() != streams[0].String() {
				t.Errorf("one client got\n%sanother\n%s", st, streams[0])
			}
		}
		client.Same(t, streams[0].String(), "testdata/stream.txt")
		task := client.Task(t, s.url, streams[0].frames[0])
		client.Same(t, task, "testdata/stream_task.txt")
		if sent != task {
			t.Errorf("message/send answered\n%swant\n%s", sent, task)
		}
		if n := len(s.Agent.Instances()); n < clients && !s.shared {
			t.Errorf("%d instances, want one for each client", n)
		}

		replay := s.follow(t, v03.stream, params, "")
		if replay.rest(t, false); replay.String() != streams[0].String() {
			t.Errorf("sent again after the end it answered\n%swant\n%s", replay, streams[0])
		}
	})
}

// TestNextTurn checks that the subscriber to a waiting task sees another instance run the next
// turn.
func TestNextTurn(t *testing.T) {
	t.Parallel()
	onBothKinds(t, func(t *testing.T, o options) {
		s := newSystem(t, o)
		asked := client.Result(t, s.url, v03.send, client.Message(" "))
		if !strings.Contains(asked, `"state":"input-required"`) {
			t.Fatalf("the agent did not ask: %s", asked)
		}
		id := client.TaskIn(t, asked)
		subscriber := s.follow(t, v03.subscribe, client.ByID(id), "")
		subscriber.take(t, 1)
		turn := s.follow(t, v03.stream, strings.Replace(v03.tutorial(), `{"role"`, fmt.Sprintf(`{"taskId":%q,"role"`, id), 1), "")
		if n := len(s.Agent.Instances()); n != 2 && !s.shared {
			t.Errorf("%d instances, want another one for the follow-up", n)
		}
		turn.rest(t, false)
		subscriber.rest(t, false)
		if turn.task(t) != id || len(turn.frames) != 6 || !slices.Equal(turn.frames[1:], subscriber.after(eventID(turn.frames[0]))) {
			t.Errorf("the follow-up was answered with\n%sits subscriber got\n%s", turn, subscriber)
		}
		// Before that, the subscriber has seen the task and the message that began the turn.
		if n := len(subscriber.frames); n != 7 || !strings.Contains(subscriber.frames[1], "Stream me a response!") {
			t.Errorf("the subscriber got\n%s", subscriber)
		}
	})
}
