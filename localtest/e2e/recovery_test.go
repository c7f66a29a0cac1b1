package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

// In these tests a worker runs a task, from its beginning or after a cut. No client sees a
// difference.

// sendAndReturn sends the tutorial's message with returnImmediately, and returns the task's id.
func sendAndReturn(t *testing.T, s *system, p protocol) string {
	t.Helper()
	params := strings.TrimSuffix(p.tutorial(), "}") + `,"configuration":` + p.immediately + "}"
	got := client.Result(t, s.url, p.send, params)
	if !strings.Contains(strings.ToLower(got), `submitted"`) {
		t.Fatalf("%s did not return the submitted task: %s", p.send, got)
	}
	return client.TaskIn(t, got)
}

// wantWhole checks that the task runs to its end, with each event once.
func wantWhole(t *testing.T, s *system, id string) {
	t.Helper()
	st := s.follow(t, v03.subscribe, client.ByID(id), "1")
	st.take(t, 1)
	client.Same(t, s.untilDone(t, st), "testdata/stream.txt")
	client.Same(t, client.Result(t, s.url, "tasks/get", client.ByID(id)), "testdata/stream_task.txt")
}

func TestReturnImmediately(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		protocol protocol
		deliver  func(n int) int
		meet     func(t *testing.T, s *system, id string) // replaces what was not delivered
	}{
		{"0.3", v03, nil, nil},
		{"1.0", v1, nil, nil},
		{"delivered twice", v1, func(int) int { return 2 }, nil},
		{"lost, and swept", v1, func(n int) int { return min(n, 1) }, func(t *testing.T, s *system, id string) {
			if err := s.Sweep(); err != nil {
				t.Error(err)
			}
			s.job(t, id)
		}},
		{"lost, and read", v1, func(n int) int { return min(n, 1) }, func(t *testing.T, s *system, id string) {
			for len(s.jobs) == 0 { // a worker that was invoked has two seconds to begin
				client.Result(t, s.url, "tasks/get", client.ByID(id))
				time.Sleep(time.Second)
			}
			s.job(t, id)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, options{deliver: test.deliver})
			id := sendAndReturn(t, s, test.protocol)
			s.job(t, id)
			if test.meet != nil {
				test.meet(t, s, id)
			}
			wantWhole(t, s, id)
			snapshot, err := s.log.Load(t.Context(), a2a.TaskID(id))
			localtest.Must(t, err)
			if n := snapshot.Lease.Epoch; n != 2 { // 1 is the first
				t.Errorf("the lease is in epoch %d: the task was run more than once", n)
			}
		})
	}
}

// TestCutOff ends the instance that runs a task, in the middle.
func TestCutOff(t *testing.T) {
	t.Parallel()
	t.Run("with a subscriber", func(t *testing.T) {
		t.Parallel()
		g := newGate(t, 1)
		s := newSystem(t, options{gate: g})
		s.warm(t, 2)
		original := s.follow(t, v03.stream, v03.tutorial(), "")
		original.take(t, 2)
		runs := busy(t, s.Agent)
		id := original.task(t)
		subscriber := s.follow(t, v03.subscribe, client.ByID(id), "1")
		original.take(t, 1)
		localtest.Must(t, s.Agent.Kill(runs))
		g.open()
		original.rest(t, true)
		subscriber.rest(t, false)
		if !strings.HasPrefix(subscriber.String(), original.String()) {
			t.Errorf("the stream that was cut showed\n%sits subscriber saw\n%s", original, subscriber)
		}
		client.Same(t, subscriber.String(), "testdata/stream.txt")
		wantWhole(t, s, id)
	})
	t.Run("with nobody but the sweeper", func(t *testing.T) {
		t.Parallel()
		g := newGate(t, 1)
		s := newSystem(t, options{gate: g})
		original := s.follow(t, v03.stream, v03.tutorial(), "")
		original.take(t, 3)
		localtest.Must(t, s.Agent.Kill(busy(t, s.Agent)))
		g.open()
		original.rest(t, true)
		client.Await(t, time.Second, func() string {
			localtest.Must(t, s.Sweep())
			if len(s.jobs) > 0 {
				return ""
			}
			return "the sweeper found nothing"
		})
		s.job(t, original.task(t))
		wantWhole(t, s, original.task(t))
	})
	t.Run("a worker", func(t *testing.T) {
		t.Parallel()
		g := newGate(t, 1)
		s := newSystem(t, options{gate: g})
		id := sendAndReturn(t, s, v03)
		subscriber := s.follow(t, v03.subscribe, client.ByID(id), "1")
		subscriber.take(t, 3)
		localtest.Must(t, s.Worker.Kill(busy(t, s.Worker)))
		g.open()
		subscriber.rest(t, false)
		client.Same(t, subscriber.String(), "testdata/stream.txt")
		wantWhole(t, s, id)
	})
	// An instance that was frozen until another one finished its task adds nothing to the task.
	t.Run("frozen", func(t *testing.T) {
		t.Parallel()
		g := newGate(t, 0)
		s := newSystem(t, options{gate: g})
		original := s.follow(t, v03.stream, v03.tutorial(), "")
		original.take(t, 2)
		runs := busy(t, s.Agent)
		localtest.Must(t, s.Agent.Freeze(runs))
		g.open()
		id := original.task(t)
		subscriber := s.follow(t, v03.subscribe, client.ByID(id), "1")
		subscriber.rest(t, false)
		localtest.Must(t, s.Agent.Thaw(runs))
		original.rest(t, false)
		if !strings.HasPrefix(subscriber.String(), original.String()) {
			t.Errorf("the stream that stood still showed\n%sits subscriber saw\n%s", original, subscriber)
		}
		client.Same(t, subscriber.String(), "testdata/stream.txt")
		wantWhole(t, s, id)
	})
}

// TestDeadline has an agent that works longer than the first invocation may: that has 15 seconds, and five for a
// clean end.
func TestDeadline(t *testing.T) {
	t.Parallel()
	const short = 20 * time.Second
	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		g := newGate(t, 1)
		s := newSystem(t, options{agentTimeout: short, workerTimeout: short, gate: g})
		original := s.follow(t, v03.stream, v03.tutorial(), "")
		original.rest(t, false)
		if last := original.frames[len(original.frames)-1]; !strings.Contains(last, `"state":"working"`) {
			t.Errorf("before the deadline there was\n%s", original)
		}
		s.job(t, original.task(t))
		g.open()
		client.Same(t, s.untilDone(t, original), "testdata/stream.txt")
		wantWhole(t, s, original.task(t))
	})
	t.Run("send", func(t *testing.T) {
		t.Parallel()
		g := newGate(t, 1)
		s := newSystem(t, options{agentTimeout: short, workerTimeout: short, gate: g})
		got := client.Result(t, s.url, v03.send, v03.tutorial())
		if !strings.Contains(got, `"state":"working"`) {
			t.Errorf("at the deadline message/send answered %s", got)
		}
		s.job(t, client.TaskIn(t, got))
		g.open()
		wantWhole(t, s, client.TaskIn(t, got))
	})
}

// TestTerminated ends an instance in the middle of a task as Lambda does: with SIGTERM first. The
// task goes on at once in a worker, and streams end early, in order. Then the process ends by itself:
// here it would live for minutes.
func TestTerminated(t *testing.T) {
	t.Parallel()
	terminate := func(f *emulator.Emulator, id string) (ended func()) {
		done := make(chan error, 1)
		go func() { done <- f.Terminate(id) }()
		return func() {
			t.Helper()
			select {
			case err := <-done:
				localtest.Must(t, err)
			case <-time.After(client.Patience / 2):
				t.Error("it does not end")
			}
		}
	}
	t.Run("agent", func(t *testing.T) {
		t.Parallel()
		g := newGate(t, 0)
		s := newSystem(t, options{gate: g})
		s.warm(t, 2)
		begun := time.Now()
		original := s.follow(t, v03.stream, v03.tutorial(), "")
		original.take(t, 2)
		ended := terminate(s.Agent, busy(t, s.Agent))
		original.rest(t, false)
		ended()
		id := original.task(t)
		if strings.Contains(original.String(), `"final":true`) {
			t.Fatalf("the stream did not end early:\n%s", original)
		}
		endedEarly(t, original, begun)
		if snapshot, err := s.log.Load(t.Context(), a2a.TaskID(id)); err != nil || snapshot.Lease.Epoch == 1 && !snapshot.Lease.Released {
			t.Errorf("at the end of the stream the lease is %+v, %v", snapshot.Lease, err)
		}
		s.job(t, id)
		g.open()
		client.Same(t, s.untilDone(t, original), "testdata/stream.txt")
		wantWhole(t, s, id)
	})
	t.Run("worker", func(t *testing.T) {
		t.Parallel()
		g := newGate(t, 1)
		s := newSystem(t, options{gate: g})
		id := sendAndReturn(t, s, v03)
		s.job(t, id)
		subscriber := s.follow(t, v03.subscribe, client.ByID(id), "1")
		subscriber.take(t, 3)
		terminate(s.Worker, busy(t, s.Worker))()
		s.job(t, id) // handed over
		g.open()
		subscriber.rest(t, false)
		client.Same(t, subscriber.String(), "testdata/stream.txt")
		wantWhole(t, s, id)
	})
	t.Run("a follower", func(t *testing.T) {
		t.Parallel()
		g := newGate(t, 0)
		s := newSystem(t, options{gate: g})
		id := sendAndReturn(t, s, v03)
		begun := time.Now()
		subscriber := s.follow(t, v03.subscribe, client.ByID(id), "1")
		subscriber.take(t, 2)
		ended := terminate(s.Agent, busy(t, s.Agent))
		subscriber.rest(t, false)
		ended()
		g.open()
		s.warm(t, 1) // an idle one
		localtest.Must(t, s.Agent.Terminate(s.Agent.Instances()[0].ID))
		endedEarly(t, subscriber, begun)
		client.Same(t, s.untilDone(t, subscriber), "testdata/stream.txt")
	})
}

// endedEarly checks how a stream ended that began then: it says when to come back, in a comment, too.
// The other comments keep it alive, every four seconds.
func endedEarly(t *testing.T, st *stream, begun time.Time) {
	t.Helper()
	if most := 1 + int(time.Since(begun)/(4*time.Second)); st.Retry != 300*time.Millisecond || st.Comments < 1 || st.Comments > most {
		t.Errorf("the stream ended with %d comments, want %d at most, and retry: %v", st.Comments, most, st.Retry)
	}
}
