package wire_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/agent"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/memlog"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/wire"
)

var update = flag.Bool("update", false, "write the responses into the transcripts")

// handlerOf returns a handler of the executor over the log.
func handlerOf(l tasklog.Log, logs io.Writer, x a2asrv.AgentExecutor) http.Handler {
	h, _ := handlerAndRunner(l, logs, x)
	return h
}

// handlerAndRunner returns the handler of an executor, whose worker runs in the background, and its runner.
func handlerAndRunner(l tasklog.Log, logs io.Writer, x a2asrv.AgentExecutor) (http.Handler, *run.Runner) {
	logger := slog.New(slog.NewTextHandler(logs, nil))
	runner := &run.Runner{Log: l, Executor: x, Logger: logger}
	runner.Invoke = func(_ context.Context, id a2a.TaskID) error {
		go func() { _ = runner.Work(context.Background(), id) }()
		return nil
	}
	return wire.New(wire.Config{
		Server:  &server.Server{Log: l, Runner: runner, Retention: 24 * time.Hour},
		Card:    agent.Card(),
		BaseURL: functionurl.BaseURL,
		Logger:  logger,
	}), runner
}

// TestTranscripts sends the requests in testdata/*.txtar and compares the responses, byte for byte but for ids and times that
// are made up anew in each run: those read <id 1>, <id 2>, … and <time>. A request may use an id that was seen before.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			h := handlerOf(new(memlog.Log), t.Output(), slow(0))
			var names ids
			for i := 0; i+1 < len(archive.Files); i += 2 {
				request, response := archive.Files[i], &archive.Files[i+1]
				w := httptest.NewRecorder()
				h.ServeHTTP(w, parseRequest(t, names.actual(string(request.Data))))
				got := names.stable(describe(w.Result(), w.Body.String()))
				if *update {
					response.Data = []byte(got)
				} else if got != string(response.Data) {
					t.Errorf("%s\n%s\ngot\n%s\nwant\n%s", request.Name, request.Data, got, response.Data)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// parseRequest makes a request of its method and path, headers, an empty line, and the body.
func parseRequest(t *testing.T, text string) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	method, path, ok := strings.Cut(lines[0], " ")
	if !ok {
		t.Fatalf("%q is not a method and a path", lines[0])
	}
	r := httptest.NewRequest(method, path, strings.NewReader(strings.TrimSuffix(body, "\n")))
	r.Host = "localhost:10000"
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("%q is not a header", line)
		}
		r.Header.Set(name, value)
	}
	return r
}

func describe(r *http.Response, body string) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.StatusCode)
	var headers bytes.Buffer
	_ = r.Header.Write(&headers)
	b.WriteString(strings.ReplaceAll(headers.String(), "\r", ""))
	b.WriteString("\n" + body)
	if body != "" && !strings.HasSuffix(body, "\n") {
		b.WriteString("\n")
	}
	return b.String()
}

// ids are the ids in a transcript, in the order in which they came.
type ids []string

var (
	uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	times = regexp.MustCompile(`"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z"`)
	named = regexp.MustCompile(`<id \d+>`)
)

func (n *ids) stable(text string) string {
	text = times.ReplaceAllString(text, `"<time>"`)
	return uuids.ReplaceAllStringFunc(text, func(id string) string {
		for i, known := range *n {
			if id == known {
				return fmt.Sprintf("<id %d>", i+1)
			}
		}
		*n = append(*n, id)
		return fmt.Sprintf("<id %d>", len(*n))
	})
}

func (n *ids) actual(text string) string {
	return named.ReplaceAllStringFunc(text, func(name string) string {
		var i int
		_, _ = fmt.Sscanf(name, "<id %d>", &i)
		return (*n)[i-1]
	})
}
