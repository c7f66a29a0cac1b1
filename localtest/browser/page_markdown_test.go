package browser

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// answer is the last artifact as the page shows it: elements without attributes.
const answer = `[...document.querySelectorAll('.artifact .prose')].at(-1)?.innerHTML.replace(/<(\w+)[^>]*>/g, '<$1>')`

// TestPageMarkdown shows that answers are rendered as Markdown, and never as HTML.
func TestPageMarkdown(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	b := visit(t, servePage(t, x).URL)
	for name, test := range map[string]struct{ text, want string }{
		"emphasis":      {"a *b* **c** ~~d~~ `e` 5*3*2 snake_case_name", `<p>a <em>b</em> <strong>c</strong> <s>d</s> <code>e</code> 5<em>3</em>2 snake_case_name</p>`},
		"headings":      {"# One\n\n## Two\n\n### Three", `<h5>One</h5><h5>Two</h5><h6>Three</h6>`},
		"lines":         {"one\ntwo\n---\nthree", `<p>one<br>two</p><hr><p>three</p>`},
		"lists":         {"- a\n- b\n  1. c\n\n3. d", `<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul><ol><li>d</li></ol>`},
		"quotation":     {"> a\n> b", `<blockquote><p>a<br>b</p></blockquote>`},
		"HTML":          {"<b>x</b> <img src=x onerror=alert(1)>\n\n<script>alert(1)</script>\n\n&lt; &amp;", `<p>&lt;b&gt;x&lt;/b&gt; &lt;img src=x onerror=alert(1)&gt;</p><p>&lt;script&gt;alert(1)&lt;/script&gt;</p><p>&amp;lt; &amp;amp;</p>`},
		"links":         {"[a](https://example.com/a) http://example.com/b <https://example.com/c>", `<p><a>a</a> <a>http://example.com/b</a> <a>https://example.com/c</a></p>`},
		"no links":      {"[a](javascript:alert(1)) [b](data:text/html,x) [c](//example.com) [d](mailto:a@example.com) [e](/f) ftp://example.com a@example.com example.com", `<p>[a](javascript:alert(1)) [b](data:text/html,x) [c](//example.com) [d](mailto:a@example.com) [e](/f) ftp://example.com a@example.com example.com</p>`},
		"image":         {"![a picture](https://example.com/a.png)", `<p><a>a picture</a></p>`},
		"code":          {"```go\nx := 1 // <b>\n```", `<div><div><span>go</span><button>Copy</button></div><pre><code>x := 1 // &lt;b&gt;</code></pre></div>`},
		"table":         {"| a | b |\n|---|--:|\n| 1 | <i>2 |", `<div><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>&lt;i&gt;2</td></tr></tbody></table></div>`},
		"unfinished":    {"**a `b", "<p>**a `b</p>"},
		"only a marker": {"#", `<h5></h5>`},
	} {
		ok := t.Run(name, func(t *testing.T) {
			b.t = t
			b.send("Go")
			x.artifact(t, "answer", a2a.NewTextPart(test.text))
			b.becomes(answer, jsonText(test.want))
			b.equal(`[...document.querySelectorAll('.artifact a')].filter((a) => !/^https?:$/.test(a.protocol) || a.target !== '_blank' || !a.relList.contains('noopener')).length`, `0`)
			x.status(t, a2a.TaskStateCompleted)
			b.wait(state + `.endsWith('Completed')`)
			b.equal(answer, jsonText(test.want))

			// In the pieces in which models write, the result is the same.
			b.send("Again")
			for piece := range strings.SplitAfterSeq(test.text, "") {
				x.chunks(t, piece)
			}
			x.status(t, a2a.TaskStateCompleted)
			b.wait(state + `.endsWith('Completed')`)
			b.becomes(answer, jsonText(test.want))
			b.activate("New conversation", false)
		})
		if b.t = t; !ok {
			return
		}
	}
	if faults := b.takeFaults(); len(faults) > 0 {
		t.Errorf("the page was at fault: %q", faults)
	}
}

// jsonText returns a string as JSON.stringify does.
func jsonText(s string) string {
	return strings.NewReplacer("\\u003c", "<", "\\u003e", ">", "\\u0026", "&").Replace(jsonOf(s))
}

// TestPageHalfWritten streams Markdown letter by letter. The page never takes back what it has
// shown: no marker appears and goes away, no block becomes another one.
func TestPageHalfWritten(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	b := visit(t, servePage(t, x).URL)
	b.send("Go")
	const address = "(https://example.com)"
	const text = "# Title\n\nSome **bold** and *slanted* and `code` text, a [link]" + address + " too.\n- one\n- **two**\n\n" +
		"1. first\n2. second\n\n| a | b |\n|---|---|\n| c | **d** |\n| *e* | `f` |\n\n```go\nx := 1\n```\n\n> said\n\nAn end"
	others := regexp.MustCompile(`[^a-zA-Z]`)
	x.chunks(t, "")
	// Each text that the page shows must begin the next one, with the same kinds of blocks.
	eval[chromedp.Void](b, `(() => {
		const seen = [];
		const look = () => {
			const prose = document.querySelector('.artifact .prose');
			const now = prose ? [...prose.children].map((e) => [e.nodeName, e.textContent]) : [];
			const last = seen.at(-1) ?? [];
			last.forEach(([name, text], i) => {
				if (!now[i] || now[i][0] !== name || !now[i][1].startsWith(text.trimEnd())) faults.push([name, text, now[i]]);
			});
			seen.push(now);
		};
		const faults = globalThis.flickers = [];
		globalThis.looks = seen;
		new MutationObserver(look).observe(document.querySelector('#tasks'), { childList: true, subtree: true, characterData: true });
	})()`)
	for i, piece := range strings.SplitAfter(text, "") {
		x.chunks(t, piece)
		b.wait(fmt.Sprintf(`$text('.event:last-child .number').endsWith('–%d')`, i+3)) // drawn
		// At most two lines are held back: a table's head and the one below it.
		lines := strings.SplitAfter(strings.ReplaceAll(text[:i+1], address, ""), "\n")
		want := others.ReplaceAllString(strings.Join(lines[:max(len(lines)-2, 0)], ""), "")
		if shown := others.ReplaceAllString(eval[string](b, `document.querySelector('.artifact .prose')?.textContent ?? ''`), ""); len(shown) < len(want) {
			t.Fatalf("after %q the page shows only %q", text[:i+1], shown)
		}
	}
	b.wait(`$text('.artifact').endsWith('An end')`)
	x.status(t, a2a.TaskStateCompleted)
	b.wait(state + ` === 'Completed'`)
	b.equal(`globalThis.flickers`, `[]`)
	if looks := eval[int](b, `globalThis.looks.length`); looks < len(text)/2 {
		t.Errorf("only %d states of the page were seen", looks)
	}
	b.equal(`[...document.querySelector('.artifact .prose').children].map((e) => e.nodeName).join()`, `"H5,P,UL,OL,DIV,DIV,BLOCKQUOTE,P"`)
}

func TestPageCopy(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	b := visit(t, servePage(t, x).URL)
	b.send("Go")
	x.artifact(t, "answer", a2a.NewTextPart("```sh\ngo run ./functions/agent\n```"))
	b.wait(`$text('.copy') === 'Copy'`)
	b.activate("Copy", true)
	b.wait(`$text('.copy') === 'Copied'`)
	b.focus("Message to the agent", false)
	b.paste()
	b.becomes(`document.activeElement.value`, `"go run ./functions/agent"`)
}

// paste pastes the clipboard at the focus.
func (b *browser) paste() {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{
			Type: input.DispatchKeyEventTypeKeyDown, Key: "v", Code: "KeyV", WindowsVirtualKeyCode: 'V', Modifiers: 2, Commands: []string{"paste"},
		})
		return err
	}))
}
