package durable_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/durable"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
)

// versioned serves an agent of this project that has only one version of A2A.
func versioned(version string, x a2asrv.AgentExecutor) http.Handler {
	h := a2ahttp.New(hosttest.New(new(memlog.Log), x, slog.New(slog.DiscardHandler)))
	card := `{"name":"other","description":"","version":"1","capabilities":{"streaming":true},"defaultInputModes":[],"defaultOutputModes":[],"skills":[],`
	if version == "1.0" {
		card += `"supportedInterfaces":[{"url":"http://127.0.0.1:9/","protocolBinding":"JSONRPC","protocolVersion":"1.0"}]}`
	} else {
		card += `"protocolVersion":"0.3.0","url":"http://127.0.0.1:9/","preferredTransport":"JSONRPC"}`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = fmt.Fprint(w, card)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// writer says something, and writes an artifact in pieces, one each ten seconds.
func writer(pieces int) a2asrv.AgentExecutor {
	return hosttest.Executor(func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		say := func(s string) a2a.Event {
			return a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart(s)))
		}
		if !yield(say("thinking"), nil) {
			return
		}
		for i := range pieces {
			select {
			case <-ctx.Done():
				return
			case <-time.After(10 * time.Second):
			}
			e := a2a.NewArtifactUpdateEvent(ec, "letter", a2a.NewTextPart(fmt.Sprint(i)))
			e.Append = i > 0
			if !yield(e, nil) {
				return
			}
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	})
}

// TestCallProgress passes on what the peer says, in both versions. After a crash the artifact begins
// anew, with all that the peer has written.
func TestCallProgress(t *testing.T) {
	for _, version := range []string{"1.0", "0.3"} {
		for _, killed := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				a := new(ask)
				w := newWorld(t, "", versioned(version, writer(12)), a.agent(durable.Progress()))
				if killed {
					time.AfterFunc(55*time.Second, w.kill)
				}
				w.run()
				if a.err != nil || a.reply.Task.Status.State != a2a.TaskStateCompleted {
					t.Fatalf("%s: %s, %v, %v", version, jsonOf(a.reply), a.err, w.said())
				}
				said := w.said()
				if !killed {
					if len(said) != 13 || said[0] != "ask#1 TASK_STATE_WORKING thinking" || said[1] != `ask#1 ask/letter "0" append false` ||
						said[12] != `ask#1 ask/letter "11" append true` || w.runs != 1 {
						t.Errorf("%s: %d runs,\n%s", version, w.runs, strings.Join(said, "\n"))
					}
				}
				letter := ""
				for _, line := range said {
					var piece string
					if i := strings.Index(line, `ask/letter "`); i >= 0 {
						piece, _, _ = strings.Cut(line[i+len(`ask/letter "`):], `"`)
						if strings.HasSuffix(line, "append false") {
							letter = ""
						}
					}
					letter += piece
				}
				if letter != "01234567891011" && !(killed && strings.HasPrefix(letter, "0")) {
					t.Errorf("%s: the letter is %q after\n%s", version, letter, strings.Join(said, "\n"))
				}
				if killed && (w.runs != 2 || strings.Count(strings.Join(said, " "), "append false") != 2) {
					t.Errorf("%s: %d runs,\n%s", version, w.runs, strings.Join(said, "\n"))
				}
			})
		}
	}
}

// TestCallProgressBounded has a peer that says more than is passed on, and one that is silent.
func TestCallProgressBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := hosttest.Executor(func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			for i := range 3000 {
				e := a2a.NewArtifactUpdateEvent(ec, "letter", a2a.NewTextPart(strings.Repeat("x", 10)))
				e.Append = i > 0
				if !yield(e, nil) {
					return
				}
			}
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
		})
		a := new(ask)
		w := newWorld(t, "", versioned("1.0", x), a.agent(durable.Progress()))
		w.run()
		if a.err != nil || len(w.said()) != 1000 {
			t.Errorf("%d events, %v", len(w.said()), a.err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a := new(ask)
		x := hosttest.Executor(func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			if yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil) {
				time.Sleep(30 * time.Minute)
				yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
			}
		})
		w := newWorld(t, "", versioned("1.0", x), a.agent(durable.Progress()))
		w.run()
		if a.err != nil || w.runs < 3 {
			t.Errorf("%d runs, %v", w.runs, a.err)
		}
	})
}
