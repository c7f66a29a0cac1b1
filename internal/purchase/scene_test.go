package purchase_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
	"a2alambda/internal/peer"
	"a2alambda/internal/peer/peertest"
	"a2alambda/internal/purchase"
	"a2alambda/internal/purchase/shop"
	"a2alambda/internal/purchase/writer"
	"a2alambda/internal/tasklog"
)

// scene is a world with a shop and a writer. All requests to them are operations of the world.
type scene struct {
	*durabletest.World
	shop    *shop.Shop
	written *memlog.Log // the writer's tasks

	mu    sync.Mutex
	wrong []string // what nobody may do
}

// scenes are those of a test, by their worlds.
type scenes struct {
	config shop.Config
	pause  time.Duration // of the writer
	all    sync.Map      // *durabletest.World → *scene
}

func (ss *scenes) of(w *durabletest.World) *scene {
	s, _ := ss.all.Load(w)
	return s.(*scene)
}

// Agent is the agent of a [durabletest.Case].
func (ss *scenes) Agent(w *durabletest.World) durable.Func {
	s := &scene{World: w, written: new(memlog.Log)}
	ss.all.Store(w, s)
	c := ss.config
	c.Client = &http.Client{Transport: peertest.Transport{Handler: w.Callbacks()}}
	s.shop = shop.New(c)
	w.Cleanup(s.shop.Close)
	client := &shop.Client{URL: "http://shop.test", HTTP: &http.Client{Transport: s.through(peertest.Transport{Handler: s.shop})}}
	return purchase.Agent(client, durable.Progress())
}

// Peers are the peers of a [durabletest.Case].
func (ss *scenes) Peers(w *durabletest.World) peer.Set {
	s := ss.of(w)
	set, err := peer.Parse("writer=http://127.0.0.1:9;deduplicates", "", "")
	if err != nil {
		panic(err)
	}
	handler := a2ahttp.New(hosttest.New(s.written, writer.Writer{Pause: ss.pause}, slog.New(slog.DiscardHandler)))
	set["writer"].Through(s.through(peertest.Transport{Handler: handler}))
	return set
}

// through returns a transport whose requests are operations of the world.
func (s *scene) through(inner http.RoundTripper) http.RoundTripper { return transport{s, inner} }

type transport struct {
	*scene
	inner http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	step := stepOf(r)
	err = t.Outside(r.Context(), step, func() error {
		for _, e := range t.Entries() {
			if e.Name == step && e.Kind == durable.Done {
				t.complain("%s is asked for after its result was recorded", step)
			}
		}
		resp, err = t.inner.RoundTrip(r)
		return err
	})
	if err != nil && resp != nil {
		resp.Body.Close()
		resp = nil
	}
	return resp, err
}

// stepOf returns the step that a request belongs to.
func stepOf(r *http.Request) string {
	what, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Host != "shop.test":
		return "writer " + r.Method + " " + r.URL.Path
	case what == "quotes":
		return "quote"
	case what == "shipments":
		return "ship"
	case r.Method == http.MethodPut:
		return "charge"
	case r.Method == http.MethodDelete:
		return "refund"
	}
	return "find the charge"
}

func (s *scene) complain(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

// happened returns the lines of the shop's books by what happened.
func (s *scene) happened() map[string][]shop.Line {
	lines := map[string][]shop.Line{}
	for _, l := range s.shop.Books() {
		lines[l.What] = append(lines[l.What], l)
	}
	return lines
}

// judge compares the shop's books, the log and the journal.
func (s *scene) judge(t *testing.T) {
	t.Helper()
	for _, wrong := range s.wrong {
		t.Error(wrong)
	}
	lines := s.happened()
	for what, l := range lines {
		if len(l) > 1 {
			t.Errorf("the shop has %d of %s: %+v", len(l), what, l)
		}
	}
	if l := lines["charge"]; len(l) > 0 && l[0].Requests > 1 {
		t.Errorf("the charge was asked for %d times", l[0].Requests)
	}
	for _, step := range []string{"charge", "ship", "refund", "quote"} {
		if n := s.Keys(step); n > 1 {
			t.Errorf("%s was asked for with %d keys", step, n)
		}
	}
	questions := 0
	for i, e := range s.Logged() {
		if e.Seq != int64(i)+1 {
			t.Errorf("event %d has the number %d", i+1, e.Seq)
		}
		event, err := tasklog.Decode(e.JSON)
		if err != nil {
			t.Fatal(err)
		}
		if status, ok := event.(*a2a.TaskStatusUpdateEvent); ok && status.Status.State == a2a.TaskStateInputRequired {
			questions++
		}
	}
	if questions > 1 {
		t.Errorf("it has asked %d times", questions)
	}
	if n, err := s.written.Count(context.Background(), tasklog.Filter{}); err != nil || n > 1 {
		t.Errorf("the writer has %d tasks, %v", n, err)
	}
	s.judgeReceipt(t)
}

// judgeReceipt compares what clients have seen of the receipt with what was recorded of it.
func (s *scene) judgeReceipt(t *testing.T) {
	t.Helper()
	seen := map[a2a.ArtifactID]string{}
	for _, a := range s.Task().Artifacts {
		for _, p := range a.Parts {
			seen[a.ID] += p.Text()
		}
	}
	recorded := ""
	for _, e := range s.Entries() {
		if e.Name != "write the receipt" || e.Kind != durable.Done {
			continue
		}
		var r durable.Reply
		if err := json.Unmarshal(e.Result, &r); err != nil || r.Task == nil {
			t.Fatalf("the reply is %s, %v", e.Result, err)
		}
		for _, a := range r.Task.Artifacts {
			for _, p := range a.Parts {
				recorded += p.Text()
			}
		}
	}
	if s.State() != a2a.TaskStateCompleted {
		return
	}
	if recorded == "" || seen["receipt"] != recorded || seen["write the receipt/receipt"] != "" && seen["write the receipt/receipt"] != recorded {
		t.Errorf("recorded is %q, and clients have seen %q", recorded, seen)
	}
}

// failed reports whether a step has failed.
func (s *scene) failed(step string) bool {
	for _, e := range s.Entries() {
		if e.Name == step && e.Kind == durable.Failed {
			return true
		}
	}
	return false
}

// lastWords returns the receipt, or else the message of the task's status.
func (s *scene) lastWords() (text string) {
	task := s.Task()
	for _, a := range task.Artifacts {
		if a.ID == "receipt" {
			for _, p := range a.Parts {
				text += p.Text()
			}
			return text
		}
	}
	if m := task.Status.Message; m != nil {
		text = m.Parts[0].Text()
	}
	return text
}
