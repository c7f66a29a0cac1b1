package main

import (
	"bufio"
	"context"
	"io"
	"iter"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/hosted"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
)

// resuming is an executor that can resume, and never has to.
type resuming struct{ hosttest.Executor }

func (x resuming) Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return x.Execute(ctx, ec)
}

func TestShutdownGrace(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 25 * time.Second, "2m": 2 * time.Minute, "0": 0, "-1s": 0, "30": 0} {
		if got, err := shutdownGrace(text); got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// TestEnd ends a server whose task nobody else could go on with: the task goes on to its end, and
// its stream with it. Meanwhile the server refuses new requests, and says so to load balancers.
func TestEnd(t *testing.T) {
	goOn := make(chan struct{})
	agent := &hosted.Agent{Executor: resuming{func(ctx context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil)
		select {
		case <-goOn:
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
		case <-ctx.Done():
			yield(nil, context.Cause(ctx))
		}
	}}}
	l, err := openLocal(t.Context(), agent, outgoing.Guard{}, "", run.JournalConfig{})
	if err != nil {
		t.Fatal(err)
	}
	l.grace = time.Hour
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	s := &http.Server{Handler: withHealth(l.runner.Ending, a2ahttp.New(a2ahttp.Config{
		Server:  server.New(server.Config{Store: l.runner.Store, Runner: l.runner, Retention: time.Hour, Card: demoagent.Card()}),
		BaseURL: functionurl.BaseURL, Auth: auth.None(), Logger: l.runner.Logger,
	}))}
	go s.Serve(listener)
	defer s.Close()

	post := func(method string) *http.Response {
		t.Helper()
		body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{"message":{"kind":"message","role":"user","messageId":"m","parts":[{"kind":"text","text":"hello"}]}}}`
		resp, err := http.Post(url, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	stream := bufio.NewScanner(post("message/stream").Body)
	for stream.Scan() && !strings.Contains(stream.Text(), "working") {
	}
	ended := make(chan error, 1)
	go func() { ended <- l.end(s, func() int64 { return 1 }) }()
	for l.runner.Ending() == nil {
		time.Sleep(time.Millisecond)
	}
	if resp := post("message/send"); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" || !resp.Close {
		body, _ := io.ReadAll(resp.Body)
		t.Errorf("a message gets %d, %v\n%s", resp.StatusCode, resp.Header, body)
	}
	health, err := http.Get(url + healthPath)
	if err != nil || health.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%s: %v, %v", healthPath, health, err)
	}
	health.Body.Close()
	close(goOn)
	rest := ""
	for stream.Scan() {
		rest += stream.Text()
	}
	if err := stream.Err(); err != nil || !strings.Contains(rest, "completed") {
		t.Errorf("the stream ended with %v, and\n%s", err, rest)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

// TestEndCuts ends a server on which something goes on for longer than its grace.
func TestEndCuts(t *testing.T) {
	l, err := openLocal(t.Context(), &hosted.Agent{Executor: resuming{}}, outgoing.Guard{}, "", run.JournalConfig{})
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	l.begin(func() { <-over })
	l.grace = 10 * time.Millisecond
	if err := l.end(new(http.Server), func() int64 { return 0 }); err == nil || !strings.Contains(err.Error(), "SHUTDOWN_GRACE") {
		t.Errorf("it ended with %v", err)
	}
	close(over)
	l.jobs.Wait()
}
