package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"testing"
	"time"

	"a2alambda/localtest"
)

// Patience is how long a test waits for what must come.
const Patience = 3 * time.Minute

// Receiver serves webhooks at 127.0.0.2: a network that functions may be allowed to send to, while
// the machine's other addresses are not.
func Receiver(tb testing.TB, handler http.HandlerFunc) (url string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	localtest.Must(tb, err)
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}
	s.Start()
	tb.Cleanup(s.Close)
	return s.URL
}

// Await calls missing at this interval until it returns "". After Patience the test fails.
func Await(tb testing.TB, every time.Duration, missing func() string) {
	tb.Helper()
	for end := time.Now().Add(Patience); ; time.Sleep(every) {
		what := missing()
		if what == "" {
			return
		}
		if time.Now().After(end) {
			tb.Fatalf("after %v: %s", Patience, what)
		}
	}
}

// The Content-Types of answers.
const (
	JSON        = "application/json"
	EventStream = "text/event-stream; charset=utf-8"
)

// Body returns the body of an answer, which must have status 200 and the Content-Type.
func Body(tb testing.TB, wantType string, a Answer, err error) string {
	tb.Helper()
	localtest.Must(tb, err)
	if got := a.Header.Get("Content-Type"); a.Status != 200 || got != wantType {
		tb.Fatalf("got %d, %s, want 200 and %s:\n%s", a.Status, got, wantType, a.Body)
	}
	return a.Body
}

// Result is [Call] for a test. The body that it returns may be an error.
func Result(tb testing.TB, url, method, params string) string {
	tb.Helper()
	a, err := Call(tb.Context(), url, method, params)
	return Body(tb, JSON, a, err)
}

// Follow is [Open] for a test. The stream ends with the test, or after Patience.
func Follow(tb testing.TB, url, method, params string, headers ...string) *Stream {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), Patience)
	tb.Cleanup(cancel)
	s, err := Open(ctx, url, method, params, headers...)
	localtest.Must(tb, err)
	tb.Cleanup(func() { s.Close() })
	return s
}

// Message returns the params of 0.3 that send a text.
func Message(text string) string {
	return fmt.Sprintf(`{"message":{"role":"user","messageId":%q,"parts":[{"kind":"text","text":%q}]}}`, rand.Text(), text)
}

// ByID returns the params that name a task.
func ByID(task string) string { return fmt.Sprintf(`{"id":%q}`, task) }

// TaskIn is [TaskID] for a test, which fails if there is none.
func TaskIn(tb testing.TB, answer string) (id string) {
	tb.Helper()
	if id = TaskID(answer); id == "" {
		tb.Fatalf("no task in %s", answer)
	}
	return id
}

// Task gets the task in an answer, or in the beginning of a stream, from the agent at a URL.
func Task(tb testing.TB, url, answer string) string {
	tb.Helper()
	return Result(tb, url, "tasks/get", ByID(TaskIn(tb, answer)))
}

// changing matches what differs from run to run.
var changing = regexp.MustCompile(`"(id|taskId|contextId|messageId|artifactId|timestamp)":"[^"]+"`)

// Same compares a body with a file. The file has "…" where runs differ.
func Same(tb testing.TB, body, file string) {
	tb.Helper()
	want, err := os.ReadFile(file)
	localtest.Must(tb, err)
	if got := changing.ReplaceAllString(body, `"$1":"…"`); got != string(want) {
		tb.Fatalf("got\n%swant, as in %s,\n%s", got, file, want)
	}
}
