package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

// scripted is an agent that yields a test's events, until one ends its turn.
type scripted struct {
	next chan func(*a2asrv.ExecutorContext) []a2a.Event
	end  <-chan struct{} // closed when the test ends
}

func newScripted(t *testing.T) scripted {
	return scripted{make(chan func(*a2asrv.ExecutorContext) []a2a.Event), t.Context().Done()}
}

func (x scripted) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		if ec.StoredTask == nil && !yield(a2a.NewSubmittedTask(ec, ec.Message), nil) {
			return
		}
		for {
			select {
			case say := <-x.next:
				for _, e := range say(ec) {
					if !yield(e, nil) {
						return
					}
					if s, ok := e.(*a2a.TaskStatusUpdateEvent); ok && (s.Status.State.Terminal() || s.Status.State == a2a.TaskStateInputRequired) {
						return
					}
				}
			case <-ctx.Done():
				yield(nil, context.Cause(ctx))
				return
			case <-x.end:
				yield(nil, errors.New("the test has ended"))
				return
			}
		}
	}
}

func (x scripted) Cancel(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return teller{}.Cancel(ctx, ec)
}

func (x scripted) say(t *testing.T, events func(*a2asrv.ExecutorContext) []a2a.Event) {
	t.Helper()
	select {
	case x.next <- events:
	case <-time.After(client.Patience):
		t.Fatal("no task is at work")
	}
}

// status moves the agent's task to a state, with a text if there is one.
func (x scripted) status(t *testing.T, state a2a.TaskState, text ...string) {
	t.Helper()
	x.say(t, func(ec *a2asrv.ExecutorContext) []a2a.Event {
		var m *a2a.Message
		if len(text) > 0 {
			m = a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart(strings.Join(text, "\n")))
		}
		return []a2a.Event{a2a.NewStatusUpdateEvent(ec, state, m)}
	})
}

// chunks streams texts, each a chunk of the artifact "answer".
func (x scripted) chunks(t *testing.T, texts ...string) {
	t.Helper()
	x.say(t, func(ec *a2asrv.ExecutorContext) (events []a2a.Event) {
		for _, text := range texts {
			e := a2a.NewArtifactUpdateEvent(ec, "answer", a2a.NewTextPart(text))
			e.Artifact.Name = "answer"
			events = append(events, e)
		}
		return events
	})
}

func (x scripted) artifact(t *testing.T, name string, parts ...*a2a.Part) {
	t.Helper()
	x.say(t, func(ec *a2asrv.ExecutorContext) []a2a.Event {
		e := a2a.NewArtifactEvent(ec, parts...)
		e.Artifact.Name, e.LastChunk = name, true
		return []a2a.Event{e}
	})
}

// route is a network to a server: its connections can die silently, or it can be gone.
type route struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	links map[net.Conn]net.Conn
	gone  bool
	tries int        // connections that were refused
	held  []net.Conn // dead connections, which stay open
}

func routeTo(t *testing.T, url string) *route {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	localtest.Must(t, err)
	n := &route{listener: l, to: strings.TrimPrefix(url, "http://"), links: map[net.Conn]net.Conn{}}
	go n.serve()
	t.Cleanup(func() {
		l.Close()
		n.cut()
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, c := range n.held {
			c.Close()
		}
	})
	return n
}

func (n *route) url() string { return "http://" + n.listener.Addr().String() }

func (n *route) serve() {
	for {
		client, err := n.listener.Accept()
		if err != nil {
			return
		}
		n.mu.Lock()
		gone := n.gone
		if gone {
			n.tries++
		}
		n.mu.Unlock()
		server, err := net.Dial("tcp", n.to)
		if err != nil || gone {
			client.Close()
			continue
		}
		n.mu.Lock()
		n.links[client] = server
		n.mu.Unlock()
		go func() {
			_, _ = io.Copy(server, client)
			server.Close()
		}()
		go func() {
			_, _ = io.Copy(client, server)
			n.mu.Lock()
			defer n.mu.Unlock()
			if _, ok := n.links[client]; ok { // else it is dead, and the client sees no end
				delete(n.links, client)
				client.Close()
			}
		}()
	}
}

// die makes all connections dead: no more bytes come, and neither side sees an end. New ones work.
func (n *route) die() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for client, server := range n.links {
		delete(n.links, client)
		n.held = append(n.held, client)
		server.Close()
	}
}

func (n *route) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for client, server := range n.links {
		delete(n.links, client)
		client.Close()
		server.Close()
	}
}

// leave ends all connections, and refuses new ones until the network is back.
func (n *route) leave() {
	n.mu.Lock()
	n.gone = true
	n.mu.Unlock()
	n.cut()
}

// refused waits until this number of connections has been refused.
func (n *route) refused(t *testing.T, tries int) {
	t.Helper()
	client.Await(t, 10*time.Millisecond, func() string {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.tries >= tries {
			return ""
		}
		return fmt.Sprintf("the page gave up after %d tries", n.tries)
	})
}

func (n *route) comeBack() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone = false
}

// refusing serves like a handler, except requests with a text in their path or body: while that is
// set, it refuses them.
type refusing struct {
	http.Handler

	mu      sync.Mutex
	answers map[string]http.HandlerFunc // by text
}

// refuse makes answer the answer to requests with the text. A nil answer ends that; without a text
// it ends it for all texts.
func (r *refusing) refuse(text string, answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text == "" {
		clear(r.answers)
		return
	}
	r.answers[text] = answer
}

// answer returns the answer to a request that is refused, or nil.
func (r *refusing) answer(path, body string) http.HandlerFunc {
	r.mu.Lock()
	defer r.mu.Unlock()
	for text, answer := range r.answers {
		if strings.Contains(path, text) || strings.Contains(body, text) {
			return answer
		}
	}
	return nil
}

func (r *refusing) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	req.Body = io.NopCloser(strings.NewReader(string(body)))
	if answer := r.answer(req.URL.Path, string(body)); answer != nil {
		answer(w, req)
		return
	}
	r.Handler.ServeHTTP(w, req)
}

// serveRefusing serves an agent and the page through a refusing handler.
func serveRefusing(t *testing.T, x a2asrv.AgentExecutor) (*refusing, string) {
	t.Helper()
	return serveRefusingOf(t, servePage(t, x).Config.Handler)
}

func serveRefusingOf(t *testing.T, handler http.Handler) (*refusing, string) {
	t.Helper()
	r := &refusing{Handler: handler, answers: map[string]http.HandlerFunc{}}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	return r, s.URL
}
