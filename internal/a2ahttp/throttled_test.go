package a2ahttp_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/memlog"
	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

const busy = "the store of tasks is busy: try again in some seconds"

// TestThrottled has a busy store refuse all requests of an operation. In each version and binding,
// the client gets status 503, the time after which to try again, and the protocol's error, also in
// place of a stream. The log does not count this as an internal error.
func TestThrottled(t *testing.T) {
	full := false
	hooks := tasklog.Hooks{Before: func(context.Context, tasklog.Op) error {
		if full {
			return tasklogtest.ErrThrottled
		}
		return nil
	}}
	l := new(memlog.Log)
	var logs bytes.Buffer
	c := configOf(tasklog.Hooked(l, hooks), &logs, slow(0))
	c.Server.Push = pushOf(l)
	c.Server.Push.Store = push.Hooked(l.Pushes(), hooks)
	h := a2ahttp.New(c)
	id := idIn(answer(t, h, sendCall))
	full = true
	const (
		message   = `{"message":{"messageId":"n","role":"ROLE_USER","parts":[{"text":"x"}]}}`
		message03 = `{"message":{"kind":"message","messageId":"n","role":"user","parts":[{"kind":"text","text":"x"}]}}`
		rest03    = `{"message":{"messageId":"n","role":"ROLE_USER","content":[{"text":"x"}]}}`
	)
	named, config := `{"id":"`+id+`"}`, `{"taskId":"`+id+`","id":"c"}`
	config03 := `{"id":"` + id + `","pushNotificationConfigId":"c"}`
	for _, call := range []string{
		"1.0 SendMessage " + message,
		"1.0 SendStreamingMessage " + message,
		"1.0 GetTask " + named,
		"1.0 ListTasks {}",
		"1.0 CancelTask " + named,
		"1.0 SubscribeToTask " + named,
		"1.0 CreateTaskPushNotificationConfig " + `{"taskId":"` + id + `","url":"https://example.com/"}`,
		"1.0 GetTaskPushNotificationConfig " + config,
		"1.0 ListTaskPushNotificationConfigs " + `{"taskId":"` + id + `"}`,
		"1.0 DeleteTaskPushNotificationConfig " + config,
		"0.3 message/send " + message03,
		"0.3 message/stream " + message03,
		"0.3 tasks/get " + named,
		"0.3 tasks/cancel " + named,
		"0.3 tasks/resubscribe " + named,
		"0.3 tasks/pushNotificationConfig/set " + `{"taskId":"` + id + `","pushNotificationConfig":{"url":"https://example.com/"}}`,
		"0.3 tasks/pushNotificationConfig/get " + named,
		"0.3 tasks/pushNotificationConfig/list " + named,
		"0.3 tasks/pushNotificationConfig/delete " + config03,
		"POST /message:send " + message,
		"POST /message:stream " + message,
		"GET /tasks",
		"GET /tasks/" + id,
		"POST /tasks/" + id + ":cancel",
		"GET /tasks/" + id + ":subscribe",
		"GET /tasks/" + id + "/pushNotificationConfigs",
		"DELETE /tasks/" + id + "/pushNotificationConfigs/c",
		"POST /v1/message:send " + rest03,
		"POST /v1/message:stream " + rest03,
		"GET /v1/tasks/" + id,
		"GET /v1/tasks/" + id + ":subscribe",
	} {
		verb, rest, _ := strings.Cut(call, " ")
		name, body, _ := strings.Cut(rest, " ")
		path, version := name, "1.0"
		if strings.HasPrefix(name, "/v1") {
			version = "0.3"
		}
		if !strings.HasPrefix(name, "/") {
			path, version, verb = "/", verb, "POST"
			body = `{"jsonrpc":"2.0","id":"my id","method":"` + name + `","params":` + body + `}`
		}
		r := httptest.NewRequestWithContext(t.Context(), verb, path, strings.NewReader(body))
		r.Header.Set("A2A-Version", version)
		logs.Reset()
		w := serve(h, r)
		got := w.Body.String()
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Header().Get("Content-Type"), "json") ||
			!strings.Contains(got, busy) || path == "/" && (!strings.Contains(got, `"my id"`) || !strings.Contains(got, "-32000")) {
			t.Errorf("%s: %d %v %s", call, w.Code, w.Header(), got)
		}
		line := logs.String()
		if !strings.Contains(line, "error=UnavailableError") || !strings.Contains(line, "throttled=1") || strings.Contains(line+got, "Internal") {
			t.Errorf("%s: logged %s, answered %s", call, line, got)
		}
	}
}

// TestStoreSilent has a store that does not answer. The client learns that it can try again, also in
// place of a stream, and the log has the cause as an error, which counts as an internal one.
func TestStoreSilent(t *testing.T) {
	silent := &url.Error{Op: "Post", URL: "http://127.0.0.1:1/", Err: os.ErrDeadlineExceeded}
	hooks := tasklog.Hooks{Before: func(context.Context, tasklog.Op) error { return fmt.Errorf("creating task: %w", silent) }}
	var logs bytes.Buffer
	h := handlerOf(tasklog.Hooked(new(memlog.Log), hooks), &logs, slow(0))
	for _, call := range []string{sendCall, streamCall} {
		logs.Reset()
		w := serve(h, httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(call)))
		got, line := w.Body.String(), logs.String()
		if w.Code != 503 || w.Header().Get("Retry-After") != "1" || !strings.Contains(got, "could not be served in time") || strings.Contains(got, "creating") {
			t.Errorf("%d %v %s", w.Code, w.Header(), got)
		}
		if !strings.Contains(line, "level=ERROR") || !strings.Contains(line, "creating task") || !strings.Contains(line, "error=InternalError") {
			t.Errorf("logged %s", line)
		}
	}
}

// TestStoreSilentStream has a store that does not answer during a stream of somebody who follows the
// task. The stream ends early, without an error, and says to connect again. Who does gets the rest.
func TestStoreSilentStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		l := tasklog.Hooked(new(memlog.Log), tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			if at := time.Since(start); op.Name == "Poll" && at > 1500*time.Millisecond && at < 2*time.Minute {
				return &url.Error{Op: "Post", URL: "http://127.0.0.1:1/", Err: os.ErrDeadlineExceeded}
			}
			return nil
		}})
		go do(t.Context(), handlerOf(l, new(bytes.Buffer), slow(50*time.Second)), streamCall, 0)
		synctest.Wait()
		var logs bytes.Buffer
		h := handlerOf(l, &logs, slow(time.Second))
		w := do(t.Context(), h, streamCall, 0)
		lines := slices.DeleteFunc(w.frames(), func(s string) bool { return s == ": ping" })
		if n := len(lines); n < 4 || !strings.Contains(lines[n-2], "did not answer in time") || lines[n-1] != "retry: 1000" || strings.Contains(strings.Join(lines, ""), "error") {
			t.Errorf("got %q", lines)
		}
		if got := logs.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "error=InternalError") {
			t.Errorf("logged %s", got)
		}
		time.Sleep(4 * time.Minute)
		if rest := do(t.Context(), h, streamCall, 2).frames(); !slices.Contains(rest, "data COMPLETED") {
			t.Errorf("then %q", rest)
		}
	})
}

// TestThrottledStream has a store that is busy for two minutes during a stream. The stream ends
// early, without an error, and its comments say to connect again. The client that does gets the
// rest.
func TestThrottledStream(t *testing.T) {
	for name, op := range map[string]string{"who runs it": "Lease.Append", "who follows it": "Poll"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				full := func() bool { at := time.Since(start); return at > 1500*time.Millisecond && at < 2*time.Minute }
				l := tasklogtest.Faulty(new(memlog.Log), tasklogtest.Fault{Op: op, Do: func(context.Context, tasklog.Op) error {
					if full() {
						return tasklogtest.ErrThrottled
					}
					return nil
				}})
				var logs bytes.Buffer
				h := handlerOf(l, &logs, slow(time.Second))
				call := streamCall
				if op == "Poll" { // another process runs the task, for a long time
					go do(t.Context(), handlerOf(l, new(bytes.Buffer), slow(50*time.Second)), streamCall, 0)
					synctest.Wait()
				}
				w := do(t.Context(), h, call, 0)
				lines := slices.DeleteFunc(w.frames(), func(s string) bool { return s == ": ping" })
				if n := len(lines); n < 4 || lines[n-2] != ": "+busy || lines[n-1] != "retry: 5000" || strings.Contains(strings.Join(lines, ""), "error") {
					t.Errorf("got %q", lines)
				}
				time.Sleep(4 * time.Minute)
				synctest.Wait()
				if got := logs.String(); !strings.Contains(got, "throttled=1") || strings.Contains(got, "error=InternalError") {
					t.Errorf("logged %s", got)
				}
				last := 0
				for _, line := range lines {
					if strings.HasPrefix(line, "id: ") {
						last++
					}
				}
				rest := do(t.Context(), h, call, last).frames()
				if !slices.Contains(rest, "data COMPLETED") {
					t.Errorf("then %q", rest)
				}
			})
		})
	}
}
