package browser

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/chromedp"

	"a2alambda/localtest"
)

func raw(data []byte, name, mediaType string) *a2a.Part {
	p := a2a.NewRawPart(data)
	p.Filename, p.MediaType = name, mediaType
	return p
}

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	localtest.Must(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 30, 20))))
	return b.Bytes()
}

// sound is a WAV file: a tenth of a second of silence.
func sound() []byte {
	const samples = 800
	var b bytes.Buffer
	b.WriteString("RIFF")
	_ = binary.Write(&b, binary.LittleEndian, uint32(36+samples))
	b.WriteString("WAVEfmt ")
	for _, v := range []any{uint32(16), uint16(1), uint16(1), uint32(8000), uint32(8000), uint16(1), uint16(8)} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(samples))
	b.Write(bytes.Repeat([]byte{128}, samples))
	return b.Bytes()
}

// TestPageParts shows each part as its media type says.
func TestPageParts(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	s := servePage(t, x)
	b := visit(t, s.URL)
	b.send("Show me")
	page := `<script>document.title='no'</script>`
	x.artifact(t, "files",
		raw(picture(t), "picture.png", "image/png"), raw(sound(), "sound.wav", "audio/wav"),
		raw([]byte(page), "page.html", "text/html"), raw([]byte(page), "gpj.\u202eexe", "image/png"))
	plain := a2a.NewTextPart("**as it is**")
	plain.MediaType = "text/plain"
	many := make([]int, 250)
	x.artifact(t, "data", plain, a2a.NewDataPart(map[string]any{"list": many, "text": "<b>", "none": nil, "deep": map[string]any{"er": true}}))
	x.status(t, a2a.TaskStateCompleted)
	b.wait(state + ` === 'Completed'`)

	// What is no image goes away.
	b.becomes(`[...document.images].map((i) => [i.naturalWidth, i.naturalHeight, i.alt])`, `[[30,20,"Image picture.png"]]`)
	b.becomes(`[...document.querySelectorAll('audio')].map((a) => [a.duration, a.controls])`, `[[0.1,true]]`)
	b.equal(`[...document.querySelectorAll('.attachment')].map((a) => [a.querySelector('bdi').textContent, a.querySelector('.soft').textContent, a.download])`,
		fmt.Sprintf(`[["picture.png","image/png, %[1]d bytes","picture.png"],["sound.wav","audio/wav, 844 bytes","sound.wav"],`+
			`["page.html","text/html, %[2]d bytes","page.html"],["gpj.[U+202E]exe","image/png, %[2]d bytes","gpj.[U+202E]exe"]]`, len(picture(t)), len(page)))
	// No file opens as a page of this origin, whatever its media type says.
	eval[chromedp.Void](b, `void fetch(document.querySelectorAll('.attachment')[2].href).then((r) => r.blob()).then((f) => { globalThis.opened = f.type }, (e) => { globalThis.opened = e.name })`)
	// The policy allows requests to the page's own server only.
	b.becomes(`globalThis.opened`, `"TypeError"`)
	b.takeFaults()
	b.equal(`$text('.artifact .text')`, `"**as it is**"`)

	b.equal(`$all('.data summary, .data .leaf').filter((s) => s)`, `["Data4 keys","deep1 key","list250 items","nonenull","text<b>"]`)
	b.activate("list", true)
	b.becomes(`$all('.data .data, .data details details > ul > li').filter((s) => s).length`, `101`)
	b.activate("150 more", false)
	b.becomes(`$all('.data details details > ul > li').filter((s) => s).length`, `201`)
	b.equal(`document.title.endsWith('Streaming Demo Agent')`, `true`)
	b.checkRequests(s.URL)
}

// TestPageAttach attaches files: from the picker, dropped, pasted. Before it sends, the page
// refuses what is too large, or of a type that the agent does not take.
func TestPageAttach(t *testing.T) {
	t.Parallel()
	x := newScripted(t)
	s := servePage(t, x)
	b := newBrowser(t)
	b.open(s.URL + "/")
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		localtest.Must(t, os.WriteFile(path, data, 0o600))
		return path
	}
	choose := func(files ...string) {
		b.do(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
			root, err := chromedp.Call(ctx, dom.GetDocument, dom.GetDocumentParams{})
			if err != nil {
				return err
			}
			node, err := chromedp.Call(ctx, dom.QuerySelector, dom.QuerySelectorParams{NodeID: root.Root.NodeID, Selector: "#files"})
			if err != nil {
				return err
			}
			_, err = chromedp.Call(ctx, dom.SetFileInputFiles, dom.SetFileInputFilesParams{NodeID: node.NodeID, Files: files})
			return err
		}))
	}
	chips := `$all('#attached li')`
	choose(file("notes.txt", []byte("# Notes")), file("data.json", []byte(`{"a":1}`)))
	b.becomes(chips, `["notes.txt\n7 bytes\n×","data.json\n7 bytes\n×"]`)
	choose(file("picture.png", picture(t)))
	b.becomes(`$text('#complaint')`, `"picture.png was not attached: the agent does not take image/png, but text/plain, text/markdown, text/html, text/csv."`)
	choose(file("large.txt", bytes.Repeat([]byte("x"), 4_000_000)))
	b.becomes(`$text('#complaint')`, `"large.txt was not attached: with 4.0 MB it is too much. A message takes 4.0 MB of files."`)
	b.equal(chips, `["notes.txt\n7 bytes\n×","data.json\n7 bytes\n×"]`)
	b.activate("Remove data.json", false)
	b.becomes(chips, `["notes.txt\n7 bytes\n×"]`)
	b.equal(`[document.activeElement.id, $text('#complaint')]`, `["message",""]`)

	transfer := `const files = new DataTransfer(); files.items.add(new File(['%s'], '%s', { type: 'text/plain' }));`
	eval[chromedp.Void](b, `(() => { `+fmt.Sprintf(transfer, "dropped", "a.txt")+`
		dispatchEvent(new DragEvent('dragenter', { dataTransfer: files }));
		globalThis.over = $text('#drop');
		dispatchEvent(new DragEvent('drop', { dataTransfer: files, cancelable: true })); })()`)
	b.becomes(`[globalThis.over, $text('#drop')]`, `["Drop the files here",""]`)
	eval[chromedp.Void](b, `(() => { `+fmt.Sprintf(transfer, "pasted", "b.txt")+`
		document.querySelector('#message').dispatchEvent(new ClipboardEvent('paste', { clipboardData: files, bubbles: true, cancelable: true })); })()`)
	b.becomes(`$all('#attached bdi')`, `["notes.txt","a.txt","b.txt"]`)

	b.press("Enter", false) // files without text are a message
	b.becomes(`$all('.said .file')`, `["notes.txt\ntext/plain, 7 bytes","a.txt\ntext/plain, 7 bytes","b.txt\ntext/plain, 6 bytes"]`)
	b.becomes(`[$all('#attached li'), $text('.delivery')]`, `[[],"Received"]`)
	x.status(t, a2a.TaskStateCompleted)
	b.wait(state + ` === 'Completed'`)
	b.becomes(`$all('#recent .title')`, `["notes.txt a.txt b.txt"]`)

	// The largest file that is allowed arrives.
	choose(file("largest.txt", []byte(strings.Repeat("x", 3_999_999))))
	b.becomes(chips, `["largest.txt\n4.0 MB\n×"]`)
	b.send("Here")
	x.status(t, a2a.TaskStateCompleted)
	b.wait(state + ` === 'Completed,Completed'`)
	b.equal(`$all('.said').at(-1)`, `"Here\nlargest.txt\ntext/plain, 4.0 MB\nReceived"`)
	if faults := b.takeFaults(); len(faults) > 0 {
		t.Errorf("the page was at fault: %q", faults)
	}
}
