package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/chromedp/chromedp"
)

// TestPageMany shows 20,000 chunks once, live and replayed, in at most a row per chunk.
func TestPageMany(t *testing.T) {
	t.Parallel()
	const chunks, lines = 20_000, 1000
	x := newScripted(t)
	b := visit(t, servePage(t, x).URL)
	b.send("Go")
	var all []string
	var want strings.Builder
	for i := range chunks {
		text := fmt.Sprintf("w%d ", i)
		if i%(chunks/lines) == chunks/lines-1 {
			text += "\n\n"
		}
		all = append(all, text)
		want.WriteString(strings.TrimSpace(text) + " ")
	}
	x.chunks(t, all...)
	x.status(t, a2a.TaskStateCompleted)
	for range 2 { // live, and replayed
		b.wait(state + ` === 'Completed' && $text('.order')`)
		b.becomes(`[`+numbers+`, `+order+`, document.querySelectorAll('.artifact p:not(.about)').length]`,
			`["1 2–20001 20002","Events 1 to 20002, in order: none missing, none twice.",1000]`)
		b.wait(`document.querySelector('.artifact p:last-child').textContent.trim() === 'w19980 ` + strings.TrimSpace(want.String()[strings.Index(want.String(), "w19981 "):]) + `'`)
		if got := eval[string](b, `[...document.querySelectorAll('.artifact p:not(.about)')].map((p) => p.textContent.trim()).join(' ')`); got != strings.TrimSpace(want.String()) {
			t.Errorf("the answer has %d characters, want %d", len(got), want.Len())
		}
		b.reload()
	}
}

// TestPageManyStates shows the newest part of a timeline that is too long.
func TestPageManyStates(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	b := visit(t, servePage(t, x).URL)
	b.send("Go")
	x.say(t, func(ec *a2asrv.ExecutorContext) (events []a2a.Event) {
		for i := range 2000 {
			events = append(events, a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart(fmt.Sprint(i)))))
		}
		return events
	})
	x.status(t, a2a.TaskStateCompleted)
	b.wait(state + ` === 'Completed' && ` + numbers + `.endsWith(' 2002')`)
	b.equal(`[$all('.event').length, `+order+`]`, `[500,"Events 1 to 2002, in order: none missing, none twice."]`)
}

// TestPageScroll shows that new text scrolls into view, unless the reader has scrolled away.
func TestPageScroll(t *testing.T) {
	t.Parallel()
	// The conversation scrolls on a wide page, and the whole page on a narrow one.
	for _, width := range []int64{1280, 360} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			t.Parallel()
			x := newScripted(t)
			b := newBrowser(t)
			b.do(chromedp.EmulateViewport(width, 740))
			b.open(servePage(t, x).URL + "/")
			b.focus("Message to the agent", false)
			b.send("Go")
			paragraphs := func(from, n int) {
				var all []string
				for i := range n {
					all = append(all, fmt.Sprintf("Paragraph %d has some words.\n\n", from+i))
				}
				x.chunks(t, all...)
			}
			const last = `[...document.querySelectorAll('.artifact p')].at(-1)`
			inSight := last + `.getBoundingClientRect().bottom <= document.querySelector('#composer').getBoundingClientRect().top`
			paragraphs(0, 60)
			b.wait(last + `?.textContent === 'Paragraph 59 has some words.' && ` + inSight)

			scroll := func(by int) {
				b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(document.querySelector('#conversation').scrollBy(0, %[1]d), scrollBy(0, %[1]d), undefined)`, by)))
			}
			scroll(-700)
			b.becomes(`$text('#latest')`, `"Newest"`)
			place := eval[float64](b, `[...document.querySelectorAll('.artifact p')][30].getBoundingClientRect().top`)
			paragraphs(60, 60)
			b.wait(last + `.textContent === 'Paragraph 119 has some words.'`)
			b.equal(`Math.abs([...document.querySelectorAll('.artifact p')][30].getBoundingClientRect().top - `+fmt.Sprint(place)+`) < 2`, `true`)
			b.focus("Newest", true)
			b.press("Enter", false)
			b.wait(inSight)
			b.equal(`[$text('#latest'), document.activeElement.id]`, `["","message"]`)
			paragraphs(120, 60)
			b.wait(last + `.textContent === 'Paragraph 179 has some words.' && ` + inSight)
			x.status(t, a2a.TaskStateCompleted)
			b.wait(state + ` === 'Completed'`)
		})
	}
}
