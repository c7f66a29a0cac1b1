package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/faults"
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
			g := newGate(t, 0)
			s := newSystem(t, options{concurrency: streams, gate: g})
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
			g.open()
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

// TestSharedDeadline has a table that answers nothing any more while an instance has many invocations.
// There, Lambda only reports a timeout. Each request is answered before that, and its place is free
// again; when the table answers, the tasks go on.
func TestSharedDeadline(t *testing.T) {
	t.Parallel()
	const streams = 5
	table, proxy := faults.Start(t, dynamodblocal.Endpoint(t), 1)
	g := newGate(t, 0)
	s := newSystem(t, options{concurrency: streams, agentTimeout: 40 * time.Second, dynamoDB: proxy.URL, gate: g})
	s.warm(t, 1)
	all := make([]*stream, streams-1)
	for i := range all {
		all[i] = s.follow(t, v03.stream, v03.tutorial(), "")
	}
	for _, st := range all {
		st.take(t, 2)
	}
	table.Cut()
	a, err := client.Call(t.Context(), s.url, "GetTask", client.ByID(all[0].task(t)))
	// On a slow machine, Lambda answers in the place of a handler that has had no time to: 502.
	if err != nil || a.Status != http.StatusBadGateway && (a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "") {
		t.Errorf("%v: %v", a, err)
	}
	for _, st := range all {
		for err := error(nil); err == nil; {
			_, err = st.next()
		}
	}
	client.Await(t, 50*time.Millisecond, func() string {
		if len(s.Agent.Busy()) > 0 {
			return "the places are not free"
		}
		return ""
	})
	table.Mend(false)
	g.open()
	for _, st := range all {
		client.Same(t, s.untilDone(t, st), "testdata/stream.txt")
	}
}
