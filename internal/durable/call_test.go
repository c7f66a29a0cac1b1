package durable_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
)

func text(s string) *a2a.Message { return a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(s)) }

// ask is an agent that calls another one once, and keeps what it gets.
type ask struct {
	reply durable.Reply
	err   error
}

func (a *ask) agent(opts ...durable.Option) durable.Func {
	return func(ctx context.Context, t *durable.Task) error {
		a.reply, a.err = durable.Call(ctx, "ask", "other", text("hello"), opts...)
		if errors.Is(a.err, durable.ErrSuspended) {
			return a.err
		}
		return nil
	}
}

// TestCallTakes has replies that take from no time to a day. A short one is waited for in place, for
// a long one the task is suspended. The peer is not asked more often than the pauses say.
func TestCallTakes(t *testing.T) {
	for _, test := range []struct {
		takes     time.Duration
		runs, get int // at most
		kinds     string
	}{
		{0, 1, 0, "began done"},
		{5 * time.Second, 1, 5, "began noted done"},
		{50 * time.Second, 1, 10, "began noted done"},
		{time.Hour, 12, 25, "began noted noted done"},
		{20 * time.Hour, 100, 110, "began noted noted done"},
	} {
		synctest.Test(t, func(t *testing.T) {
			o, a := &other{takes: test.takes, text: "hi"}, &ask{}
			w := newWorld(t, "", o, a.agent())
			begun := time.Now()
			if end := w.run(); end.End != durable.Returned || a.err != nil {
				t.Fatalf("%v: %v, %v, %v", test.takes, end.End, end.Err, a.err)
			}
			took := time.Since(begun)
			r := a.reply.Task
			if r == nil || r.Status.State != a2a.TaskStateCompleted || r.Artifacts[0].Parts[0].Text() != "hi" || len(r.History) > 0 {
				t.Errorf("%v: got %+v", test.takes, r)
			}
			if w.runs > test.runs || o.requests["GetTask"] > test.get || w.kinds() != test.kinds || len(o.messages) != 1 {
				t.Errorf("%v: %d runs, %v, %q", test.takes, w.runs, o.requests, w.kinds())
			}
			if late := took - test.takes; late > test.takes/2+2*time.Second || late > 16*time.Minute {
				t.Errorf("%v: took %v", test.takes, took)
			}
		})
	}
}

// TestCallTimeout gives up after a day, or after the time that the call says, and cancels the peer's
// task.
func TestCallTimeout(t *testing.T) {
	for _, limit := range []time.Duration{0, 90 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			o, a := &other{takes: 1000 * time.Hour}, &ask{}
			w := newWorld(t, "", o, a.agent(durable.Timeout(limit)))
			begun := time.Now()
			w.run()
			want := limit
			if want == 0 {
				want = 24 * time.Hour
			}
			step := (*durable.StepError)(nil)
			if !errors.Is(a.err, durable.ErrTimeout) || !errors.As(a.err, &step) || time.Since(begun) < want || time.Since(begun) > want+time.Minute {
				t.Errorf("after %v: %v", time.Since(begun), a.err)
			}
			if fmt.Sprint(o.canceled) != "[other-1]" {
				t.Errorf("canceled %v", o.canceled)
			}
		})
	}
}

// TestCallDown has a peer that is down for hours, or busy: the message is sent once it is there.
func TestCallDown(t *testing.T) {
	for _, what := range []string{"card", "SendMessage"} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			o, a := &other{text: "hi"}, &ask{}
			o.before = func(method string, w http.ResponseWriter) bool {
				down := method == what && time.Since(begun) < 5*time.Hour
				if down {
					w.WriteHeader(503)
				}
				return down
			}
			w := newWorld(t, "", o, a.agent())
			w.run()
			if a.err != nil || len(o.messages) != 1 || len(w.journal) > 100 {
				t.Errorf("%s: %v, %d messages, %d entries", what, a.err, len(o.messages), len(w.journal))
			}
		})
	}
}

// TestCallRefused has answers that are errors at once, and for good.
func TestCallRefused(t *testing.T) {
	for name, test := range map[string]struct {
		before func(method string, w http.ResponseWriter) bool
		want   string
	}{
		"401": {func(_ string, w http.ResponseWriter) bool { w.WriteHeader(401); return true },
			"ask: other: agent card: status 401 Unauthorized: the credentials are missing, wrong or out of date"},
		"malformed": {func(m string, w http.ResponseWriter) bool {
			if m == "SendMessage" {
				_, _ = io.WriteString(w, "<html>")
			}
			return m == "SendMessage"
		}, "ask: other: the answer is malformed"},
		"gone later": {func(m string, w http.ResponseWriter) bool {
			if m == "GetTask" {
				_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":"1","error":{"code":-32001,"message":"no such task"}}`)
			}
			return m == "GetTask"
		}, "ask: other: no such task"},
		"huge": {func(m string, w http.ResponseWriter) bool {
			if m == "GetTask" {
				for range 20 << 4 {
					_, _ = io.WriteString(w, strings.Repeat(" ", 64<<10))
				}
			}
			return m == "GetTask"
		}, "ask: other: the answer has more than 16 MB"},
	} {
		synctest.Test(t, func(t *testing.T) {
			o, a := &other{takes: time.Second, before: test.before}, &ask{}
			w := newWorld(t, "", o, a.agent())
			w.run()
			if a.err == nil || !strings.HasPrefix(a.err.Error(), test.want) || w.runs != 1 {
				t.Errorf("%s: %v in %d runs", name, a.err, w.runs)
			}
		})
	}
}

// TestCallCredentials has credentials that run out while the reply is awaited: the peer is asked
// again, since others may be deployed.
func TestCallCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		o, a := &other{takes: time.Minute, text: "hi"}, &ask{}
		o.before = func(m string, w http.ResponseWriter) bool {
			out := m == "GetTask" && time.Since(begun) < 3*time.Hour
			if out {
				w.WriteHeader(401)
			}
			return out
		}
		w := newWorld(t, "", o, a.agent())
		w.run()
		if a.err != nil || time.Since(begun) < 3*time.Hour {
			t.Errorf("after %v: %v", time.Since(begun), a.err)
		}
	})
}

// TestCallLarge has replies of more than one piece, and of more than can be recorded.
func TestCallLarge(t *testing.T) {
	for _, size := range []int{1 << 20, 11 << 20} {
		synctest.Test(t, func(t *testing.T) {
			o, a := &other{text: strings.Repeat("x", size)}, &ask{}
			w := newWorld(t, "", o, a.agent())
			w.run()
			if size == 1<<20 && (a.err != nil || len(a.reply.Task.Artifacts[0].Parts[0].Text()) != size) {
				t.Errorf("%d: %v", size, a.err)
			}
			if size > 10<<20 && (a.err == nil || !strings.Contains(a.err.Error(), "at most 10420224 can be recorded")) {
				t.Errorf("%d: %v", size, a.err)
			}
		})
	}
}

// TestCallConversation has a peer that asks something: the reply says so, and another call goes on.
// The peer answers with the task as it was before the message, first.
func TestCallConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, second durable.Reply
		o := &other{takes: 10 * time.Second, state: a2a.TaskStateInputRequired, text: "hi"}
		stale := false
		o.before = func(m string, w http.ResponseWriter) bool {
			if m != "SendMessage" || o.requests[m] != 2 {
				return false
			}
			stale = true
			o.mu.Lock()
			before := o.now(o.tasks["other-1"])
			o.mu.Unlock()
			data := jsonOf(before)
			o.handle(m, []byte(`{"message":{"messageId":"m","role":"ROLE_USER","taskId":"other-1","parts":[{"text":"blue"}]}}`))
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":"1","result":{"task":%s}}`, data)
			return true
		}
		w := newWorld(t, "", o, func(ctx context.Context, _ *durable.Task) (err error) {
			if first, err = durable.Call(ctx, "ask", "other", text("hello")); err != nil {
				return err
			}
			m := text("blue")
			m.TaskID = first.Task.ID
			second, err = durable.Call(ctx, "answer", "other", m)
			return err
		})
		if o := w.run(); o.Err != nil {
			t.Fatal(o.Err)
		}
		if first.Task.Status.State != a2a.TaskStateInputRequired || second.Task.Status.State != a2a.TaskStateCompleted ||
			second.Task.ID != first.Task.ID || !stale {
			t.Errorf("got %+v and %+v", first.Task, second.Task)
		}
	})
}

// TestCallMessage has a peer that answers with a message.
func TestCallMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, a := &other{}, &ask{}
		o.before = func(m string, w http.ResponseWriter) bool {
			if m == "SendMessage" {
				_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":"1","result":{"message":{"messageId":"m","role":"ROLE_AGENT","parts":[{"text":"hi"}]}}}`)
			}
			return m == "SendMessage"
		}
		w := newWorld(t, "", o, a.agent())
		w.run()
		if a.err != nil || a.reply.Task != nil || a.reply.Message.Parts[0].Text() != "hi" || w.kinds() != "began done" {
			t.Errorf("got %+v, %v, %s", a.reply, a.err, w.kinds())
		}
	})
}
