package e2e

import (
	"strconv"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

// TestShared runs many streams in one instance, as on Lambda Managed Instances. Then the instance is
// asked to end in the middle of all of them, or killed. Each client goes on in another one, and has
// seen each event once.
func TestShared(t *testing.T) {
	t.Parallel()
	const streams = 30
	for name, end := range map[string]func(*testing.T, *system, string){
		"whole":      nil,
		"terminated": func(t *testing.T, s *system, id string) { localtest.Must(t, s.Agent.Terminate(id)) },
		"killed":     func(t *testing.T, s *system, id string) { localtest.Must(t, s.Agent.Kill(id)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, options{concurrency: streams})
			s.warm(t, 1)
			id := s.Agent.Instances()[0].ID
			all := make([]*stream, streams)
			for i := range all {
				all[i] = s.follow(t, v03.stream, v03.tutorial(), "")
			}
			for _, st := range all {
				st.take(t, 2)
			}
			if n := len(s.Agent.Instances()); n != 1 {
				t.Fatalf("%d streams have %d instances, want one", streams, n)
			}
			if end != nil {
				end(t, s, id)
			}
			for i, st := range all {
				t.Run(strconv.Itoa(i), func(t *testing.T) {
					t.Parallel()
					if name != "killed" { // then those are cut that have not ended yet
						st.rest(t, false)
					}
					client.Same(t, s.untilDone(t, st), "testdata/stream.txt")
				})
			}
		})
	}
}

// TestSharedTooMuch has a function start with more streams than its memory admits.
func TestSharedTooMuch(t *testing.T) {
	t.Parallel()
	var logs lockedBuffer
	s := newSystem(t, options{concurrency: 5000, logs: &logs})
	for name, f := range map[string]*emulator.Emulator{"agent": s.Agent, "worker": s.Worker} {
		err := s.Invoke.Call(name, []byte(`{"check":true}`))
		if err == nil || len(f.Instances()) > 0 {
			t.Errorf("%s: %v; the instances are %+v", name, err, f.Instances())
		}
		if want := name + ": AWS_LAMBDA_MAX_CONCURRENCY is 5000: the memory is enough for 696 streams"; !strings.Contains(logs.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, &logs)
		}
	}
}
