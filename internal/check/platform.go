package check

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// headers checks the headers for caches and browsers.
func (s *session) headers(ctx context.Context) result {
	resp, err := s.do(ctx, http.MethodPost, "", request("GetTask", map[string]any{"id": newID()}))
	if err != nil {
		return bad("%v", err)
	}
	_, _ = answer(resp)
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := resp.Header.Get(name); !strings.Contains(got, want) {
			return bad("%s is %q, not %s", name, got, want)
		}
	}
	return ok("answers are not to be cached, nor guessed at")
}

// preflight asks as a browser does for a page of another origin.
func (s *session) preflight(ctx context.Context) result {
	stranger := *s
	stranger.Authorize = nil
	const asked = "authorization,content-type,a2a-version,last-event-id"
	resp, err := stranger.do(ctx, http.MethodOptions, "", nil, "Origin", "https://page.example",
		"Access-Control-Request-Method", http.MethodPost, "Access-Control-Request-Headers", asked)
	if err != nil {
		return bad("%v", err)
	}
	_, _ = answer(resp)
	if resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized {
		return no("it refuses pages of other origins: %s", resp.Status)
	}
	allowed := strings.ToLower(resp.Header.Get("Access-Control-Allow-Headers"))
	for h := range strings.SplitSeq(asked, ",") {
		if !strings.Contains(allowed, h) && (allowed != "*" || h == "authorization") {
			return bad("it does not let pages of other origins send %s (%s, allowed: %q)", h, resp.Status, allowed)
		}
	}
	return ok("pages of other origins may call")
}

func (s *session) size(ctx context.Context) result {
	const tooMuch = 7 << 20
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	resp, err := s.do(ctx, http.MethodPost, "", request("GetTask", map[string]any{"id": strings.Repeat("x", tooMuch)}))
	if err != nil { // the answer may come too early, and get lost
		return no("a request of 7 MB breaks off: %v", err)
	}
	_, _ = answer(resp)
	if resp.StatusCode >= 500 { // the front door's: the agent says 413
		return no("a request of 7 MB is answered with %s", resp.Status)
	}
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		return bad("a request of 7 MB is answered with %s, not with 413", resp.Status)
	}
	return ok("a request of 7 MB is refused: %s", resp.Status)
}

// push sends a message with a webhook, and waits for what is posted there.
func (s *session) push(ctx context.Context) result {
	if s.Push == "" {
		return skip("no URL is given at which notifications can be received")
	}
	token := newID()
	came := make(chan string, 1)
	if s.Receiver != nil {
		server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
			if r.Header.Get("X-A2A-Notification-Token") != token {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			var e streamResponse
			if json.Unmarshal(body, &e) == nil && e.StatusUpdate != nil && over(e.StatusUpdate.Status.State) {
				select {
				case came <- e.StatusUpdate.Status.State:
				default:
				}
			}
		})}
		go server.Serve(s.Receiver)
		defer server.Close()
	}
	config := map[string]any{"taskPushNotificationConfig": map[string]any{"url": s.Push, "token": token}, "returnImmediately": true}
	if err := s.result(ctx, new(any), "SendMessage", send(newID(), s.Message, "configuration", config)); err != nil {
		return bad("%v", err)
	}
	if s.Receiver == nil {
		return ok("the configuration is taken: the receiver must see the events, with the token %s", token)
	}
	select {
	case state := <-came:
		return ok("%s was posted", state)
	case <-time.After(patience):
		return bad("nothing was posted in %v that says how the task ended", patience)
	case <-ctx.Done():
		return bad("%v", ctx.Err())
	}
}

// long follows a task that waits for its client, for longer than API Gateway allows.
func (s *session) long(ctx context.Context) result {
	switch {
	case s.Long == 0:
		return skip("left out")
	case s.buffered:
		return no("it takes a stream that comes as it is made")
	}
	var got streamResponse
	if err := s.result(ctx, &got, "SendMessage", send(newID(), " ")); err != nil {
		return bad("%v", err)
	}
	if got.Task == nil || got.Task.Status.State != "TASK_STATE_INPUT_REQUIRED" {
		return skip("the agent does not ask for input when it is told nothing")
	}
	defer s.call(context.WithoutCancel(ctx), "CancelTask", map[string]any{"id": got.Task.ID})
	limited, cancel := context.WithTimeout(ctx, s.Long)
	defer cancel()
	begin := time.Now()
	comments, err := s.open(limited, "SubscribeToTask", map[string]any{"id": got.Task.ID}, func(event) bool { return true })
	switch held := time.Since(begin).Round(time.Second); {
	case limited.Err() == nil:
		return no("the stream ended after %v (%v)", held, err)
	case comments == 0:
		return bad("in %v of silence no comment came: clients take the connection for dead", held)
	default:
		return ok("a silent stream stood for %v, with %d comments", held, comments)
	}
}
