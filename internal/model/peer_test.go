package model_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
	"a2alambda/internal/model"
	"a2alambda/internal/peer"
	"a2alambda/internal/peer/peertest"
	"a2alambda/internal/purchase/writer"
	"a2alambda/internal/tool"
)

// peers are the writer, whose requests are operations of the world.
func peers(w *durabletest.World, written *memlog.Log) peer.Set {
	set, err := peer.Parse("writer=http://127.0.0.1:9;deduplicates", "", "")
	if err != nil {
		panic(err)
	}
	handler := a2ahttp.New(hosttest.New(written, writer.Writer{}, slog.New(slog.DiscardHandler)))
	set["writer"].Through(outside{w, peertest.Transport{Handler: handler}})
	return set
}

type outside struct {
	w     *durabletest.World
	inner http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (o outside) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	err = o.w.Outside(r.Context(), "writer "+r.Method+" "+r.URL.Path, func() error {
		resp, err = o.inner.RoundTrip(r)
		return err
	})
	if err != nil && resp != nil {
		resp.Body.Close()
		resp = nil
	}
	return resp, err
}

// TestPeer has the model ask another agent, beside a tool, and kills the agent at each operation:
// the writer has one task.
func TestPeer(t *testing.T) {
	ss := &scenes{
		script: script{
			pieces: [][]string{nil, {"Done."}},
			calls:  [][]model.Call{{call("a", "ask_writer", `{"message":"Write a receipt: a book"}`), call("b", "read", ""), call("c", "ask_writer", `{}`)}},
		},
		config: model.Config{Peers: []model.Peer{{Name: "writer", About: func(context.Context) string { return "It writes receipts." }}}},
	}
	written := map[*durabletest.World]*memlog.Log{}
	durabletest.Test(t, durabletest.Case{
		Agent: ss.Agent, LosesAnswers: true, MaxOps: 60,
		Peers: func(w *durabletest.World) peer.Set {
			written[w] = new(memlog.Log)
			return peers(w, written[w])
		},
		Check: func(t *testing.T, w *durabletest.World) {
			s := ss.of(w)
			s.judge(t)
			if got := s.told("a"); !strings.Contains(got, "a book") || !strings.HasPrefix(got, "<tool-output>\n") {
				t.Errorf("told %q", got)
			}
			if got := s.told("c"); !strings.Contains(got, "The arguments need a message") {
				t.Errorf("told %q", got)
			}
			if got := s.asked[0].Tools[0]; got.Name != "ask_writer" || !strings.HasSuffix(got.Description, "when it is done. It writes receipts.") {
				t.Errorf("the model has the tool %+v", got)
			}
			if w.State() != a2a.TaskStateCompleted {
				t.Errorf("the task is %s", w.State())
			}
		},
	})
}

// TestPeerApproval has a peer ask for a user's yes before it pays. The model says yes at once: the user
// is asked all the same, and sees the peer's question.
func TestPeerApproval(t *testing.T) {
	for answer, want := range map[string]int64{"yes": 1, "no": 0} {
		t.Run(answer, func(t *testing.T) {
			var paid atomic.Int64
			payer, err := model.Agent(model.Config{
				Model: modelFunc(func(r *model.Request) (*model.Answer, error) {
					if len(r.Messages) == 1 {
						return &model.Answer{Stop: model.StopTools, Calls: []model.Call{call("a", "pay", `{"to":"Eve"}`)}}, nil
					}
					return &model.Answer{Text: "Ready.", Stop: model.StopEnd}, nil
				}),
				Tools: func() (func(context.Context) []tool.Tool, func()) {
					return func(context.Context) []tool.Tool {
						return []tool.Tool{{Name: "pay", Approve: true, Call: func(context.Context, json.RawMessage) (tool.Result, error) {
							paid.Add(1)
							return tool.Result{Text: "paid"}, nil
						}}}
					}, func() {}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			f, err := model.Agent(model.Config{
				Peers: []model.Peer{{Name: "writer"}},
				Model: modelFunc(func(r *model.Request) (*model.Answer, error) {
					args := map[string]string{"message": "Pay"}
					switch len(r.Messages) {
					case 3:
						_, id, _ := strings.Cut(r.Messages[2].Parts[0].Result.Text, "Its task is ")
						id, _, _ = strings.Cut(id, ".")
						args = map[string]string{"message": "yes", "task": id}
					case 5:
						return &model.Answer{Stop: model.StopEnd}, nil
					}
					data, err := json.Marshal(args)
					return &model.Answer{Stop: model.StopTools, Calls: []model.Call{call("", "ask_writer", string(data))}}, err
				}),
			})
			if err != nil {
				t.Fatal(err)
			}
			durabletest.Run(t, durabletest.Case{
				Agent: func(*durabletest.World) durable.Func { return f },
				Peers: func(*durabletest.World) peer.Set {
					set, err := peer.Parse("writer=http://127.0.0.1:9;deduplicates", "", "")
					if err != nil {
						panic(err)
					}
					set["writer"].Through(peertest.Transport{Handler: a2ahttp.New(hosttest.New(new(memlog.Log), durable.New(payer), slog.New(slog.DiscardHandler)))})
					return set
				},
				Script: func(w *durabletest.World) {
					w.Begin("Pay")
					w.Await(a2a.TaskStateInputRequired)
					if paid.Load() != 0 {
						t.Error("it was paid before the user was asked")
					}
					m := says(answer)
					m.TaskID = w.ID()
					w.Send(m)
					w.AwaitEnd()
				},
				Check: func(t *testing.T, w *durabletest.World) {
					if got := paid.Load(); got != want || w.State() != a2a.TaskStateCompleted {
						t.Errorf("paid %d times, the task is %s", got, w.State())
					}
					if got := questionOf(w.Task()).Parts[0].Text(); !strings.Contains(got, `to answer `) || !strings.Contains(got, `pay`) || !strings.Contains(got, "Eve") {
						t.Errorf("asked %q", got)
					}
				},
			})
		})
	}
}

// TestPeerName checks that a peer has a name that a model can call.
func TestPeerName(t *testing.T) {
	_, err := model.Agent(model.Config{Model: sleeper{}, Peers: []model.Peer{{Name: strings.Repeat("x", 61)}}})
	if err == nil || !strings.Contains(err.Error(), "has a name that a model cannot call") {
		t.Errorf("got %v", err)
	}
}
