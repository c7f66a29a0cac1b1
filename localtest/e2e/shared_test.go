package e2e

import (
	"strconv"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

// TestShared runs many streams in one instance, as on Lambda Managed Instances. Then the instance is
// asked to end in the middle of all of them, or killed. Each client goes on in another one, and has
// seen each event once.
func TestShared(t *testing.T) {
	t.Parallel()
	const streams = 30
	for name, test := range map[string]struct {
		end func(*testing.T, *system, string)
		cut bool
	}{
		"whole":      {},
		"terminated": {func(t *testing.T, s *system, id string) { localtest.Must(t, s.Agent.Terminate(id)) }, false},
		"killed":     {func(t *testing.T, s *system, id string) { localtest.Must(t, s.Agent.Kill(id)) }, true},
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
			if test.end != nil {
				test.end(t, s, id)
			}
			for i, st := range all {
				t.Run(strconv.Itoa(i), func(t *testing.T) {
					t.Parallel()
					st.rest(t, test.cut)
					client.Same(t, s.untilDone(t, st), "testdata/stream.txt")
				})
			}
		})
	}
}
