package browser

import (
	"net/http"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// TestPageSending shows a message at once, and what happens to it. A refused one can be sent again,
// or changed.
func TestPageSending(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	arrived, goOn := make(chan struct{}, 10), make(chan struct{})
	server, base := serveRefusing(t, x)
	server.refuse("SendStreamingMessage", func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-goOn:
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"not now"}}`))
	})
	b := visit(t, base)
	b.send("Hello")
	<-arrived
	b.becomes(`[$all('.said'), `+state+`]`, `[["Hello\nSending …"],"Sending"]`)
	close(goOn)
	b.becomes(`[$all('.said'), `+state+`, $text('.card .alert')]`, `[["Hello\nNot sent\nSend again\nEdit"],"Refused","not now (-32602)"]`)

	b.activate("Edit", true)
	b.becomes(`[$all('.said'), document.activeElement.value]`, `[[],"Hello"]`)
	b.press("Enter", false)
	<-arrived
	b.becomes(`$all('.said')`, `["Hello\nNot sent\nSend again\nEdit"]`)

	server.refuse("", nil)
	b.activate("Send again", true)
	b.becomes(`[$all('.said'), `+state+`]`, `[["Hello\nReceived"],"Queued"]`)
	if ids := b.messageIDs(); len(ids) != 3 || ids[1] != ids[2] || ids[0] == ids[1] {
		t.Errorf("the messages have the ids %q, want that of the second sent again", ids)
	}
	// Artifacts come only from an agent that works.
	x.chunks(t, "Once ")
	b.becomes(`[`+state+`, $all('#recent .state')]`, `["Working",["working"]]`)
	b.becomes(caret, `[true]`)
	x.chunks(t, "upon")
	x.status(t, a2a.TaskStateCompleted)
	b.becomes(`[`+state+`, `+caret+`]`, `["Completed",[false]]`)

	b.send("More")
	x.status(t, a2a.TaskStateInputRequired, "Which?")
	b.wait(state + ` === 'Completed,Waits for you'`)
	b.equal(`document.activeElement.id`, `"message"`)
	server.refuse("That", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"not that"}}`))
	})
	b.send("That")
	b.becomes(`[`+state+`, $all('.said').at(-1)]`, `["Completed,Waits for you","That\nNot sent\nSend again\nEdit"]`)
	b.activate("Edit", true)
	b.becomes(`[$all('.said').length, document.activeElement.value]`, `[2,"That"]`)
	b.write(" one")
	server.refuse("", nil)
	b.press("Enter", false)
	x.status(t, a2a.TaskStateCompleted)
	b.becomes(`[`+state+`, $all('.said').at(-1)]`, `["Completed,Completed","That one\nReceived"]`)
}

// caret says for each artifact whether a caret shows where the next chunk goes.
const caret = `[...document.querySelectorAll('.artifact')].map((e) => getComputedStyle([...e.querySelectorAll('p')].at(-1), '::after').content !== 'none')`

func (b *browser) messageIDs() (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.requests {
		for _, part := range r.PostDataEntries {
			if _, rest, ok := strings.Cut(string(part.Bytes), `"messageId":"`); ok {
				id, _, _ := strings.Cut(rest, `"`)
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// TestPageUnsent reloads the page while a message is on its way: it is sent again, and is one task.
func TestPageUnsent(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	server, base := serveRefusing(t, x)
	arrived := make(chan struct{}, 10)
	server.refuse("SendStreamingMessage", func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	b := visit(t, base)
	b.send("Hello")
	<-arrived
	server.refuse("", nil)
	b.reload()
	b.becomes(`$all('.said')`, `["Hello\nReceived"]`)
	x.status(t, a2a.TaskStateCompleted)
	b.becomes(`[`+state+`, $all('#recent .title'), history.state]`, `["Completed",["Hello"],null]`)
	if ids := b.messageIDs(); len(ids) != 2 || ids[0] != ids[1] {
		t.Errorf("the messages have the ids %q, want the same twice", ids)
	}
}

// TestPageDraft shows that an example never replaces what the user has written.
func TestPageDraft(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	b.open(servePage(t, newPaced(t).demo()).URL + "/")
	b.activate("Process my request", false)
	b.equal(`document.activeElement.value`, `"Process my request"`)
	b.activate("Stream me a response", true)
	b.equal(`document.activeElement.value`, `"Stream me a response"`) // not the user's text
	b.write(" of mine")
	b.activate("Process my request", true)
	b.equal(`document.activeElement.value`, `"Stream me a response of mine\nProcess my request"`)
}
