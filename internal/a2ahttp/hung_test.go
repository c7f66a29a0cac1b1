package a2ahttp_test

import (
	"bytes"
	"context"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/memlog"
	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

// TestHungStore has a store that does not answer, from the beginning or while a task runs. By the
// deadline of its invocation, each request is answered: with status 503 and the time after which to
// come again, in each version and binding, or with the end of a stream that says that the task goes
// on. Nothing of it is left: synctest would find it.
func TestHungStore(t *testing.T) {
	const (
		message   = `{"message":{"messageId":"n","role":"ROLE_USER","parts":[{"text":"x"}]}}`
		message03 = `{"message":{"kind":"message","messageId":"n","role":"user","parts":[{"kind":"text","text":"x"}]}}`
		rest03    = `{"message":{"messageId":"n","role":"ROLE_USER","content":[{"text":"x"}]}}`
		within    = 20 * time.Second
	)
	for _, call := range []string{
		"1.0 SendMessage " + message,
		"1.0 SendStreamingMessage " + message,
		`1.0 GetTask {"id":"ID"}`,
		"1.0 ListTasks {}",
		`1.0 CancelTask {"id":"ID"}`,
		`1.0 SubscribeToTask {"id":"ID"}`,
		`1.0 ListTaskPushNotificationConfigs {"taskId":"ID"}`,
		"0.3 message/send " + message03,
		"0.3 message/stream " + message03,
		`0.3 tasks/get {"id":"ID"}`,
		`0.3 tasks/resubscribe {"id":"ID"}`,
		"POST /message:send " + message,
		"POST /message:stream " + message,
		"GET /tasks/ID",
		"GET /tasks/ID:subscribe",
		"POST /v1/message:send " + rest03,
		"POST /v1/message:stream " + rest03,
		"GET /v1/tasks/ID",
	} {
		for _, after := range []time.Duration{0, 1500 * time.Millisecond} {
			verb, rest, _ := strings.Cut(call, " ")
			name, body, _ := strings.Cut(rest, " ")
			lasts := strings.Contains(strings.ToLower(name), "message") || strings.Contains(strings.ToLower(name), "subscribe")
			if after > 0 && !lasts {
				continue // it is answered before
			}
			t.Run(name+" after "+after.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var hung atomic.Bool
					mended := make(chan struct{})
					hooks := tasklog.Hooks{Before: func(ctx context.Context, _ tasklog.Op) error {
						if hung.Load() {
							select {
							case <-ctx.Done():
							case <-mended: // for workers, which have another invocation
							}
						}
						return ctx.Err()
					}}
					l := new(memlog.Log)
					var logs bytes.Buffer
					c := configOf(tasklog.Hooked(l, hooks), &logs, slow(time.Second))
					c.Server.Push = pushOf(l)
					c.Server.Push.Store = push.Hooked(l.Pushes(), hooks)
					h := a2ahttp.New(c)
					id := ""
					if strings.Contains(call, "ID") {
						w := newTimeline()
						other := strings.Replace(streamCall, "SendStreamingMessage", "SendMessage", 1)
						other = strings.Replace(other, `"params":{`, `"params":{"configuration":{"returnImmediately":true},`, 1)
						h.ServeHTTP(w, post(t.Context(), other))
						all, err := l.List(t.Context(), tasklog.Filter{}, tasklog.Position{}, 10)
						if err != nil || len(all.Found) != 1 {
							t.Fatalf("%v, %v", all, err)
						}
						id = string(all.Found[0].ID)
					}
					path, version := strings.ReplaceAll(name, "ID", id), "1.0"
					if strings.HasPrefix(name, "/v1") {
						version = "0.3"
					}
					body := strings.ReplaceAll(body, "ID", id)
					verb := verb
					if !strings.HasPrefix(name, "/") {
						path, version, verb = "/", verb, "POST"
						body = `{"jsonrpc":"2.0","id":"my id","method":"` + name + `","params":` + body + `}`
					}
					ctx, cancel := context.WithTimeout(t.Context(), within)
					defer cancel()
					r := httptest.NewRequestWithContext(ctx, verb, path, strings.NewReader(body))
					r.Header.Set("A2A-Version", version)
					begun := time.Now()
					hang := time.AfterFunc(after, func() { hung.Store(true) })
					defer hang.Stop()
					if after == 0 {
						hung.Store(true)
					}
					w := serve(h, r)
					hang.Stop()
					hung.Store(false)
					close(mended)
					took, got := time.Since(begun), w.Body.String()
					time.Sleep(5 * time.Minute) // until workers have ended
					synctest.Wait()
					refused := w.Code == 503 && w.Header().Get("Retry-After") == "1" && strings.Contains(got, "could not be served in time")
					goesOn := w.Code == 200 && strings.HasSuffix(got, ": the task goes on\nretry: 1000\n")
					if took > within || !refused && !goesOn || after == 0 && goesOn {
						t.Errorf("after %v: %d %v %s\n%s", took, w.Code, w.Header(), got, &logs)
					}
				})
			})
		}
	}
}
