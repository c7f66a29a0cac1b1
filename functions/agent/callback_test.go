package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/hosted"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
)

// TestLocalCallback has an agent on a local server wait for a callback, which plain curl sends: to
// the server itself, whose own worker goes on with the task.
func TestLocalCallback(t *testing.T) {
	for name, path := range map[string]string{"at its root": "", "below a path": "/agent"} {
		t.Run(name, func(t *testing.T) {
			urls := make(chan string, 2) // the first run's, and the next one's
			agent := &hosted.Agent{Executor: durable.New(func(ctx context.Context, t *durable.Task) error {
				c, err := durable.NewCallback(ctx, "delivered", 48*time.Hour)
				if err != nil {
					return err
				}
				urls <- c.URL
				d, err := c.Wait(ctx)
				if err != nil {
					return err
				}
				return durable.Yield(ctx, a2a.NewArtifactUpdateEvent(t, "came", a2a.NewTextPart(string(d.Body))))
			})}
			var handler http.Handler
			local := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
			defer local.Close()
			l, err := openLocal(t.Context(), agent, outgoing.Guard{}, local.URL+path, run.JournalConfig{})
			if err != nil {
				t.Fatal(err)
			}
			public, err := publicURL(local.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			others := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
			handler = onlyLoopback("", public.serve(l.withCallbacks(others)))
			s := server.New(server.Config{Store: l.runner.Store, Runner: l.runner, Retention: 7 * 24 * time.Hour, Card: new(a2a.AgentCard)})
			sent, err := s.SendMessage(t.Context(), server.Caller{Version: "1.0"}, &a2a.SendMessageRequest{
				Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("ship it")),
			})
			if err != nil || sent.Status.State != a2a.TaskStateSubmitted {
				t.Fatalf("sent: %v, %v", sent, err)
			}
			url := <-urls
			if !strings.HasPrefix(url, local.URL+path+"/callbacks/") {
				t.Errorf("the URL is %s", url)
			}
			for _, c := range []struct{ want, body, url string }{
				{"405", "", url}, {"404", "here", url[:len(url)-1]}, {"418", "here", local.URL + path + "/callback"}, {"202", "here", url}, {"202", "here", url},
			} {
				args := []string{"-sS", "-o", "/dev/null", "-w", "%{http_code}", c.url}
				if c.body != "" {
					args = append(args, "-d", c.body)
				}
				var stderr bytes.Buffer
				curl := exec.CommandContext(t.Context(), "curl", args...)
				curl.Stderr = &stderr
				if got, err := curl.Output(); err != nil || string(got) != c.want {
					t.Errorf("curl %q %s: %s, want %s: %v %s", c.body, c.url, got, c.want, err, &stderr)
				}
			}
			l.jobs.Wait()
			now, err := s.GetTask(t.Context(), server.Caller{Version: "1.0"}, &a2a.GetTaskRequest{ID: sent.ID})
			if err != nil || now.Status.State != a2a.TaskStateCompleted || now.Artifacts[0].Parts[0].Text() != "here" {
				t.Errorf("the task is %v, %v", now, err)
			}
			// A page of somebody else sends nothing.
			r := httptest.NewRequest(http.MethodPost, url, strings.NewReader("here"))
			r.Header.Set("Origin", "https://example.com")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if text, _ := io.ReadAll(w.Body); w.Code != http.StatusForbidden {
				t.Errorf("from another page: %d %s", w.Code, text)
			}
		})
	}
}
