package server_test

import (
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/demoagent"
	"a2alambda/internal/server"
)

// TestSubscribersTogether has 200 subscribe at once to a task that talks, from its present state, and
// again from an event that they have seen. The task is read for all of them as for two, and each is
// shown what comes, without a gap.
func TestSubscribersTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &demoagent.Agent{Delay: 50 * time.Millisecond}
		for range 200 {
			agent.Steps = append(agent.Steps, "step")
		}
		ns := newNodes(t, &demoagent.Executor{Stream: agent.Stream})
		_, id := ns.begin(kind{})
		time.Sleep(time.Second)
		n := ns.add(kind{latency: 10 * time.Millisecond})
		seen := int64(3)
		var last int64
		var group sync.WaitGroup
		for _, c := range []server.Caller{caller, {Version: "1.0", Seen: &seen}} {
			before := map[string]int{}
			for _, op := range []string{"Peek", "Load", "LoadIf", "LoadAt", "Read"} {
				before[op] = ns.count(op)
			}
			for range 200 {
				group.Go(func() {
					s, err := n.SubscribeToTask(t.Context(), c, &a2a.SubscribeToTaskRequest{ID: id})
					if err != nil {
						t.Error(err)
						return
					}
					defer s.Close()
					if next := s.First.Seq + 1; c.Seen != nil && next != seen+1 {
						t.Errorf("the stream begins with event %d", s.First.Seq)
					}
					for next := s.First.Seq + 1; ; {
						events, err := s.Next(t.Context())
						if errors.Is(err, io.EOF) {
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
						for _, e := range events {
							if e.Seq != next {
								t.Errorf("shown event %d, want %d", e.Seq, next)
								return
							}
							next++
						}
						ns.mu.Lock()
						last = max(last, next-1)
						ns.mu.Unlock()
					}
				})
			}
			time.Sleep(2 * time.Second)
			all := 0
			for op, n := range before {
				t.Logf("Seen %v: %d × %s", c.Seen, ns.count(op)-n, op)
				all += ns.count(op) - n
			}
			if all > 5 {
				t.Errorf("200 subscribers that come at once cost %d reads", all)
			}
		}
		group.Wait()
		ns.working.Wait()
		if s := ns.load(id); last != s.Seq {
			t.Errorf("shown up to event %d of %d", last, s.Seq)
		}
	})
}
