package peer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
	"a2alambda/internal/peer"
)

// one returns the only peer of a list.
func one(t *testing.T, url, options, credentials string) *peer.Peer {
	t.Helper()
	if credentials != "" {
		credentials = fmt.Sprintf(`{"other":%q}`, credentials)
	}
	set, err := peer.Parse("other="+url+options, credentials, "")
	if err != nil {
		t.Fatal(err)
	}
	return set["other"]
}

// card answers with a card that has one interface.
func card(w http.ResponseWriter, url, version, binding string) {
	_, _ = fmt.Fprintf(w, `{"name":"other","description":"","version":"1","capabilities":{"streaming":true,"pushNotifications":true},`+
		`"defaultInputModes":[],"defaultOutputModes":[],"skills":[],`+
		`"supportedInterfaces":[{"url":%q,"protocolBinding":%q,"protocolVersion":%q}]}`, url, binding, version)
}

// oldCard answers with a card of 0.3.
func oldCard(w http.ResponseWriter, url, binding string) {
	transport := fmt.Sprintf(`,"preferredTransport":%q`, binding)
	if binding == "" {
		transport = ""
	}
	_, _ = fmt.Fprintf(w, `{"name":"other","description":"","version":"1","protocolVersion":"0.3.0","url":%q%s,"capabilities":{"streaming":true},`+
		`"defaultInputModes":[],"defaultOutputModes":[],"skills":[]}`, url, transport)
}

// agent serves an agent of this project that has only one version and binding.
func agent(t *testing.T, x a2asrv.AgentExecutor, version, binding string) *httptest.Server {
	t.Helper()
	h := a2ahttp.New(hosttest.New(new(memlog.Log), x, slog.New(slog.DiscardHandler)))
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/.well-known/agent-card.json":
			h.ServeHTTP(w, r)
		case version == "1.0":
			card(w, s.URL, version, binding)
		default:
			oldCard(w, s.URL, binding)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestOurs has a peer of each version and binding answer, wait, and be canceled.
func TestOurs(t *testing.T) {
	for _, v := range []struct{ version, binding string }{
		{"1.0", "JSONRPC"}, {"1.0", "HTTP+JSON"}, {"0.3", "JSONRPC"}, {"0.3", "HTTP+JSON"}, {"0.3", ""},
	} {
		t.Run(v.version+" "+v.binding, func(t *testing.T) {
			t.Parallel()
			var release sync.WaitGroup
			release.Add(1)
			s := agent(t, hosttest.Executor(func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
				if !yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil) {
					return
				}
				if ec.Message.Parts[0].Text() == "wait" {
					<-ctx.Done()
					return
				}
				release.Wait()
				if !yield(a2a.NewArtifactEvent(ec, a2a.NewTextPart("hello")), nil) {
					return
				}
				yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
			}), v.version, v.binding)
			p := one(t, s.URL, "", "")
			m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go"))
			m.ContextID = "context-1"
			sent, err := p.Send(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			task, ok := sent.(*a2a.Task)
			if !ok || task.Status.State.Terminal() || task.ContextID != m.ContextID {
				t.Fatalf("got %#v", sent)
			}
			events := make(chan a2a.Event, 10)
			go func() {
				defer close(events)
				for e, err := range p.Events(t.Context(), task.ID) {
					if err != nil {
						t.Errorf("events: %v", err)
						return
					}
					events <- e
				}
			}()
			<-events
			release.Done()
			for range events {
			}
			if task, err = p.Task(t.Context(), task.ID, 10); err != nil || task.Status.State != a2a.TaskStateCompleted ||
				len(task.Artifacts) != 1 || !peer.Has(task, m.ID) {
				t.Errorf("got %+v, %v", task, err)
			}
			found, err := p.Find(t.Context(), m, true)
			if v.version == "1.0" && (err != nil || found == nil || found.ID != task.ID) {
				t.Errorf("found %v, %v", found, err)
			}
			if e := outcome(err); v.version != "1.0" && v.binding != "HTTP+JSON" && e != peer.Refused {
				t.Errorf("the JSON-RPC of 0.3 has no list: got %v", err)
			}
			if v.version == "1.0" {
				m.ContextID = "context-2"
				if found, err = p.Find(t.Context(), m, true); err != nil || found != nil {
					t.Errorf("found %v, %v", found, err)
				}
			}
			if _, err = p.Task(t.Context(), "unknown", 0); outcome(err) != peer.Refused || !err.(*peer.Error).NotFound {
				t.Errorf("an unknown task: %v", err)
			}
			sent, err = p.Send(t.Context(), a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("wait")))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Cancel(t.Context(), sent.(*a2a.Task).ID); err != nil {
				t.Error(err)
			}
		})
	}
}

func outcome(err error) peer.Outcome {
	if e := (*peer.Error)(nil); errors.As(err, &e) {
		return e.Outcome
	}
	return ""
}

// TestOutcomes checks what is known after each way in which a request can fail.
func TestOutcomes(t *testing.T) {
	const taskOf = `{"jsonrpc":"2.0","id":"1","result":{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}}}`
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   peer.Outcome
		text   string // the error's, up to a $
	}{
		{"taken", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, taskOf) }, "", ""},
		{"busy", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "7"); w.WriteHeader(503) }, peer.Unsent, "other: status 503 Service Unavailable"},
		{"throttled", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, peer.Unsent, "other: status 429 Too Many Requests"},
		{"broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, peer.Unknown, "other: status 500 Internal Server Error"},
		{"gateway", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(504) }, peer.Unknown, "other: status 504 Gateway Timeout"},
		{"stranger", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, peer.Refused, "other: status 401 Unauthorized: the credentials are missing, wrong or out of date"},
		{"moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusTemporaryRedirect) }, peer.Refused, "other: status 307 Temporary Redirect"},
		{"no", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":"1","error":{"code":-32602,"message":"no\nway`+strings.Repeat("!", 1000)+`"}}`)
		}, peer.Refused, "other: no way!!!$"},
		{"hangs up", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, peer.Unknown, "other: no answer: $"},
		{"half", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, taskOf[:30])
			panic(http.ErrAbortHandler)
		}, peer.Unknown, "other: no answer: $"},
		{"malformed", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `<html>`) }, peer.Refused, "other: the answer is malformed: $"},
		{"neither", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":"1","result":{}}`)
		}, peer.Refused, "other: the answer is malformed: $"},
		{"huge", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, taskOf[:30])
			for range 20 << 10 {
				_, _ = io.WriteString(w, strings.Repeat(" ", 1<<10))
			}
		}, peer.Refused, "other: the answer has more than 16 MB"},
		{"slow", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, peer.Unknown, "other: no answer in time"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var s *httptest.Server
			got := make(chan string, 10)
			s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					card(w, s.URL, "1.0", "JSONRPC")
					return
				}
				got <- r.Header.Get("X-Api-Key")
				test.answer(w, r)
			}))
			defer s.Close()
			p := one(t, s.URL, "", "X-API-Key: secret")
			ctx := t.Context()
			if test.name == "slow" {
				limited, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				ctx = limited
			}
			_, err := p.Send(ctx, a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go")))
			if outcome(err) != test.want {
				t.Fatalf("got %q: %v", outcome(err), err)
			}
			if len(got) != 1 || <-got != "secret" {
				t.Error("it is not one request with the credentials")
			}
			want, begins := strings.CutSuffix(test.text, "$")
			if err != nil && (err.Error() != want && !begins || !strings.HasPrefix(err.Error(), want) || len(err.Error()) > 600) {
				t.Errorf("got %q, want %q", err, test.text)
			}
			if e := (*peer.Error)(nil); test.name == "busy" && (!errors.As(err, &e) || e.After != 7*time.Second) {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// TestCard has cards that cannot be used. Nothing is sent, and nobody else gets the credentials.
func TestCard(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked elsewhere") }))
	defer elsewhere.Close()
	for name, test := range map[string]struct {
		card func(w http.ResponseWriter, url string)
		want peer.Outcome
		text string
	}{
		"elsewhere": {func(w http.ResponseWriter, _ string) { card(w, elsewhere.URL, "1.0", "JSONRPC") }, peer.Refused,
			"other: agent card: it has no interface at the host of the configured URL"},
		"gRPC": {func(w http.ResponseWriter, url string) { card(w, url, "1.0", "GRPC") }, peer.Refused,
			"other: agent card: it has no interface of A2A 1.0 or 0.3 over JSON-RPC or HTTP+JSON"},
		"future":    {func(w http.ResponseWriter, url string) { card(w, url, "2.0", "JSONRPC") }, peer.Refused, "other: agent card: it has no interface of A2A 1.0 or 0.3 over JSON-RPC or HTTP+JSON"},
		"malformed": {func(w http.ResponseWriter, _ string) { _, _ = io.WriteString(w, "<html>") }, peer.Refused, "other: agent card: the answer is malformed: "},
		"null":      {func(w http.ResponseWriter, _ string) { _, _ = io.WriteString(w, `{"supportedInterfaces":[null]}`) }, peer.Refused, "other: agent card: it has no interface at"},
		"missing":   {func(w http.ResponseWriter, _ string) { w.WriteHeader(404) }, peer.Refused, "other: agent card: status 404 Not Found"},
		"broken":    {func(w http.ResponseWriter, _ string) { w.WriteHeader(500) }, peer.Unsent, "other: agent card: status 500 Internal Server Error"},
		"huge": {func(w http.ResponseWriter, _ string) { _ = json.NewEncoder(w).Encode(strings.Repeat("x", 2<<20)) }, peer.Refused,
			"other: agent card: the answer has more than 1 MB"},
	} {
		var s *httptest.Server
		s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				t.Errorf("%s: a message was sent", name)
			}
			test.card(w, s.URL)
		}))
		_, err := one(t, s.URL, "", "Bearer secret").Send(t.Context(), a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go")))
		if outcome(err) != test.want || !strings.HasPrefix(err.Error(), test.text) {
			t.Errorf("%s: got %q: %v", name, outcome(err), err)
		}
		s.Close()
	}
	down := httptest.NewServer(nil)
	down.Close()
	_, err := one(t, down.URL, "", "Bearer secret").Send(t.Context(), a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go")))
	if outcome(err) != peer.Unsent || !strings.HasPrefix(err.Error(), "other: agent card: no connection: ") {
		t.Errorf("down: got %v", err)
	}
}
