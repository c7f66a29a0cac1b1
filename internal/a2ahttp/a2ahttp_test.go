package a2ahttp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/demoagent"
	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

const (
	streamCall = `{"jsonrpc":"2.0","id":1,"method":"SendStreamingMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"hello"}]}}}`
	sendCall   = `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"hello"}]}}}`
)

// timeline is a response writer that notes when each line was flushed, without the JSON.
type timeline struct {
	*httptest.ResponseRecorder
	start time.Time
	lines []string
	first string // the first frame's data
}

func newTimeline() *timeline {
	return &timeline{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
}

var state = regexp.MustCompile(`TASK_STATE_(\w+)`)

func (w *timeline) FlushError() error {
	body, _ := io.ReadAll(w.Body)
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			if w.first == "" {
				w.first = data
			}
			line = "data"
			if s := state.FindStringSubmatch(data); s != nil {
				line += " " + s[1]
			} else if strings.Contains(data, `"error"`) {
				line = data
			}
		}
		w.lines = append(w.lines, fmt.Sprint(time.Since(w.start), " ", line))
	}
	return nil
}

func (w *timeline) check(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(w.lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(w.lines, "\n"), strings.Join(want, "\n"))
	}
}

func post(ctx context.Context, body string) *http.Request {
	return httptest.NewRequestWithContext(ctx, "POST", "/", strings.NewReader(body))
}

func slow(delay time.Duration) *demoagent.Executor {
	demo := demoagent.New()
	demo.Delay = delay
	return &demoagent.Executor{Stream: demo.Stream}
}

func TestStreamIsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTimeline()
		handlerOf(new(memlog.Log), t.Output(), slow(time.Second)).ServeHTTP(w, post(t.Context(), streamCall))
		w.check(t,
			"0s id: 1", "0s data SUBMITTED", "0s id: 2", "0s data WORKING",
			"1s id: 3", "1s data WORKING", "2s id: 4", "2s data WORKING",
			"3s id: 5", "3s data", "3s id: 6", "3s data COMPLETED")
	})
}

func TestStreamIsKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTimeline()
		handlerOf(new(memlog.Log), t.Output(), slow(10*time.Second)).ServeHTTP(w, post(t.Context(), streamCall))
		w.check(t,
			"0s id: 1", "0s data SUBMITTED", "0s id: 2", "0s data WORKING",
			"4s : ping", "8s : ping", "10s id: 3", "10s data WORKING",
			"14s : ping", "18s : ping", "20s id: 4", "20s data WORKING",
			"24s : ping", "28s : ping", "30s id: 5", "30s data", "30s id: 6", "30s data COMPLETED")
	})
}

// TestClientGone checks that a run outlives its client but not its request: when the handler
// returns, the task is complete, and no goroutine is left (synctest checks that).
func TestClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(1500*time.Millisecond, cancel)
		w := newTimeline()
		handlerOf(l, t.Output(), slow(time.Second)).ServeHTTP(w, post(ctx, streamCall))
		if d := time.Since(w.start); d != 3*time.Second {
			t.Errorf("the handler returned after %v", d)
		}
		w.check(t,
			"0s id: 1", "0s data SUBMITTED", "0s id: 2", "0s data WORKING",
			"1s id: 3", "1s data WORKING")
		task := regexp.MustCompile(`"id":"([-0-9a-f]{36})"`).FindStringSubmatch(w.first)
		s, err := l.Load(t.Context(), a2a.TaskID(task[1]))
		if err != nil || s.Task.Status.State != a2a.TaskStateCompleted {
			t.Errorf("loaded %+v, %v", s, err)
		}
	})
}

const internalError = `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error",` +
	`"data":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"a2a-protocol.org","reason":"INTERNAL_ERROR"}]}}`

func TestStoreUnreachable(t *testing.T) {
	down := errors.New("table secrets-of-the-house is down")
	const internal = internalError
	id := idIn(answer(t, handlerOf(known{new(memlog.Log)}, t.Output(), slow(0)), sendCall))
	for _, test := range []struct {
		name  string
		op    string // that fails
		call  string
		plain bool // there is nothing but the error; else it is the last event of a stream
	}{
		{"creating, stream", "Create", streamCall, true},
		{"creating, send", "Create", sendCall, true},
		{"appending, stream", "Lease.Append", streamCall, false},
		{"appending, send", "Lease.Append", sendCall, true},
		{"loading", "Load", rpc("GetTask", `{"id":%q}`, id), true},
		{"reading the secret, send", "Secret", sendCall, true},
		{"reading the secret, stream", "Secret", streamCall, true},
		{"reading the secret, get", "Secret", rpc("GetTask", `{"id":%q}`, id), true},
		{"reading the secret, list", "Secret", rpc("ListTasks", `{}`), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logs bytes.Buffer
				w := httptest.NewRecorder()
				failing := tasklogtest.Faulty(known{new(memlog.Log)}, tasklogtest.Fault{Op: test.op, Do: tasklogtest.Fails(down)})
				handlerOf(failing, &logs, slow(0)).ServeHTTP(w, post(t.Context(), test.call))
				body := w.Body.String()
				if strings.Contains(body, "secrets") {
					t.Errorf("the client is told of internals: %s", body)
				}
				if !strings.Contains(logs.String(), "secrets-of-the-house is down") {
					t.Errorf("the log does not tell why: %s", &logs)
				}
				if want := internal + "\n"; test.plain && body != want && body != "data: "+want+"\n" {
					t.Errorf("got %s", body)
				}
				if !test.plain {
					body = strings.ReplaceAll(body, ": ping\n", "") // it retries for that long
					frames := strings.Split(strings.TrimSpace(body), "\n\n")
					if len(frames) != 2 || !strings.Contains(frames[0], "SUBMITTED") || frames[1] != "data: "+internal {
						t.Errorf("got %q, want the task and the error, and nothing that is not in the log", frames)
					}
				}
			})
		})
	}
}

func TestBodyTooLong(t *testing.T) {
	h := handlerOf(new(memlog.Log), t.Output(), slow(0))
	for size, status := range map[int]int{6<<20 + 1: http.StatusRequestEntityTooLarge, 6 << 20: http.StatusOK} {
		head, tail := `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"`, `"}]}}}`
		w := serve(h, post(t.Context(), head+strings.Repeat("x", size-len(head)-len(tail))+tail))
		if w.Code != status {
			t.Errorf("%d bytes: status %d, want %d", size, w.Code, status)
		}
		const want = `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the body is longer than 6 MB",` +
			`"data":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"a2a-protocol.org","reason":"INVALID_REQUEST"}]}}` + "\n"
		if status != http.StatusOK && w.Body.String() != want {
			t.Errorf("got %s", w.Body)
		}
	}
}

// TestPanic checks that a panic below becomes an internal error.
func TestPanic(t *testing.T) {
	var logs bytes.Buffer
	w := serve(handlerOf(panicking(), &logs, slow(0)), post(t.Context(), sendCall))
	if w.Body.String() != internalError+"\n" || !strings.Contains(logs.String(), "no such thing") {
		t.Errorf("got %s, logged %s", w.Body, &logs)
	}
}

func panicking() tasklog.Store {
	return tasklogtest.Faulty(new(memlog.Log), tasklogtest.Fault{Op: "Create", Do: func(context.Context, tasklog.Op) error { panic("no such thing") }})
}

// TestAgentPanic checks that an agent's panic fails its task.
func TestAgentPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		w := newTimeline()
		x := &demoagent.Executor{Stream: func(context.Context, string, int, time.Duration) iter.Seq2[demoagent.Step, error] {
			panic("no such thing")
		}}
		handlerOf(new(memlog.Log), &logs, x).ServeHTTP(w, post(t.Context(), streamCall))
		w.check(t, "0s id: 1", "0s data SUBMITTED", "0s id: 2", "0s data FAILED")
		if !strings.Contains(logs.String(), "no such thing") {
			t.Errorf("logged %s", &logs)
		}
	})
}

// TestSameErrorAtOnce has many requests fail with one error at the same time: under the race
// detector it shows that explaining it to one client does not change it for another.
func TestSameErrorAtOnce(t *testing.T) {
	h := handlerOf(new(memlog.Log), t.Output(), slow(0))
	id := idIn(answer(t, h, sendCall))
	late := rpc("SendMessage", `{"message":{"messageId":"late","taskId":%q,"role":"ROLE_USER","parts":[{"text":"x"}]}}`, id)
	const want = `{"jsonrpc":"2.0","id":1,"error":{"code":-32004,"message":"the task has ended and takes no more messages",` +
		`"data":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"a2a-protocol.org","reason":"UNSUPPORTED_OPERATION"}]}}` + "\n"
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if got := answer(t, h, late); got != want {
				t.Errorf("got %s", got)
			}
		})
	}
	wg.Wait()
}
