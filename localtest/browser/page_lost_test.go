package browser

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/localserver"
)

// loses are the ways to lose an answer.
var loses = []http.HandlerFunc{
	func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	func(w http.ResponseWriter, _ *http.Request) { // in the middle
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0",`))
	},
	func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
}

// losing counts the lost answers.
type losing struct{ answers chan struct{} }

// lose loses the answers to requests with the text in their path or body, in each way in turn.
func (r *refusing) lose(text string) losing {
	l := losing{make(chan struct{}, 1000)}
	r.refuse(text, func(w http.ResponseWriter, req *http.Request) {
		n := len(l.answers)
		l.answers <- struct{}{}
		loses[n%len(loses)](w, req)
	})
	return l
}

func (l losing) tried(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(client.Patience); len(l.answers) < len(loses); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the page gave up after %d tries", len(l.answers))
		}
	}
}

// TestPageLost loses the answers to everything that the page reads, one kind after the other: the
// page says so, and recovers without a click.
func TestPageLost(t *testing.T) {
	t.Parallel()
	quick := newPaced(t)
	close(quick.next)
	server, base := serveRefusing(t, quick.demo())
	b := newBrowser(t)

	card := server.lose("agent-card.json")
	b.navigate(base + "/")
	b.wait(`$text('#description').startsWith('The agent card cannot be read')`)
	card.tried(t)
	server.refuse("", nil)
	b.becomes(`[document.title, $text('#description')]`, `["Streaming Demo Agent","Demonstrates official A2A streaming patterns with TaskUpdater"]`)

	list := server.lose("historyLength")
	b.reload()
	b.wait(`$text('#recent-note').startsWith('The server ')`)
	list.tried(t)
	b.focus("Message to the agent", false)
	b.send("Hello") // goes its way
	b.wait(state + ` === 'Completed'`)
	// And it hides nothing.
	b.becomes(`[$all('#recent .title'), $text('#recent-note').startsWith('The server ')]`, `[["Hello"],true]`)
	b.send("Again")
	b.wait(state + ` === 'Completed,Completed'`)
	server.refuse("", nil)
	b.becomes(`[$all('#recent .title'), $text('#recent-note')]`, `[["Hello"],""]`)

	conversation := server.lose("includeArtifacts")
	address := eval[string](b, `location.href.replace(/&task=.*/, '')`)
	b.navigate("about:blank")
	b.open(address)
	b.wait(`$text('#opening').startsWith('The server ')`)
	conversation.tried(t)
	server.refuse("", nil)
	b.becomes(`[`+messages+`, `+state+`, $text('#opening')]`, `[["Hello","Again"],"Completed,Completed",""]`)

	// A task whose events are gone is shown as it is.
	gone := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32004,"message":"it has ended"}}`))
	}
	address = eval[string](b, `location.href.replace(/context=.*&/, '')`)
	server.refuse("SubscribeToTask", gone)
	get := server.lose("GetTask")
	b.navigate("about:blank")
	b.open(address)
	b.wait(link + ` === 'Connection lost. Trying again …'`)
	get.tried(t)
	server.refuse("GetTask", nil)
	b.becomes(`[`+link+`, $all('.task h3').at(-1), $all('.artifact .parts').at(-1), $text('.card .alert')]`,
		`["","Completed","Your query 'Again' has been processed successfully!",""]`)
}

func TestPageLostCard(t *testing.T) {
	t.Parallel()
	behind, tokens := localserver.StartOIDC(t)
	token := tokens("alice")
	to, err := url.Parse(behind)
	localtest.Must(t, err)
	server, base := serveRefusingOf(t, httputil.NewSingleHostReverseProxy(to))
	b := newBrowser(t)
	b.open(base + "/")
	card := server.lose("GetExtendedAgentCard")
	b.focus("Bearer token", false)
	b.write(token)
	b.press("Enter", false)
	b.wait(`$text('#recent-note').startsWith('The server ')`)
	card.tried(t)
	server.refuse("", nil)
	b.becomes(`[$all('.skill h3').join(), $text('#recent-note')]`, `["Streaming Response Generator,Input Request","None yet."]`)
}

// TestPageLostCancel loses answers to CancelTask: before the task is canceled, after, and always.
func TestPageLostCancel(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	server, base := serveRefusing(t, x)
	b := visit(t, base)

	b.send("One")
	x.status(t, a2a.TaskStateWorking)
	b.wait(state + ` === 'Working'`)
	before := server.lose("CancelTask")
	b.activate("Cancel", true)
	b.wait(state + ` === 'Canceling …'`)
	before.tried(t)
	server.refuse("", nil)
	b.becomes(`[`+state+`, $text('.card .alert')]`, `["Canceled",""]`)

	// The second answer says that the task cannot be canceled, and the page has read nothing else.
	// The browser may have made that request: it repeats one whose kept connection has failed.
	b.activate("New conversation", false)
	b.send("Two")
	x.status(t, a2a.TaskStateWorking)
	b.wait(state + ` === 'Working'`)
	b.activate("Drop the connection", true)
	b.wait(marks + `.length === 1`)
	answers := make(chan string, 10)
	server.refuse("CancelTask", func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		server.Handler.ServeHTTP(answer, r)
		answers <- answer.Body.String()
		if len(answers) == 1 {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(answer.Body.Bytes())
	})
	b.activate("Cancel", false)
	b.becomes(`[`+state+`, $text('.card .alert')]`, `["Canceled",""]`)
	if first, second := <-answers, <-answers; !strings.Contains(first, "TASK_STATE_CANCELED") || !strings.Contains(second, "-32002") {
		t.Errorf("the server answered %s, then %s", first, second)
	}
	server.refuse("", nil)

	b.activate("New conversation", false)
	b.send("Three")
	x.status(t, a2a.TaskStateWorking)
	b.wait(state + ` === 'Working'`)
	server.lose("CancelTask")
	b.activate("Cancel", true)
	b.becomes(`[`+state+`, Boolean($text('.card .alert'))]`, `["Working",true]`)
	server.refuse("", nil)
	b.activate("Cancel", true)
	b.becomes(`[`+state+`, $text('.card .alert')]`, `["Canceled",""]`)
}
