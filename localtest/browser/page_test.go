package browser

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"a2alambda/localtest/client"
	"a2alambda/localtest/localserver"
	"a2alambda/localtest/stack"
)

var update = flag.Bool("update", false, "write docs/page.png and docs/page-dark.png")

// What the page shows: the events' numbers, the connection's fate, the tasks' states, and whether
// all events are there.
const (
	numbers = `$all('.event .number').join(' ')`
	marks   = `$all('.mark')`
	state   = `$all('.task h3').join()`
	order   = `$all('.order').join()`
)

// TestPage does with the page, by keyboard, what a curious person does. Each subtest goes on from
// the one before.
func TestPage(t *testing.T) {
	t.Parallel()
	agent := newPaced(t)
	base := servePage(t, agent.demo()).URL
	b := newBrowser(t)
	b.scheme("light")
	b.open(base + "/")
	step := func(name string, f func(t *testing.T)) {
		ok := t.Run(name, func(t *testing.T) {
			b.t = t
			f(t)
		})
		if b.t = t; !ok {
			t.FailNow()
		}
	}

	step("card", func(t *testing.T) {
		b.equal(`[document.title, $text('h1'), $text('#version'), $text('#description'), $all('#capabilities li').join()]`,
			`["Streaming Demo Agent","Streaming Demo Agent","Version 1.0.0",`+
				`"Demonstrates official A2A streaming patterns with TaskUpdater","A2A 1.0,A2A 0.3,streaming"]`)
		b.equal(`[$all('.skill h3'), $all('.example')]`,
			`[["Streaming Response Generator"],["Process my request","Stream me a response"]]`)
		b.wait(`$text('#recent-note') === 'None yet.'`)
		b.equal(`$text('#access')`, `""`) // no tokens
	})

	step("stream, drop and resume", func(t *testing.T) {
		b.activate("Stream me a response", true)
		b.equal(`[document.activeElement.id, document.activeElement.value]`, `["message","Stream me a response"]`)
		b.write("!")
		b.press("Enter", false)
		agent.step(t, 2)
		b.wait(numbers + ` === '1 2 3'`)
		b.activate("Drop the connection", true)
		b.becomes(marks+`.at(-1)`, `"You dropped the connection after event 3. The agent goes on."`)

		agent.step(t, 2)
		waitCompleted(t, base, eval[string](b, `document.querySelector('.task .id').textContent`))
		b.equal(`[`+numbers+`, `+state+`]`, `["1 2 3","Working"]`) // the page has read nothing new
		b.equal(`document.activeElement.innerText`, `"Resume after event 3"`)
		b.press("Enter", false)
		b.wait(state + ` === 'Completed'`)
		b.equal(numbers, `"1 2 3 4 5 6"`)
		b.equal(marks+`.includes('Resuming with Last-Event-ID: 3')`, `true`)
		// The page asks twice if this machine's network changes meanwhile.
		if got := b.sent("Last-Event-ID", "SubscribeToTask"); len(got) == 0 || strings.Trim(strings.Join(got, ""), "3") != "" {
			t.Errorf("the page sent the Last-Event-IDs %q, want 3", got)
		}
		b.equal(`$all('.said')`, `["Stream me a response!\nReceived"]`)
		b.equal(`$all('.event .what')`, `["queued","working\nStarting to process your request...",`+
			`"working\nAnalyzing your query...","working\nGenerating response...","artifact\nstreaming_result","completed"]`)
		b.equal(`$all('.artifact')`, `["streaming_result\nYour query 'Stream me a response!' has been processed successfully!"]`)
		b.equal(order, `"Events 1 to 6, in order: none missing, none twice."`)
		// An artifact has no time. If its chunk comes late, the page takes its time of arrival.
		b.equal(`$all('.elapsed').map((s, i) => i === 4 || /^(\d+ ms|\d+\.\d\d s)$/.test(s))`, `[true,true,true,true,true,true]`)
		b.equal(`document.activeElement.id`, `"message"`) // its button is gone
	})

	step("raw frames", func(t *testing.T) {
		b.activate("Raw frames", true)
		b.wait(`$text('.frames').includes('id: 1')`)
		b.equal(`[...new Set($all('.frames .sent').map((s) => s.split(' ')[0]))]`, `["SendStreamingMessage","SubscribeToTask"]`)
		// The stream that resumes begins with the task as of the last event.
		if got := eval[[]string](b, `$all('.frames .received').filter((frame) => !frame.startsWith(':'))`); len(got) < 7 || !strings.HasPrefix(got[0], "id: 1\ndata: {") {
			t.Errorf("the frames are %q", got)
		}
		b.press("Enter", false)
		b.equal(`$text('.frames')`, `""`)
		b.focus("Message to the agent", false)
	})

	step("recent tasks", func(t *testing.T) {
		b.wait(`$text('#recent').startsWith('Stream me a response!\ncompleted')`)
	})

	step("text is text", func(t *testing.T) {
		markup := `<img src=x onerror="document.title='oh'"><script>document.title='no'</script>&lt;`
		b.activate("New conversation", false)
		b.send(markup)
		agent.step(t, 4)
		b.wait(state + ` === 'Completed'`)
		b.equal(`$text('.said .parts') === `+jsonOf(markup), `true`)
		b.equal(`$text('.artifact .parts').includes(`+jsonOf(markup)+`)`, `true`)
		b.wait(`$text('#recent .title') === ` + jsonOf(markup))
		b.equal(`[document.images.length, document.scripts.length, document.title.endsWith(' – Streaming Demo Agent')]`, `[0,1,true]`)
	})

	step("cancel", func(t *testing.T) {
		b.send("Never mind")
		agent.step(t, 1)
		b.wait(`$all('.task').length === 2 && ` + state + ` === 'Completed,Working'`)
		b.activate("Cancel", true)
		b.wait(state + ` === 'Completed,Canceled'`)
		b.equal(`$all('.event .what').at(-1)`, `"canceled\nStreaming operation cancelled"`)
		b.wait(marks + `.at(-1) === 'You canceled the task.'`)
		if !b.changed() {
			b.equal(marks+`.length`, `1`) // not that it resumes
		}
		b.equal(`document.activeElement.id`, `"message"`)
	})

	step("asked for input", func(t *testing.T) {
		b.activate("New conversation", false)
		b.send(" ") // nothing to process
		agent.step(t, 1)
		b.wait(state + ` === 'Waits for you'`)
		b.equal(`[$text('#message-label'), $all('.event .what').at(-1), $text('.asks')]`,
			`["Your answer to the agent","waits for you\nWhat should I process?","The agent waits for your answer. Write it in the box below."]`)
		b.send("This")
		agent.step(t, 1)
		b.wait(`$text('#message-label') === 'Message to the agent'`)
		agent.step(t, 3)
		b.wait(state + ` === 'Completed'`)
		b.equal(numbers, `"1 2 3 4 5 6 7 8"`)
		b.equal(`$all('.artifact .parts')`, `["Your query 'This' has been processed successfully!"]`)
	})

	step("a conversation of before", func(t *testing.T) {
		b.wait(`$all('#recent .state').join() === 'completed,canceled,completed'`)
		b.open(base + "/")
		b.wait(`$all('#recent a').length === 3`)
		b.activate("<img", false)
		b.wait(state + ` === 'Completed,Canceled'`)
		b.equal(`[$all('.said .parts').at(-1), $all('.event .what').at(-1)]`, `["Never mind","canceled\nStreaming operation cancelled"]`)
		b.activate("Stream me a response!", false)
		b.wait(state + ` === 'Completed' && ` + numbers + ` === '1 2 3 4 5 6'`)
		b.equal(`$all('#recent [aria-current]').length`, `1`)
	})

	step("light and dark", func(t *testing.T) {
		colours := map[string]bool{}
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			b.equal(pale, `[]`)
			colours[eval[string](b, `getComputedStyle(document.body).backgroundColor`)] = true
		}
		if len(colours) != 2 {
			t.Errorf("light and dark are %v", colours)
		}
	})

	step("narrow", func(t *testing.T) {
		b.do(chromedp.EmulateViewport(360, 740))
		b.equal(`[document.documentElement.scrollWidth, [...document.querySelectorAll('button, .card, .said, textarea')]
			.filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > 360).length]`, `[360,0]`)
		b.focus("Message to the agent", false)
		b.send("And now?")
		agent.step(t, 4)
		b.wait(state + ` === 'Completed,Completed'`)
		b.wait(`document.querySelector('#tasks').getBoundingClientRect().bottom <= document.querySelector('#composer').getBoundingClientRect().top`)
		b.equal(`document.documentElement.scrollWidth`, `360`)
	})

	b.checkClean(base)

	// This also shows that the browser reports faults.
	step("what the policy refuses", func(t *testing.T) {
		b.equal(`(() => { try { document.body.innerHTML = 'x' } catch (e) { return e.name } })()`, `"TypeError"`)
		b.equal(`(() => { try { document.body.setAttribute('onclick', 'x') } catch (e) { return e.name } })()`, `"TypeError"`)
		eval[chromedp.Void](b, `void fetch('http://127.0.0.1:9/').catch((e) => { document.body.dataset.refused = e.name })`)
		b.wait(`document.body.dataset.refused === 'TypeError'`)
		if faults := strings.Join(b.takeFaults(), "\n"); !strings.Contains(faults, "connect-src") || !strings.Contains(faults, "TrustedHTML") {
			t.Errorf("the browser told of %q", faults)
		}
	})
}

func waitCompleted(t *testing.T, base, id string) {
	t.Helper()
	client.Await(t, 50*time.Millisecond, func() string {
		if body := client.Result(t, base, "GetTask", client.ByID(id)); !strings.Contains(body, "TASK_STATE_COMPLETED") {
			return "it is not completed: " + body
		}
		return ""
	})
}

func TestPageServed(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) (base string){
		"local": func(t *testing.T) string { return localserver.Start(t) },
		"function URL": func(t *testing.T) string {
			_, url := stack.New(t, stack.Config{})
			return url
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := start(t)
			b := visit(t, base)
			b.send("Stream me a response!")
			b.wait(state + ` === 'Completed'`)
			b.equal(`$all('.artifact .parts')`, `["Your query 'Stream me a response!' has been processed successfully!"]`)
			b.equal(order, `"Events 1 to 6, in order: none missing, none twice."`)
			b.wait(`$text('#recent .state') === 'completed'`)
			b.checkClean(base)
		})
	}
}

func TestPageToken(t *testing.T) {
	t.Parallel()
	base, tokens := localserver.StartOIDC(t)
	token := tokens("alice")
	b := newBrowser(t)
	b.open(base + "/")
	b.equal(`$all('.skill h3')`, `["Streaming Response Generator"]`)
	b.focus("Message to the agent", false)
	b.send("Hello")
	b.wait(`$text('.card .alert').includes('a bearer token is required')`)
	b.equal(`document.activeElement.id`, `"token"`)
	b.write(token)
	b.press("Enter", false)
	// The extended card's skills.
	b.wait(`$all('.skill h3').join() === 'Streaming Response Generator,Input Request'`)
	// The message that was refused.
	b.wait(`$text('#recent-note') === 'None yet.' && document.activeElement.innerText === 'Send again'`)
	b.press("Enter", false)
	b.wait(state + ` === 'Completed'`)
	b.equal(`$all('.said')`, `["Hello\nReceived"]`)
	b.equal(`[localStorage.length, sessionStorage.length, document.cookie, history.state]`, `[0,0,"",null]`)

	// After a reload the token is gone, and the conversation waits for a new one.
	b.do(chromedp.Reload())
	b.wait(`$text('#recent-note') === 'Your conversations show when you have given a token.'`)
	b.equal(`$all('.said')`, `[]`)
	b.focus("Bearer token", false)
	b.write(token)
	b.press("Enter", false)
	b.becomes(`[$all('.said'), `+state+`]`, `[["Hello\nReceived"],"Completed"]`)
	for _, fault := range b.takeFaults() {
		if !strings.Contains(fault, "status of 401") {
			t.Error(fault)
		}
	}
	b.checkRequests(base)
}

// TestPageArtifacts shows that text grows across a cut connection, and that files can be saved.
func TestPageArtifacts(t *testing.T) {
	t.Parallel()
	x := teller{newPaced(t)}
	s := servePage(t, x)
	b := visit(t, s.URL)
	b.send("Tell me a story")
	x.step(t, 2)
	b.wait(`$text('.artifact .parts') === 'Once'`)
	x.step(t, 1)
	b.wait(`$text('.artifact .parts') === 'Once upon'`)
	s.CloseClientConnections()
	x.step(t, 1)
	b.wait(`$text('.artifact .parts') === 'Once upon a <b>time</b>'`)
	x.step(t, 2)
	b.wait(state + ` === 'Completed'`)
	b.equal(numbers, `"1 2–3 4 5 6"`)
	b.equal(marks, `["The stream was cut after event 3. Resuming with Last-Event-ID: 3"]`)
	b.equal(order, `"Events 1 to 6, in order: none missing, none twice."`)
	b.equal(`[$all('.artifact .data'), $all('.artifact .file'), $all('.artifact .text').at(-1)]`,
		`[["Data1 key\na1 item"],["table.csv\ntext/csv, 8 bytes","https://example.com/picture.png\nimage/png, Opens example.com"],"javascript:alert(1)"]`)
	b.equal(`[...document.querySelectorAll('.attachment')].map((a) => [a.protocol, a.download])`, `[["blob:","table.csv"],["https:",""]]`)
	b.takeFaults() // the cut connection's
	b.checkRequests(s.URL)
}
