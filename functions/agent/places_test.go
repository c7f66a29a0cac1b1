package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/hosted"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
)

// TestPlaces fills a server that has one place. It refuses a message, also when the client of the
// first one has gone, whose task goes on. Other requests are served.
func TestPlaces(t *testing.T) {
	t.Setenv("TABLE_NAME", "")
	t.Setenv("MAX_CONCURRENCY", "1")
	goOn := make(chan struct{})
	agent := &hosted.Agent{Executor: resuming{func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil)
		<-goOn
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	}}}
	l, err := openLocal(t.Context(), agent, outgoing.Guard{}, "", run.JournalConfig{})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(a2ahttp.New(a2ahttp.Config{
		Server:  server.New(server.Config{Store: l.runner.Store, Runner: l.runner, Retention: time.Hour, Card: demoagent.Card()}),
		BaseURL: functionurl.BaseURL, Auth: auth.None(), Logger: l.runner.Logger, Enter: l.places.enter,
	}))
	defer s.Close()
	call := func(ctx context.Context, method, params string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, "POST", s.URL, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":`+params+`}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("A2A-Version", "1.0")
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	const hello = `{"message":{"role":"ROLE_USER","messageId":"m","parts":[{"text":"hello"}]}}`
	ctx, leave := context.WithCancel(t.Context())
	stream := bufio.NewScanner(call(ctx, "SendStreamingMessage", hello).Body)
	for stream.Scan() && !strings.Contains(stream.Text(), "TASK_STATE_WORKING") {
	}
	_, text, _ := strings.Cut(stream.Text(), "data: ")
	var frame struct {
		Result struct{ StatusUpdate struct{ TaskID string } }
	}
	if err := json.Unmarshal([]byte(text), &frame); err != nil || frame.Result.StatusUpdate.TaskID == "" {
		t.Fatalf("%v: %s", err, text)
	}
	id := frame.Result.StatusUpdate.TaskID
	refused := func(when string) {
		t.Helper()
		for method, params := range map[string]string{
			"SendMessage":     strings.Replace(hello, `"m"`, `"n"`, 1),
			"SubscribeToTask": `{"id":"` + id + `"}`,
		} {
			if resp := call(t.Context(), method, params); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "2" {
				body, _ := io.ReadAll(resp.Body)
				t.Errorf("%s, %s: %d %s", when, method, resp.StatusCode, body)
			}
		}
	}
	refused("beside a stream")
	leave()
	for stream.Scan() {
	}
	refused("beside a task whose client has gone")
	body, _ := io.ReadAll(call(t.Context(), "GetTask", `{"id":"`+id+`"}`).Body)
	if !strings.Contains(string(body), "TASK_STATE_WORKING") {
		t.Errorf("GetTask: %s", body)
	}
	close(goOn)
	l.places.taken <- struct{}{} // as soon as the task has ended
	<-l.places.taken
	resp := call(t.Context(), "SendMessage", strings.Replace(hello, `"m"`, `"o"`, 1))
	if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), "TASK_STATE_COMPLETED") {
		t.Errorf("after it: %d %s", resp.StatusCode, body)
	}
}

// TestFollowers fills the only place of a server with somebody who follows a task in the background:
// the task runs all the same.
func TestFollowers(t *testing.T) {
	t.Setenv("TABLE_NAME", "")
	t.Setenv("MAX_CONCURRENCY", "1")
	synctest.Test(t, func(t *testing.T) {
		l, err := openLocal(t.Context(), &hosted.Agent{Executor: resuming{func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
		}}}, outgoing.Guard{}, "", run.JournalConfig{})
		if err != nil {
			t.Fatal(err)
		}
		s := server.New(server.Config{Store: l.runner.Store, Runner: l.runner, Retention: time.Hour, Card: demoagent.Card()})
		leave, err := l.places.enter()
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		task, err := s.SendMessage(t.Context(), server.Caller{}, &a2a.SendMessageRequest{
			Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("hello")),
			Config:  &a2a.SendMessageConfig{ReturnImmediately: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		got, err := s.GetTask(t.Context(), server.Caller{}, &a2a.GetTaskRequest{ID: task.ID})
		if err != nil || got.Status.State != a2a.TaskStateCompleted {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// TestLine has tasks in the background wait for a place: as many as there are places. At the end of
// the process, none waits any more.
func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(2)
		ctx, cancel := context.WithCancel(t.Context())
		var begun, returned atomic.Int64
		end := make(chan struct{})
		add := func() bool {
			job := p.line(ctx, func() { begun.Add(1); <-end })
			if job == nil {
				return false
			}
			go func() { job(); returned.Add(1) }()
			synctest.Wait()
			return true
		}
		for i := range 4 {
			if !add() || p.full() != (i > 0) {
				t.Fatalf("the task %d: %t", i, p.full())
			}
		}
		if add() || begun.Load() != 2 {
			t.Errorf("a fifth one may wait, or %d have begun, in two places", begun.Load())
		}
		end <- struct{}{}
		synctest.Wait()
		if begun.Load() != 3 || !add() {
			t.Errorf("%d have begun after the end of one", begun.Load())
		}
		cancel()
		synctest.Wait()
		if begun.Load() != 3 || returned.Load() != 3 || len(p.waiting) > 0 {
			t.Errorf("at the end %d have begun, %d have returned and %d wait", begun.Load(), returned.Load(), len(p.waiting))
		}
		close(end)
		synctest.Wait()
		if returned.Load() != 5 || len(p.working) > 0 {
			t.Errorf("%d have returned, and %d places are taken", returned.Load(), len(p.working))
		}
	})
}
