package browser

import (
	"context"
	"os"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/client"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/chromedp/chromedp"
)

// pictured is the answer in the documents' pictures.
const pictured = "Each event is **in the table before you see it**, with its number. When the instance that runs a task dies:\n\n" +
	"1. your stream is cut after some event, here the third,\n2. another instance takes the task over,\n3. and you go on where you were:\n\n" +
	"```http\nGET /tasks/2dba5dbc-ca84:subscribe\nLast-Event-ID: 3\n```\n\n" +
	"| What dies | What is lost |\n|---|---|\n| a connection | nothing |\n| an instance | nothing |\n"

// TestPagePictures drops the connection in the middle of an answer, and resumes. With -update it
// writes docs/page.png and docs/page-dark.png.
func TestPagePictures(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	b := newBrowser(t)
	b.do(chromedp.EmulateViewport(1280, 1170))
	b.scheme("light")
	b.open(servePage(t, x).URL + "/")
	b.focus("Message to the agent", false)
	for question, end := range map[string]a2a.TaskState{"Stream me a response!": a2a.TaskStateCompleted, "Compare the two reports": a2a.TaskStateInputRequired} {
		b.send(question)
		x.status(t, end, "Which two?")
		b.wait(state + ` !== 'Sending' && !document.querySelector('.card[aria-busy=true]')`)
		b.activate("New conversation", false)
	}
	b.send("What happens when an instance dies?")
	x.status(t, a2a.TaskStateWorking, "Looking it up …")
	pieces := strings.SplitAfter(pictured, " ")
	x.chunks(t, pieces[0])
	b.wait(numbers + ` === '1 2 3'`)
	b.activate("Drop the connection", true)
	x.chunks(t, pieces[1:]...)
	x.status(t, a2a.TaskStateCompleted)
	b.press("Enter", false)
	b.wait(state + ` === 'Completed' && $text('.order')`)
	b.becomes(`$all('#recent .title').length`, `3`)
	b.equal(`$all('.artifact td')`, `["a connection","nothing","an instance","nothing"]`)
	if !*update {
		return
	}
	for scheme, file := range map[string]string{"light": "page.png", "dark": "page-dark.png"} {
		b.scheme(scheme)
		b.wait(`document.querySelector('#composer').getBoundingClientRect().top >= document.querySelector('#tasks').getBoundingClientRect().bottom`)
		b.picture("../../docs/" + file)
	}
}

// picture saves the window as a file.
func (b *browser) picture(file string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, client.Patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(file, png, 0o666)
	}
	localtest.Must(b.t, err)
}
