package browser

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/chromedp/chromedp"

	"a2alambda/localtest"
)

// rich is an answer with every kind of Markdown.
const rich = "# Title\n\nSome **bold** text, `code`, and a [link](https://example.com).\n\n- one\n- two\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n" +
	"```go\nx := 1\n```\n\n> said\n\n---\n\n### More"

// TestPageAccessible runs axe-core on the page in every state, light and dark, wide and narrow:
// https://github.com/dequelabs/axe-core
func TestPageAccessible(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile(localtest.Setup(t, "axe"))
	localtest.Must(t, err)
	x := newScripted(t)
	server, base := serveRefusing(t, x)
	b := newBrowser(t)
	b.scheme("light")
	b.open(base + "/")
	b.do(chromedp.Evaluate[chromedp.Void](string(script) + "; undefined"))
	check := func(state string) {
		t.Helper()
		for _, size := range []int64{1280, 360} {
			b.do(chromedp.EmulateViewport(size, 900))
			for _, scheme := range []string{"light", "dark"} {
				b.scheme(scheme)
				eval[chromedp.Void](b, `void axe.run(document, { resultTypes: ['violations'] }).then(({ violations, passes }) => {
					globalThis.checked = [passes.length > 10, violations.flatMap(({ id, help, nodes }) => nodes.map((n) => [id, help, n.html, n.failureSummary]))];
				}, (error) => { globalThis.checked = [String(error)] })`)
				b.wait(`globalThis.checked`)
				if got := eval[string](b, `JSON.stringify(globalThis.checked)`); got != `[true,[]]` {
					t.Errorf("%s, %s, %d wide: %s", state, scheme, size, got)
				}
				eval[chromedp.Void](b, `void delete globalThis.checked`)
			}
		}
		b.do(chromedp.EmulateViewport(1280, 900))
	}
	check("empty")
	b.focus("Message to the agent", false)
	server.refuse("SendStreamingMessage", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	b.send("Hello")
	b.wait(`$text('.link') === 'Connection lost. Trying again …'`)
	check("sending, without a connection")
	server.refuse("", nil)
	b.wait(state + ` === 'Queued'`)
	check("queued")
	x.status(t, a2a.TaskStateWorking, "Thinking about it")
	x.chunks(t, rich, "\n\nand then")
	b.wait(`$text('.artifact').endsWith('and then')`)
	check("working")
	b.activate("Drop the connection", true)
	b.wait(marks + `.at(-1).startsWith('You dropped the connection')`)
	check("dropped")
	b.press("Enter", false)
	x.artifact(t, "files", raw(picture(t), "a.png", "image/png"), raw(sound(), "a.wav", "audio/wav"), raw([]byte("x"), "a.bin", ""),
		a2a.NewDataPart(map[string]any{"list": []int{1, 2}, "text": "words", "none": nil, "yes": true}), a2a.NewFileURLPart("https://example.com/a", "text/html"))
	x.status(t, a2a.TaskStateInputRequired, "Which one?")
	b.wait(state + ` === 'Waits for you'`)
	check("waits")
	b.send("That")
	x.status(t, a2a.TaskStateCompleted)
	b.wait(state + ` === 'Completed'`)
	b.activate("Raw frames", true)
	b.wait(`$text('.frames')`)
	check("completed, with frames")
	for _, end := range []a2a.TaskState{a2a.TaskStateFailed, a2a.TaskStateRejected, a2a.TaskStateCanceled, a2a.TaskStateAuthRequired} {
		b.focus("Message to the agent", false)
		b.send("Again")
		x.status(t, end, "So it is")
		b.wait(`$all('.task h3').at(-1) === '` + map[a2a.TaskState]string{
			a2a.TaskStateFailed: "Failed", a2a.TaskStateRejected: "Rejected", a2a.TaskStateCanceled: "Canceled", a2a.TaskStateAuthRequired: "Waits for an authorization",
		}[end] + `'`)
	}
	server.refuse("SendStreamingMessage", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}`))
	})
	b.focus("Your answer to the agent", false)
	b.send("And this")
	b.wait(`$all('.delivery').at(-1) === 'Not sent'`)
	check("every end, and refused")
	b.navigate("about:blank")
	b.open(base + "/#context=none")
	b.do(chromedp.Evaluate[chromedp.Void](string(script) + "; undefined"))
	b.wait(`$text('#opening')`)
	check("nothing there")
}

// TestPageHeard shows what a screen reader reads out: the states, and the answer by sentences.
func TestPageHeard(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	b := visit(t, servePage(t, x).URL)
	b.send("Go")
	said := `[...document.querySelectorAll('#said p')].map((p) => p.textContent)`
	for _, piece := range strings.SplitAfter("One two three. Four **five** six. Sev", " ") {
		x.chunks(t, piece)
	}
	// States and sentences that come together are read out together.
	b.wait(said + `.at(-1)?.endsWith('Four five six.')`)
	b.equal(said+`.filter((s) => s !== 'Queued').join(' ')`, `"Sending Working One two three. Four five six."`)
	x.chunks(t, "en.\n\n```go\na\nb\n```\n\nThe ", "end")
	b.becomes(said+`.slice(-2)`, `["Seven.","Code, 2 lines."]`)
	x.status(t, a2a.TaskStateInputRequired, "And now?")
	b.becomes(said+`.slice(-3).sort()`, `["And now?","The end","Waits for you"]`)
	b.equal(`[document.querySelector('#said').ariaLive, document.querySelectorAll('[aria-live], [role=log]').length]`, `["polite",1]`)

	// Only what comes now is read out, not what was read out before.
	b.send("More")
	x.chunks(t, " of it. ", "New")
	b.wait(said + `.includes('of it.')`)
	b.reload()
	b.wait(`$text('.artifact').endsWith('New')`)
	b.equal(said, `[]`)
	// What comes within 100 ms may have been said before. A keep-alive shows that there was a
	// pause.
	b.activate("Raw frames", false)
	b.wait(`$all('.frames .received').at(-1)?.startsWith(':')`)
	x.chunks(t, " words.", " Last")
	b.wait(said + `.at(-1)?.endsWith('words.')`)
	if heard := eval[string](b, said+`.join()`); strings.Contains(heard, "One two") {
		t.Errorf("after a reload it tells %q", heard)
	}
}

// TestPageRightToLeft shows each text in its own writing direction.
func TestPageRightToLeft(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	b := visit(t, servePage(t, x).URL)
	b.send("שלום")
	x.artifact(t, "תשובה", a2a.NewTextPart("# כותרת\n\nשלום **עולם**\n\n- אחד\n\nHello"))
	b.wait(`document.querySelectorAll('.artifact .prose > *').length === 4`)
	directions := `[...document.querySelectorAll('.said .text, .artifact .name, .artifact .prose > *, .recent .title')].map((e) => getComputedStyle(e).direction)`
	b.becomes(directions, `["rtl","rtl","rtl","rtl","rtl","rtl","ltr"]`)
}

// pale returns the texts on the page whose contrast is below 4.5 to 1:
// https://www.w3.org/TR/WCAG22/#contrast-minimum
const pale = `(() => {
	const channels = (color) => color.match(/[\d.]+/g).map(Number);
	const luminance = (color) => {
		const [r, g, b] = channels(color).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const background = (e) => {
		const color = e ? getComputedStyle(e).backgroundColor : 'rgb(255, 255, 255)';
		return channels(color)[3] === 0 ? background(e.parentElement) : color;
	};
	const shown = [...document.body.querySelectorAll('*')].filter((e) => e.checkVisibility() &&
		[...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim()));
	if (!shown.length) return ['nothing is shown'];
	return shown.flatMap((e) => {
		const [dark, light] = [luminance(getComputedStyle(e).color), luminance(background(e))].sort((a, b) => a - b);
		const ratio = (light + 0.05) / (dark + 0.05);
		return ratio < 4.5 ? [e.innerText + ': ' + ratio.toFixed(1)] : [];
	});
})()`
