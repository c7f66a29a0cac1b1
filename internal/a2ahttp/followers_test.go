package a2ahttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

const (
	message10     = `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"hello"}]}}`
	message03     = `{"message":{"messageId":"m","role":"user","kind":"message","parts":[{"kind":"text","text":"hello"}]}}`
	message03http = `{"request":{"messageId":"m","role":"ROLE_USER","content":[{"text":"hello"}]}}`
	ofTask        = `{"id":"%s"}`
)

// wayToFollow is a request that holds an instance while others run the task that message10 has
// begun. In it, %s is the id of the task.
type wayToFollow struct {
	name, target, version, body string
	seen                        bool // with Last-Event-ID
	stream, joins               bool
}

var waysToFollow = []wayToFollow{
	{"subscribe 1.0", "POST /", "", rpc("SubscribeToTask", ofTask, "%s"), false, true, false},
	{"resubscribe 0.3", "POST /", "", rpc("tasks/resubscribe", ofTask, "%s"), false, true, false},
	{"subscribe again 1.0", "POST /", "", rpc("SubscribeToTask", ofTask, "%s"), true, true, false},
	{"subscribe HTTP 1.0", "POST /tasks/%s:subscribe", "1.0", "", false, true, false},
	{"subscribe HTTP 0.3", "POST /v1/tasks/%s:subscribe", "0.3", "", false, true, false},
	{"EventSource 1.0", "GET /tasks/%s:subscribe", "", "", true, true, false},
	{"EventSource 0.3", "GET /v1/tasks/%s:subscribe", "", "", true, true, false},
	{"stream 1.0", "POST /", "", rpc("SendStreamingMessage", message10), false, true, true},
	{"stream 0.3", "POST /", "", rpc("message/stream", message03), false, true, true},
	{"stream again 1.0", "POST /", "", rpc("SendStreamingMessage", message10), true, true, true},
	{"stream HTTP 1.0", "POST /message:stream", "1.0", message10, false, true, true},
	{"stream HTTP 0.3", "POST /v1/message:stream", "0.3", message03http, false, true, true},
	{"send 1.0", "POST /", "", rpc("SendMessage", message10), false, false, true},
	{"send 0.3", "POST /", "", rpc("message/send", message03), false, false, true},
	{"send HTTP 1.0", "POST /message:send", "1.0", message10, false, false, true},
	{"send HTTP 0.3", "POST /v1/message:send", "0.3", message03http, false, false, true},
}

func (f wayToFollow) do(t *testing.T, h http.Handler, id a2a.TaskID) *timeline {
	t.Helper()
	named := func(s string) string { return strings.ReplaceAll(s, "%s", string(id)) }
	method, target, _ := strings.Cut(named(f.target), " ")
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(named(f.body)))
	if f.version != "" {
		r.Header.Set("A2A-Version", f.version)
	}
	if f.seen {
		r.Header.Set("Last-Event-ID", "2")
	}
	w := newTimeline()
	h.ServeHTTP(w, r)
	return w
}

// early returns the last two lines of a stream, if they are not of an event.
func (w *timeline) early() string {
	lines := w.frames()
	return strings.Join(lines[max(0, len(lines)-2):], "\n")
}

// TestMakeRoom has more instances hold on to a running task than may, by each request that does. As
// many as are too many end early, the oldest first: a stream with a comment that says why, a message
// that waits for the end with the task as it is. The stream that runs the task goes on.
func TestMakeRoom(t *testing.T) {
	for _, test := range waysToFollow {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(memlog.Log)
				instance := func() http.Handler { return handlerOf(l, t.Output(), slow(20*time.Second)) }
				var wg sync.WaitGroup
				var runs *timeline
				wg.Go(func() { runs = do(t.Context(), instance(), streamCall, 0) })
				time.Sleep(time.Second)
				id := taskOf(t, l)
				const n = tasklog.MaxSeats + 2
				all := make([]*timeline, n)
				took := make([]time.Duration, n)
				for i := range n {
					wg.Go(func() {
						begun := time.Now()
						all[i] = test.do(t, instance(), id)
						took[i] = time.Since(begun)
					})
					time.Sleep(500 * time.Millisecond)
				}
				wg.Wait()
				if got := runs.frames(); got[len(got)-1] != "data COMPLETED" {
					t.Errorf("the stream that runs the task ended with %q", got)
				}
				for i, w := range all {
					early, body := i < 2, w.Body.String()
					if early != (took[i] < 20*time.Second) || w.Code != http.StatusOK {
						t.Errorf("request %d took %v, and ended with %d %q %s", i, took[i], w.Code, w.frames(), body)
					}
					switch end := w.early(); {
					case !test.stream:
						want := "COMPLETED"
						if early {
							want = "WORKING"
						}
						if strings.Contains(test.name, "0.3") && !strings.Contains(test.name, "HTTP") {
							want = strings.ToLower(want)
						}
						if !strings.Contains(body, want) || strings.Contains(body, "rror") || early && strings.Contains(strings.ToUpper(body), "COMPLETED") {
							t.Errorf("request %d, to be answered with a task that is %s: %s", i, want, body)
						}
					case early:
						if end != ": "+tasklog.ErrMadeRoom.Error()+"\nretry: 10000" || strings.Contains(strings.Join(w.lines, ""), "rror") {
							t.Errorf("stream %d ended with %q", i, w.frames())
						}
					case strings.Contains(end, "retry"):
						t.Errorf("stream %d ended with %q", i, w.frames())
					}
				}
			})
		})
	}
}

// TestMakeRoomForCancel has more wait for a cancellation than may, of a task whose holder does not
// answer. Those that are too many are answered with the task as it is.
func TestMakeRoomForCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		id, lease := heldTask(t, l)
		const n = tasklog.MaxSeats + 2
		var wg sync.WaitGroup
		took := make([]time.Duration, n)
		for i := range n {
			wg.Go(func() {
				begun := time.Now()
				got := answer(t, handlerOf(l, t.Output(), slow(0)), rpc("CancelTask", ofTask, id))
				took[i] = time.Since(begun)
				if !strings.Contains(got, `"result"`) || !strings.Contains(got, "SUBMITTED") {
					t.Errorf("answered with %s", got)
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		wg.Wait()
		for i, d := range took {
			if early := d < 10*time.Second; early != (i < 2) || d > 31*time.Second {
				t.Errorf("cancellation %d took %v", i, d)
			}
		}
		lease.Close(t.Context())
	})
}

// heldTask creates a task whose holder does nothing for an hour.
func heldTask(t *testing.T, l *memlog.Log) (a2a.TaskID, tasklog.Lease) {
	t.Helper()
	id := idIn(answer(t, handlerOf(l, t.Output(), slow(0)), rpc("SendMessage", `{"message":{"messageId":"held","role":"ROLE_USER","parts":[{"data":1}]}}`)))
	s, err := l.Load(t.Context(), a2a.TaskID(id))
	if err != nil {
		t.Fatal(err)
	}
	lease, err := l.Acquire(t.Context(), s, tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	event := a2a.NewStatusUpdateEvent(s.Task, a2a.TaskStateSubmitted, nil)
	data, err := tasklog.Encode(event)
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Append(t.Context(), s.Seq+1, []tasklog.Entry{tasklog.NewEntry(event, data)}); err != nil {
		t.Fatal(err)
	}
	return a2a.TaskID(id), lease
}

// TestFollowWaiting has followers come to a task that waits for its client, in all ways. None stays
// for much longer than a minute, and each says why it ends, and when to come again.
func TestFollowWaiting(t *testing.T) {
	for _, test := range waysToFollow {
		if test.joins {
			continue // its turn is over
		}
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(memlog.Log)
				instance := func() http.Handler { return handlerOf(l, t.Output(), slow(0)) }
				id := idIn(answer(t, instance(), rpc("SendMessage", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":1}]}}`)))
				w := test.do(t, instance(), a2a.TaskID(id))
				if d := w.lastAt(t); d < time.Minute || d > 65*time.Second {
					t.Errorf("it stayed for %v", d)
				}
				if got := w.early(); got != ": the task waits for a message\nretry: 10000" {
					t.Errorf("it ended with %q", w.frames())
				}
				if lines := w.frames(); slices.Contains(lines[len(lines)-3:], "data INPUT_REQUIRED") {
					t.Errorf("without a word it stayed for a minute: %q", lines)
				}
			})
		})
	}
}

// TestJoinWaiting has the message come again that began a turn which is over: nobody is held.
func TestJoinWaiting(t *testing.T) {
	for _, method := range []string{"SendMessage", "SendStreamingMessage", "message/send", "message/stream"} {
		synctest.Test(t, func(t *testing.T) {
			l := new(memlog.Log)
			body := rpc(method, `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":1}]}}`)
			if strings.Contains(method, "/") {
				body = rpc(method, `{"message":{"messageId":"m","kind":"message","role":"user","parts":[{"kind":"data","data":{"a":1}}]}}`)
			}
			for i := range 3 {
				begun := time.Now()
				got := answer(t, handlerOf(l, t.Output(), slow(0)), body)
				if d := time.Since(begun); d > time.Second || !strings.Contains(strings.ToLower(got), "input") {
					t.Error(fmt.Sprint(method, " ", i, " took ", d, ": ", got))
				}
			}
		})
	}
}
