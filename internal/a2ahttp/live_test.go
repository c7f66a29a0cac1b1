package a2ahttp_test

import (
	"context"
	"fmt"
	"io"
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
	"a2alambda/internal/tasklogtest"
)

// The tests here run one task over several handlers that share only the log, as Lambda's instances
// do, in fake time.

// taskOf returns the id of the one unfinished task.
func taskOf(t *testing.T, l *memlog.Log) a2a.TaskID {
	t.Helper()
	ids := unfinished(t, l)
	if len(ids) != 1 {
		t.Fatalf("unfinished tasks: %v, want one", ids)
	}
	return ids[0]
}

func unfinished(t *testing.T, l *memlog.Log) []a2a.TaskID {
	t.Helper()
	ids, err := tasklogtest.Unfinished(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func rpc(method, format string, args ...any) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, fmt.Sprintf(format, args...))
}

// do sends a request, with Last-Event-ID if last is set, and returns after the answer.
func do(ctx context.Context, h http.Handler, body string, last int) *timeline {
	w := newTimeline()
	r := post(ctx, body)
	if last > 0 {
		r.Header.Set("Last-Event-ID", fmt.Sprint(last))
	}
	h.ServeHTTP(w, r)
	return w
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func answer(t *testing.T, h http.Handler, body string) string {
	return serve(h, post(t.Context(), body)).Body.String()
}

// wholeStream has the frames of the demo agent's first turn.
var wholeStream = []string{
	"id: 1", "data SUBMITTED", "id: 2", "data WORKING", "id: 3", "data WORKING", "id: 4", "data WORKING",
	"id: 5", "data", "id: 6", "data COMPLETED",
}

func (w *timeline) frames() (lines []string) {
	for _, line := range w.lines {
		_, line, _ = strings.Cut(line, " ")
		lines = append(lines, line)
	}
	return lines
}

func TestSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		instance := func() http.Handler { return handlerOf(l, t.Output(), slow(time.Second)) }
		var wg sync.WaitGroup
		wg.Go(func() { do(t.Context(), instance(), streamCall, 0) })
		time.Sleep(1500 * time.Millisecond)
		id := taskOf(t, l)
		var now, resumed, late *timeline
		wg.Go(func() { now = do(t.Context(), instance(), rpc("SubscribeToTask", `{"id":%q}`, id), 0) })
		wg.Go(func() { resumed = do(t.Context(), instance(), rpc("SubscribeToTask", `{"id":%q}`, id), 1) })
		wg.Wait()
		late = do(t.Context(), instance(), rpc("SubscribeToTask", `{"id":%q}`, id), 2)
		for name, test := range map[string]struct {
			got  *timeline
			want []string
		}{
			"in the middle":       {now, wholeStream[4:]},
			"resumed after one":   {resumed, wholeStream},
			"resumed when it was": {late, wholeStream[2:]},
		} {
			if !slices.Equal(test.got.frames(), test.want) {
				t.Errorf("%s: got %q, want %q", name, test.got.frames(), test.want)
			}
		}
		if lag := now.lastAt(t) - 1500*time.Millisecond; lag > 500*time.Millisecond {
			t.Errorf("the end was seen %v late", lag)
		}
	})
}

func (w *timeline) lastAt(t *testing.T) time.Duration {
	t.Helper()
	at, _, _ := strings.Cut(w.lines[len(w.lines)-1], " ")
	d, err := time.ParseDuration(at)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSubscribeToIdle checks that a subscriber to a task that waits for its client sees the next
// turn, and that its stream ends after a minute without one.
func TestSubscribeToIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		instance := func() http.Handler { return handlerOf(l, t.Output(), slow(0)) }
		const ask = `{"message":{"messageId":%q,"role":"ROLE_USER","parts":[{"data":1}]}}`
		answer(t, instance(), rpc("SendMessage", ask, "one"))
		id := idIn(answer(t, instance(), rpc("SendMessage", ask, "one")))
		var w *timeline
		var wg sync.WaitGroup
		wg.Go(func() { w = do(t.Context(), instance(), rpc("SubscribeToTask", `{"id":%q}`, id), 0) })
		time.Sleep(50 * time.Second)
		answer(t, instance(), rpc("SendMessage", `{"message":{"messageId":"m","taskId":%q,"role":"ROLE_USER","parts":[{"text":"this"}]}}`, id))
		wg.Wait()
		got := slices.DeleteFunc(w.frames(), func(s string) bool { return s == ": ping" })
		want := []string{
			"id: 2", "data INPUT_REQUIRED", "id: 3", "data SUBMITTED", "id: 4", "data WORKING", "id: 5", "data WORKING", "id: 6", "data WORKING",
			"id: 7", "data", "id: 8", "data COMPLETED",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		id = idIn(answer(t, instance(), rpc("SendMessage", ask, "two")))
		w = do(t.Context(), instance(), rpc("SubscribeToTask", `{"id":%q}`, id), 0)
		if d := w.lastAt(t); d < time.Minute || d > 65*time.Second {
			t.Errorf("a subscriber to an idle task was let go after %v", d)
		}
		if got := w.frames(); !slices.Equal(got[len(got)-2:], []string{": the task waits for a message", "retry: 10000"}) {
			t.Errorf("a subscriber to an idle task was let go with %q", got)
		}
	})
}

func idIn(body string) string {
	_, rest, _ := strings.Cut(body, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

func TestCancelRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		instance := func() http.Handler { return handlerOf(l, t.Output(), slow(time.Hour)) }
		var stream *timeline
		var wg sync.WaitGroup
		wg.Go(func() { stream = do(t.Context(), instance(), streamCall, 0) })
		time.Sleep(time.Minute) // longer than a lease
		id := taskOf(t, l)
		start := time.Now()
		got := answer(t, instance(), rpc("CancelTask", `{"id":%q}`, id))
		if took := time.Since(start); took > 800*time.Millisecond {
			t.Errorf("canceling took %v", took)
		}
		if !strings.Contains(got, "TASK_STATE_CANCELED") || !strings.Contains(got, "Streaming operation cancelled") || idIn(got) != string(id) {
			t.Errorf("got %s", got)
		}
		wg.Wait()
		frames := slices.DeleteFunc(stream.frames(), func(s string) bool { return s == ": ping" })
		if want := []string{"id: 1", "data SUBMITTED", "id: 2", "data WORKING", "id: 3", "data CANCELED"}; !slices.Equal(frames, want) {
			t.Errorf("the stream was %q, want %q", frames, want)
		}
		if got := answer(t, instance(), rpc("CancelTask", `{"id":%q}`, id)); !strings.Contains(got, `"code":-32002`) {
			t.Errorf("canceling again: %s", got)
		}
	})
}

// TestCancelRacesCompletion cancels tasks around the moment of their completion. Whichever wins,
// all clients see the same, now and later.
func TestCancelRacesCompletion(t *testing.T) {
	outcomes := map[string]int{}
	for i := range 60 {
		synctest.Test(t, func(t *testing.T) {
			l := new(memlog.Log)
			instance := func() http.Handler { return handlerOf(l, t.Output(), slow(110*time.Millisecond)) } // longer than until a holder hears
			var stream *timeline
			var wg sync.WaitGroup
			wg.Go(func() { stream = do(t.Context(), instance(), streamCall, 0) })
			time.Sleep(time.Duration(i) * 6 * time.Millisecond)
			synctest.Wait()
			var got string
			ids := unfinished(t, l)
			if len(ids) > 0 {
				got = answer(t, instance(), rpc("CancelTask", `{"id":%q}`, ids[0]))
			}
			wg.Wait()
			last := stream.frames()[len(stream.frames())-1]
			canceled := strings.Contains(got, "TASK_STATE_CANCELED")
			if canceled != (last == "data CANCELED") || !canceled && last != "data COMPLETED" || !canceled && got != "" && !strings.Contains(got, `"code":-32002`) {
				t.Fatalf("the stream ended with %s, canceling with %s", last, got)
			}
			if len(ids) > 0 {
				s, err := l.Load(t.Context(), ids[0])
				if err != nil || !strings.HasSuffix(last, strings.TrimPrefix(string(s.Task.Status.State), "TASK_STATE_")) {
					t.Fatalf("the stream ended with %s, the task is %v, %v", last, s.Task.Status.State, err)
				}
			}
			outcomes[last]++
		})
	}
	if len(outcomes) != 2 {
		t.Errorf("outcomes %v: no race", outcomes)
	}
}

// TestReturnImmediately checks that the reply does not wait for the worker, which runs the task
// once, however often the message comes.
func TestReturnImmediately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		h := handlerOf(l, t.Output(), slow(time.Second))
		start := time.Now()
		for name, call := range map[string]string{
			"1.0": rpc("SendMessage", `{"message":{"messageId":"a","role":"ROLE_USER","parts":[{"text":"x"}]},"configuration":{"returnImmediately":true}}`),
			"0.3": rpc("message/send", `{"message":{"messageId":"b","role":"user","parts":[{"kind":"text","text":"x"}]},"configuration":{"blocking":false}}`),
		} {
			got := answer(t, h, call)
			if time.Since(start) != 0 || !strings.Contains(strings.ToLower(got), "submitted") {
				t.Errorf("%s: after %v got %s", name, time.Since(start), got)
			}
			again := answer(t, h, call) // joins, and does not start it again
			if idIn(again) != idIn(got) {
				t.Errorf("%s: sent again, got %s", name, again)
			}
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		for _, call := range []string{"a", "b"} {
			got := answer(t, h, rpc("SendMessage", `{"message":{"messageId":%q,"role":"ROLE_USER","parts":[{"text":"x"}]}}`, call))
			if !strings.Contains(got, "COMPLETED") || strings.Count(got, "Analyzing") != 1 {
				t.Errorf("got %s", got)
			}
		}
	})
}

// TestSendAgain sends one message to many instances at once, and again: it begins one task, until
// that has been over for long.
func TestSendAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		instance := func() http.Handler { return handlerOf(l, t.Output(), slow(time.Second)) }
		var wg sync.WaitGroup
		streams := make([]*timeline, 4)
		sent := make([]string, 2)
		for i := range streams {
			wg.Go(func() { streams[i] = do(t.Context(), instance(), streamCall, 0) })
		}
		for i := range sent {
			wg.Go(func() { sent[i] = answer(t, instance(), sendCall) })
		}
		wg.Wait()
		id := idIn(sent[0])
		for i, w := range streams {
			if !slices.Equal(w.frames(), wholeStream) || !strings.Contains(w.first, id) {
				t.Errorf("stream %d: %q", i, w.frames())
			}
		}
		for _, got := range sent {
			if idIn(got) != id || strings.Count(got, "Analyzing") != 1 || !strings.Contains(got, "COMPLETED") {
				t.Errorf("sent: %s", got)
			}
		}
		time.Sleep(9 * time.Minute)
		if got := idIn(answer(t, instance(), sendCall)); got != id {
			t.Error("sent again after nine minutes, the message began another task")
		}
		seen := map[string]bool{id: true}
		for range 9 { // a client that always sends the same message id
			time.Sleep(11 * time.Minute)
			got := answer(t, instance(), sendCall)
			if next := idIn(got); seen[next] || !strings.Contains(got, "COMPLETED") {
				t.Errorf("sent again long after, got %s", got)
			} else {
				seen[next] = true
			}
			if again := idIn(answer(t, instance(), sendCall)); !seen[again] || again != idIn(got) {
				t.Error("sent again at once, the message began another task")
			}
		}
	})
}

// TestTwoFollowUps sends two messages to a task that waits. One gets the turn, the other is
// refused.
func TestTwoFollowUps(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			l := new(memlog.Log)
			instance := func() http.Handler { return handlerOf(l, t.Output(), slow(time.Second)) }
			id := idIn(answer(t, instance(), rpc("SendMessage", `{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"data":1}]}}`)))
			var wg sync.WaitGroup
			got := make([]string, 2)
			for i := range got {
				wg.Go(func() {
					got[i] = answer(t, instance(), rpc("SendMessage", `{"message":{"messageId":"f%d","taskId":%q,"role":"ROLE_USER","parts":[{"text":"this"}]}}`, i, id))
				})
			}
			wg.Wait()
			slices.SortFunc(got, func(a, b string) int { return len(a) - len(b) })
			if !strings.Contains(got[0], `"code":-32004`) || !strings.Contains(got[1], "COMPLETED") || strings.Count(got[1], "Analyzing") != 1 {
				t.Fatalf("got %q", got)
			}
		})
	}
}

// TestHandOver gives an invocation less time than the agent needs. The stream ends cleanly, and a
// subscriber misses nothing.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		instance := func() http.Handler { return handlerOf(l, t.Output(), slow(2*time.Second)) }
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second) // three for the executor
		defer cancel()
		w := do(ctx, instance(), streamCall, 0)
		w.check(t, "0s id: 1", "0s data SUBMITTED", "0s id: 2", "0s data WORKING", "2s id: 3", "2s data WORKING",
			"3s : the task goes on", "3s retry: 1000")
		id := taskOf(t, l)
		rest := do(t.Context(), instance(), rpc("SubscribeToTask", `{"id":%q}`, id), 3)
		if want := wholeStream[4:]; !slices.Equal(rest.frames(), want) {
			t.Errorf("got %q, want %q", rest.frames(), want)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		r := serve(instance(), post(ctx, strings.Replace(sendCall, `"m"`, `"other"`, 1)))
		if body := r.Body.String(); !strings.Contains(body, `"state":"TASK_STATE_WORKING"`) {
			t.Errorf("a blocking send that ran out of time: %s", body)
		}
		time.Sleep(10 * time.Second)
	})
}

// TestEnding ends a process that has a stream, whose client comes back soon, and misses nothing.
func TestEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		ending, runner := handlerAndRunner(l, t.Output(), slow(2*time.Second))
		time.AfterFunc(3*time.Second, func() { runner.HandOver(time.Second) })
		w := do(t.Context(), ending, streamCall, 0)
		w.check(t, "0s id: 1", "0s data SUBMITTED", "0s id: 2", "0s data WORKING", "2s id: 3", "2s data WORKING",
			"3s : the server is about to end: another one goes on", "3s retry: 300")
		rest := do(t.Context(), handlerOf(l, t.Output(), slow(2*time.Second)), rpc("SubscribeToTask", `{"id":%q}`, taskOf(t, l)), 3)
		if want := wholeStream[4:]; !slices.Equal(rest.frames(), want) {
			t.Errorf("got %q, want %q", rest.frames(), want)
		}
	})
}

// TestOrphan leaves an orphaned task: its next reader, or the sweeper, has it resumed.
func TestOrphan(t *testing.T) {
	for _, finder := range []string{"get", "subscribe", "message", "sweep"} {
		t.Run(finder, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := new(memlog.Log)
				h, runner := handlerAndRunner(l, t.Output(), slow(time.Second))
				// An instance that dies after its first step leaves this.
				dying := tasklogtest.Faulty(l, tasklogtest.Fault{Op: "Lease.Append", Nth: 3})
				ctx, kill := context.WithCancel(t.Context())
				defer kill()
				go do(ctx, handlerOf(dying, io.Discard, slow(time.Second)), streamCall, 0)
				time.Sleep(500 * time.Millisecond)
				id := taskOf(t, l)
				time.Sleep(20 * time.Second)
				switch finder {
				case "get":
					answer(t, h, rpc("GetTask", `{"id":%q}`, id))
				case "subscribe":
					do(t.Context(), h, rpc("SubscribeToTask", `{"id":%q}`, id), 0)
				case "message":
					answer(t, h, rpc("SendMessage", `{"message":{"messageId":"n","taskId":%q,"role":"ROLE_USER","parts":[{"text":"x"}]}}`, id))
				case "sweep":
					if swept, err := runner.Sweep(t.Context()); swept.Looked != 1 || swept.Asked != 1 || err != nil {
						t.Errorf("swept %+v, %v", swept, err)
					}
				}
				time.Sleep(5 * time.Second)
				s, err := l.Load(t.Context(), id)
				if err != nil || s.Task.Status.State != a2a.TaskStateCompleted || len(s.Task.History) != 4 {
					t.Errorf("got %+v, %v", s.Task, err)
				}
			})
		})
	}
}

// TestTakenOver takes a task from the instance that runs it. The stream still goes on to the last
// event, and a blocking send still waits for the outcome.
func TestTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		var stream *timeline
		var sent string
		var wg sync.WaitGroup
		wg.Go(func() { stream = do(t.Context(), handlerOf(l, t.Output(), slow(time.Second)), streamCall, 0) })
		time.Sleep(time.Millisecond)
		wg.Go(func() { sent = answer(t, handlerOf(l, t.Output(), slow(time.Second)), sendCall) }) // joins
		other := strings.Replace(sendCall, `"m"`, `"other"`, 1)
		var alone string
		wg.Go(func() { alone = answer(t, handlerOf(l, t.Output(), slow(time.Second)), other) })
		time.Sleep(1500 * time.Millisecond)
		_, runner := handlerAndRunner(l, t.Output(), slow(time.Second))
		for _, id := range unfinished(t, l) {
			s, err := l.Load(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Acquire(t.Context(), s, tasklog.Claim{Writer: "thief", Until: time.Now()}); err != nil {
				t.Fatal(err)
			}
			r, err := runner.Resume(t.Context(), id)
			if err != nil || r == nil {
				t.Fatal(r, err)
			}
			wg.Go(func() { _ = r.Wait() })
		}
		wg.Wait()
		if !slices.Equal(stream.frames(), wholeStream) {
			t.Errorf("the stream was %q, want %q", stream.frames(), wholeStream)
		}
		for _, got := range []string{sent, alone} {
			if !strings.Contains(got, "COMPLETED") || strings.Count(got, "Analyzing") != 1 || strings.Count(got, "Generating") != 1 {
				t.Errorf("got %s", got)
			}
		}
	})
}

// TestPushOfNextTurn checks that whichever instance runs a turn knows the push configuration that
// came with the turn's message.
func TestPushOfNextTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(memlog.Log)
		h := handlerOf(l, t.Output(), slow(0))
		id := idIn(answer(t, h, rpc("SendMessage", `{"message":{"messageId":"one","role":"ROLE_USER","parts":[{"data":1}]}}`)))
		answer(t, h, rpc("SendMessage", `{"message":{"messageId":"two","taskId":%q,"role":"ROLE_USER","parts":[{"text":"this"}]},
			"configuration":{"returnImmediately":true,"taskPushNotificationConfig":{"id":"c","url":"https://example.com/"}}}`, id))
		s, err := l.Load(t.Context(), a2a.TaskID(id))
		if err != nil || !s.Head.Push {
			t.Errorf("the task's head is %+v, %v", s.Head, err)
		}
		configs, err := l.Pushes().List(t.Context(), a2a.TaskID(id))
		if err != nil || len(configs) != 1 || configs[0].After != 2 {
			t.Errorf("configurations %+v, %v; want one, for the events after 2", configs, err)
		}
		synctest.Wait()
	})
}
