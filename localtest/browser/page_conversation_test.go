package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/chromedp/chromedp"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/stack"
)

// messages are the user's texts.
const messages = `$all('.said .parts')`

// TestPageReload shows that a reload, another tab and another browser find the conversation, and
// the task at work.
func TestPageReload(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	base := servePage(t, x).URL
	b := visit(t, base)
	b.send("First")
	x.status(t, a2a.TaskStateCompleted)
	b.wait(state + ` === 'Completed'`)
	b.send("Second")
	x.chunks(t, "One ")
	b.becomes(`$all('.artifact .parts')`, `["One"]`)
	b.becomes(`Object.keys(Object.fromEntries(new URLSearchParams(location.hash.slice(1))))`, `["context","task"]`)
	address := eval[string](b, `location.href`)

	b.reload()
	b.becomes(messages, `["First","Second"]`)
	b.becomes(`[`+state+`, $all('.artifact .parts'), `+numbers+`]`, `["Completed,Working",["One"],"1 2"]`)
	others := []*browser{b.tab(), b.another()}
	for _, other := range others {
		other.open(address)
		other.becomes(messages, `["First","Second"]`)
		other.becomes(`$all('.artifact .parts')`, `["One"]`)
	}
	x.chunks(t, "two")
	x.status(t, a2a.TaskStateCompleted, "Done")
	for _, b := range append(others, b) {
		b.front()
		b.becomes(`[`+state+`, $all('.artifact .parts'), $all('.order').at(-1)]`,
			`["Completed,Completed",["One two"],"Events 1 to 4, in order: none missing, none twice."]`)
	}
	// A third tab finds a final state that it has not seen.
	last := b.tab()
	last.open(address)
	last.becomes(`[`+state+`, $all('.artifact .parts')]`, `["Completed,Completed",["One two"]]`)
}

func TestPageHistory(t *testing.T) {
	t.Parallel()
	agent := newPaced(t)
	base := servePage(t, agent.demo()).URL
	b := visit(t, base)
	b.send("One")
	agent.step(t, 4)
	b.wait(state + ` === 'Completed'`)
	b.activate("New conversation", false)
	b.equal(`[location.hash, `+messages+`, document.activeElement.id]`, `["",[],"message"]`)
	b.send("Two")
	agent.step(t, 4)
	b.wait(state + ` === 'Completed'`)
	b.becomes(`$all('#recent .title')`, `["Two","One"]`)
	back := func() { eval[chromedp.Void](b, `history.back()`) }
	back()
	b.becomes(messages, `[]`)
	b.becomes(`location.hash`, `""`)
	back()
	b.becomes(messages, `["One"]`)
	b.becomes(`[`+state+`, $text('#recent [aria-current] .title')]`, `["Completed","One"]`)
	eval[chromedp.Void](b, `history.go(2)`)
	b.becomes(messages, `["Two"]`)
	b.becomes(`document.title`, `"Two – Streaming Demo Agent"`)

	// For an address that leads nowhere, the page says so.
	b.open(base + "/#context=none")
	b.becomes(`$text('#opening')`, `"This conversation is not here. It may have expired, or be another caller’s."`)
	b.navigate("about:blank")
	b.open(base + "/#task=none")
	b.becomes(`$text('#opening')`, `"This conversation is not here. It may have expired, or be another caller’s."`)
}

// TestPageRecent filters the list of conversations, and pages through it.
func TestPageRecent(t *testing.T) {
	t.Parallel()
	quick := newPaced(t)
	close(quick.next) // no step waits
	base := servePage(t, quick.demo()).URL
	for i := range 35 {
		text := fmt.Sprintf("Number %d", i)
		if i == 3 {
			text = " " // nothing to process
		}
		client.Result(t, base, "SendMessage", fmt.Sprintf(`{"message":{"role":"ROLE_USER","messageId":"m%d","parts":[{"text":%q}]}}`, i, text))
	}
	b := newBrowser(t)
	b.open(base + "/")
	b.becomes(`$all('#recent .title').length`, `30`)
	b.focus("Filter by words", false)
	b.write("number 2")
	b.becomes(`$all('#recent .title').sort()`, `["Number 20","Number 21","Number 22","Number 23","Number 24","Number 25","Number 26","Number 27","Number 28","Number 29"]`)
	b.activate("Older", false)
	b.becomes(`$all('#recent .title').includes('Number 2')`, `true`)
	b.focus("Filter by words", true)
	b.write("nobody said this")
	b.becomes(`$text('#recent-note')`, `"None of those that are loaded."`)
	eval[chromedp.Void](b, `(() => { const e = document.querySelector('#filter'); e.value = ''; e.dispatchEvent(new Event('input')) })()`)
	eval[chromedp.Void](b, `(() => { const e = document.querySelector('#filter-state'); e.value = 'input-required'; e.dispatchEvent(new Event('change')) })()`)
	b.becomes(`$all('#recent a')`, `["What should I process?\nwaits for you\n`+eval[string](b, `$text('#recent time')`)+`"]`)
}

// TestPageKilled kills the instance that runs a task: the page finds the rest of the answer.
func TestPageKilled(t *testing.T) {
	t.Parallel()
	s, url := stack.New(t, stack.Config{Agent: emulator.Config{Overtime: client.Patience}, Worker: emulator.Config{Overtime: client.Patience}})
	b := visit(t, url)
	b.send("Stream me a response!")
	b.wait(numbers + ` === '1 2'`)
	localtest.Must(t, s.Agent.Kill(runner(t, s)))
	b.wait(state + ` === 'Completed'`)
	b.equal(`[$all('.artifact .parts'), `+order+`]`,
		`[["Your query 'Stream me a response!' has been processed successfully!"],"Events 1 to 6, in order: none missing, none twice."]`)
	b.wait(marks + `[0].startsWith('The stream was cut after event ')`)
	b.reload()
	b.becomes(`[`+numbers+`, `+state+`]`, `["1 2 3 4 5 6","Completed"]`)
}

// runner waits until one instance of the agent is busy: it runs the task.
func runner(t *testing.T, s *stack.Stack) string {
	t.Helper()
	for end := time.Now().Add(client.Patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if busy := s.Agent.Busy(); len(busy) == 1 {
			return busy[0]
		}
	}
	t.Fatal("it is not one instance that is busy")
	return ""
}
