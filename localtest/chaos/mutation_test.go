package chaos

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	agent "a2alambda/localtest/client"
)

// These changes break a build on purpose.
var (
	// emitFirst sends events before they are in the log.
	emitFirst = change{"internal/tasklog/appender.go", "		if err := a.append(a.next, entries); err != nil {\n", `		early := make([]Event, len(entries))
		for i, e := range entries {
			early[i] = Event{Seq: a.next + int64(i), JSON: e.JSON}
		}
		a.cfg.Appended(early)
		if err := a.append(a.next, entries); err != nil {
`}
	// noFence appends even if the place is taken.
	noFence = change{"internal/dynamolog/lease.go",
		`ifNew("? = ? AND (? = ? OR ? < ?)",
		attrCount,`,
		`ifNew("attribute_exists(?) OR ? = ? AND (? = ? OR ? < ?)",
		attrPK, attrCount,`}
)

// TestMutations provokes, in a stream, the faults that the rules of the log prevent. Without the
// rules the checker complains; with them it does not.
func TestMutations(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		changes  []change
		scenario func(context.Context, *scene)
		want     string // what the checker complains of
	}{
		{"durable before visible", nil, dieBeforeAppend, ""},
		{"durable before visible, broken", []change{emitFirst}, dieBeforeAppend, "divergent: event"},
		{"one writer", nil, appendLate, ""},
		{"one writer, broken", []change{noFence}, appendLate, "divergent: event"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), agent.Patience)
			defer cancel()
			s := &scene{T: t, record: &record{name: "message"}, system: start(t, config{seed: 1, changes: tt.changes, timeout: 2 * agent.Patience})}
			go s.sweep(ctx)
			tt.scenario(ctx, s)
			s.close()
			s.reading.Wait()
			switch err := s.check(t.Context(), s.record); {
			case tt.want == "" && err != nil:
				t.Errorf("the checker complains:\n%v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("of a broken build the checker says:\n%v", err)
			case tt.want != "":
				t.Logf("the checker complains, as it should:\n%v", err)
			}
		})
	}
}

type scene struct {
	*testing.T
	*system
	*record
}

func (s *scene) client(name, url string) *client {
	return &client{record: s.record, name: name, urls: []string{url}, random: rand.New(rand.NewPCG(1, 1)), slow: 1, calm: true}
}

// cutOff has the sender read a stream of the first agent. Then it cuts the instance off from
// DynamoDB with an append in hand.
func (s *scene) cutOff(ctx context.Context, sender *client) (instance string, streamed chan struct{}) {
	s.Helper()
	streamed = make(chan struct{})
	go func() {
		defer close(streamed)
		sender.stream(ctx, "SendStreamingMessage", message(s.name, "mutant", "", ""), 0)
	}()
	s.wait("five frames", func() bool { return s.seen(sender) >= 5 })
	s.agentDB.Cut()
	s.wait("an append", func() bool { return slices.Contains(s.agentDB.Held(), "PutItem") })
	return s.Agent.Instances()[0].ID, streamed
}

// dieBeforeAppend kills an instance with an append in hand, which is lost.
func dieBeforeAppend(ctx context.Context, s *scene) {
	sender := s.client("sender", s.agent)
	instance, streamed := s.cutOff(ctx, sender)
	time.Sleep(time.Second) // nothing may be sent meanwhile
	if err := s.Agent.Kill(instance); err != nil {
		s.Fatal(err)
	}
	s.agentDB.Mend(true)
	<-streamed
	sender.streams(ctx, "", true)
}

// appendLate freezes an instance with an append in hand, which is done after a worker's takeover.
func appendLate(ctx context.Context, s *scene) {
	instance, streamed := s.cutOff(ctx, s.client("sender", s.agent))
	if err := s.Agent.Freeze(instance); err != nil {
		s.Fatal(err)
	}
	follower := s.client("follower", s.other)
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		follower.streams(ctx, "", true)
	}()
	events, err := s.events(ctx, s.task())
	if err != nil || len(events) == 0 {
		s.Fatalf("%d events, %v", len(events), err)
	}
	s.wait("a takeover", func() bool { return s.seen(follower) > int64(len(events))+3 })
	s.agentDB.Mend(false)
	if err := s.Agent.Thaw(instance); err != nil {
		s.Fatal(err)
	}
	<-followed
	<-streamed
}

// seen returns the number of the client's last event.
func (s *scene) seen(c *client) (last int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.sessions {
		if n := len(one.Frames); n > 0 && strings.HasPrefix(one.Client, c.name) {
			last = max(last, one.Frames[n-1].ID)
		}
	}
	return last
}

func (s *scene) wait(what string, is func() bool) {
	s.Helper()
	agent.Await(s, 10*time.Millisecond, func() string {
		if is() {
			return ""
		}
		return "no " + what
	})
}
