package lambdaenv_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"a2alambda/internal/lambdaenv"
)

func TestMain(m *testing.M) {
	if os.Getenv("BE_A_FUNCTION") != "" {
		function()
	}
	os.Exit(m.Run())
}

// function is a Lambda function. "slow" is answered once "go" has come, and "panic" never.
func function() {
	come := make(chan struct{})
	lambdaenv.Start(func(_ context.Context, event json.RawMessage) (any, error) {
		switch string(event) {
		case `"panic"`:
			panic("secret")
		case `"slow"`:
			<-come
		case `"go"`:
			close(come)
		}
		return "done", nil
	}, func(time.Duration) {})
}

// TestPanicAmongOthers has one of several invocations of a process panic. The others go on: the
// process serves them, and new ones.
func TestPanicAmongOthers(t *testing.T) {
	t.Parallel()
	events, answers := make(chan string, 3), make(chan string, 3)
	events <- "slow"
	events <- "panic"
	api := http.NewServeMux()
	api.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case name := <-events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", name)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Hour).UnixMilli()))
			_, _ = fmt.Fprintf(w, "%q", name)
		case <-r.Context().Done():
		}
	})
	api.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{outcome}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		answers <- r.PathValue("id") + " " + r.PathValue("outcome") + " " + string(body)
	})
	s := httptest.NewServer(api)
	defer s.Close()

	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{"BE_A_FUNCTION=yes", "AWS_LAMBDA_RUNTIME_API=" + s.Listener.Addr().String(), "AWS_LAMBDA_MAX_CONCURRENCY=3", "AWS_LAMBDA_LOG_FORMAT=JSON"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	answer := func() string {
		t.Helper()
		select {
		case a := <-answers:
			return a
		case err := <-ended:
			t.Fatalf("the process has ended: %v\n%s", err, &out)
		case <-time.After(time.Minute):
			t.Error("there is no answer")
		}
		return ""
	}
	if a := answer(); !strings.HasPrefix(a, "panic error ") || strings.Contains(a, "secret") {
		t.Errorf("the panic is answered by %s", a)
	}
	events <- "go"
	got := map[string]bool{answer(): true, answer(): true}
	if !got[`go response "done"`] || !got[`slow response "done"`] {
		t.Errorf("the other invocations are answered by %v", got)
	}
	events <- "again"
	if a := answer(); a != `again response "done"` {
		t.Errorf("a later invocation is answered by %s", a)
	}
	_ = cmd.Process.Kill()
	<-ended
	if log := out.String(); !strings.Contains(log, `"panic":"secret"`) || !strings.Contains(log, `"requestId":"panic"`) {
		t.Errorf("the log has\n%s", log)
	}
}
