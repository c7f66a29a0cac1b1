package browser

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// link is what the page says about its first task's connection.
const link = `$text('.link')`

// talkOver begins a conversation, whose first two events come over a route.
func talkOver(t *testing.T) (scripted, *route, *browser) {
	t.Helper()
	x := newScripted(t)
	way := routeTo(t, servePage(t, x).URL)
	b := visit(t, way.url())
	b.send("Hello")
	x.chunks(t, "One ")
	b.wait(numbers + ` === '1 2'`)
	return x, way, b
}

// TestPageSilence lets a connection die unnoticed: after two and a half keep-alives the page
// resumes.
func TestPageSilence(t *testing.T) {
	t.Parallel()
	x, way, b := talkOver(t)
	way.die()
	x.chunks(t, "two")
	b.wait(numbers + ` === '1 2 3'`)
	b.equal(marks+`.at(-1)`, `"Nothing came for 10 s after event 2. Resuming with Last-Event-ID: 2"`)
	x.status(t, a2a.TaskStateCompleted)
	b.wait(state + ` === 'Completed'`)
	b.equal(`[$all('.artifact .parts'), `+order+`]`, `[["One two"],"Events 1 to 4, in order: none missing, none twice."]`)
}

// TestPageAbsence takes the network away for longer than the retries last: the page says so, and
// goes on when the network is back.
func TestPageAbsence(t *testing.T) {
	t.Parallel()
	x, way, b := talkOver(t)
	way.leave()
	b.becomes(`[`+link+`, `+state+`]`, `["Connection lost. Trying again …","Working"]`)
	way.refused(t, 7)
	b.online(false)
	b.becomes(link, `"Offline. It goes on when the network is back."`)
	x.chunks(t, "two")
	x.status(t, a2a.TaskStateInputRequired, "And?")
	way.comeBack()
	b.online(true)
	b.becomes(`[`+link+`, `+state+`, $all('.artifact .parts')]`, `["","Waits for you",["One two"]]`)

	// A message without a network is sent when the network is back.
	way.leave()
	b.send("This")
	b.becomes(`$all('.said').at(-1)`, `"This\nSending …"`)
	way.comeBack()
	x.status(t, a2a.TaskStateCompleted)
	b.becomes(`[`+state+`, $all('.said').at(-1)]`, `["Completed","This\nReceived"]`)
	b.equal(order, `"Events 1 to 6, in order: none missing, none twice."`)
}

// TestPageOverloaded lets the server say in each way that it is overloaded: the page waits, and
// goes on.
func TestPageOverloaded(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	server, base := serveRefusing(t, x)
	b := visit(t, base)
	for i, answer := range []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"internal error"}}`))
		},
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write([]byte("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32603,\"message\":\"internal error\"}}\n\n"))
		},
	} {
		server.refuse("SendStreamingMessage", answer)
		b.send("Hello")
		b.wait(`$all('.link').at(-1) === 'Connection lost. Trying again …'`)
		server.refuse("", nil)
		x.status(t, a2a.TaskStateCompleted)
		b.wait(state + ` === '` + strings.TrimSuffix(strings.Repeat("Completed,", i+1), ",") + `'`)
	}
}

// TestPageHidden shows that a hidden tab closes its stream. A browser opens six connections to a
// server by HTTP/1.1: six hidden tabs do not block a seventh. A tab that is shown again resumes.
func TestPageHidden(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	base := servePage(t, x).URL
	first := newBrowser(t)
	tabs := []*browser{first}
	for range 6 {
		tabs = append(tabs, first.tab())
	}
	for _, b := range tabs {
		b.front()
		b.open(base + "/")
		b.equal(`document.visibilityState`, `"visible"`)
		b.focus("Message to the agent", false)
		b.send("Hello")
		b.becomes(`$all('.said')`, `["Hello\nReceived"]`) // the seventh too
	}
	first.equal(`document.visibilityState`, `"hidden"`)
	for range tabs {
		x.status(t, a2a.TaskStateCompleted)
	}
	first.equal(state, `"Queued"`) // it has not read any event
	for _, b := range tabs {
		b.front()
		b.wait(state + ` === 'Completed'`)
		b.equal(order, `"Events 1 to 2, in order: none missing, none twice."`)
	}
	if faults := eval[int](first, `$all('.mark').length`); faults > 0 {
		t.Errorf("%d marks tell of what the reader did not notice", faults)
	}
}

// TestPageComments reads comments with and without a blank line after them, in pieces of any
// length.
func TestPageComments(t *testing.T) {
	t.Parallel()
	server, base := serveRefusing(t, newScripted(t))
	const task = `{"jsonrpc":"2.0","id":1,"result":{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING","timestamp":"2026-01-02T03:04:05Z"}}}}`
	const end = `{"jsonrpc":"2.0","id":1,"result":{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_COMPLETED","timestamp":"2026-01-02T03:04:06Z"}}}}`
	const text = ": ping\n\nid: 1\n: ping\ndata: " + task + "\n\n: ping\n: ping\nretry: 1000\n\r\n: ping\r\nid:2\r\ndata:" + end + "\r\n\r\n: the end\n"
	b := visit(t, base)
	for length := 1; length < len(text); length = length*2 + 1 {
		server.refuse("SendStreamingMessage", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for rest := text; rest != ""; {
				n := min(length, len(rest))
				_, _ = w.Write([]byte(rest[:n]))
				_ = http.NewResponseController(w).Flush()
				rest = rest[n:]
			}
		})
		b.send("Hello")
		b.becomes(`[`+state+`, `+numbers+`, `+order+`]`, `["Completed","1 2","Events 1 to 2, in order: none missing, none twice."]`)
		b.equal(marks, `[]`)
		b.activate("New conversation", false)
	}
	if faults := b.takeFaults(); len(faults) > 0 {
		t.Errorf("the page was at fault: %q", faults)
	}
}

// TestPageMakesRoom ends a stream early, as when too many follow a task. The page connects again as
// late as the server says.
func TestPageMakesRoom(t *testing.T) {
	t.Parallel()
	const retry = 2 * time.Second // longer than after a connection that was lost once
	server, base := serveRefusing(t, newScripted(t))
	const task = `{"jsonrpc":"2.0","id":1,"result":{"task":{"id":"t","contextId":"c","status":{"state":"TASK_STATE_WORKING","timestamp":"2026-01-02T03:04:05Z"}}}}`
	const end = `{"jsonrpc":"2.0","id":1,"result":{"statusUpdate":{"taskId":"t","contextId":"c","status":{"state":"TASK_STATE_COMPLETED","timestamp":"2026-01-02T03:04:06Z"}}}}`
	stream := func(w http.ResponseWriter, text string) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(text))
	}
	var ended atomic.Int64
	again := make(chan time.Duration, 1)
	server.refuse("SendStreamingMessage", func(w http.ResponseWriter, _ *http.Request) {
		ended.Store(time.Now().UnixNano())
		stream(w, fmt.Sprintf("id: 1\ndata: %s\n\n: too many follow the task\nretry: %d\n", task, retry.Milliseconds()))
	})
	server.refuse("SubscribeToTask", func(w http.ResponseWriter, _ *http.Request) {
		again <- time.Since(time.Unix(0, ended.Load()))
		stream(w, "id: 2\ndata: "+end+"\n\n")
	})
	b := visit(t, base)
	b.send("Hello")
	if d := <-again; d < retry {
		t.Errorf("the page came again after %v, want %v", d, retry)
	}
	b.becomes(`[`+state+`, `+order+`]`, `["Completed","Events 1 to 2, in order: none missing, none twice."]`)
}

// front shows the tab, and hides the others.
func (b *browser) front() {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, page.BringToFront, cdp.Empty{})
		return err
	}))
}
