// Package browser tests the agent's page in a browser: headless Chromium, used by keyboard.
package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []*network.Request
	// faults are the page's errors on the console, and the browser's: exceptions, what the policy
	// refused, failed requests.
	faults     []string
	exceptions []string
	changes    int // changes of the network that ended a request
}

// browsers limits how many tests have a browser at once, because each keeps a processor busy.
var browsers = make(chan struct{}, 2)

func newBrowser(t *testing.T) *browser {
	t.Helper()
	browsers <- struct{}{}
	t.Cleanup(func() { <-browsers })
	return startBrowser(t)
}

// visit starts a test's browser, which shows the agent at a URL. The focus is on the message box.
func visit(t *testing.T, url string) *browser {
	t.Helper()
	b := newBrowser(t)
	b.open(url + "/")
	b.focus("Message to the agent", false)
	return b
}

// another starts one more browser, which shares nothing with the first one.
func (b *browser) another() *browser {
	b.t.Helper()
	return startBrowser(b.t)
}

// A browser that has not started by then never does: on a busy machine one sometimes hangs.
const (
	startWithin = time.Minute
	starts      = 3
)

func startBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(localtest.Setup(t, "chromium")),
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en-US"),
		chromedp.WSURLReadTimeout(client.Patience),
	)
	for try := 1; ; try++ {
		b := &browser{t: t}
		ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
		b.ctx, _ = chromedp.NewContext(ctx, chromedp.WithListener(b.listen)) // ends with ctx
		started := make(chan error, 1)
		// The tab lives as long as the context with which it is opened.
		go func() { started <- chromedp.Do(b.ctx) }()
		var err error
		select {
		case err = <-started:
		case <-time.After(startWithin):
			err = errors.New("the browser does not start")
		}
		if err == nil {
			t.Cleanup(cancel)
			b.catch()
			b.do(chromedp.EmulateViewport(1280, 900))
			return b
		}
		cancel()
		if try == starts {
			t.Fatal(err)
		}
	}
}

// tab opens another tab in front.
func (b *browser) tab() *browser {
	b.t.Helper()
	other := &browser{t: b.t}
	var cancel context.CancelFunc
	other.ctx, cancel = chromedp.NewContext(b.ctx, chromedp.WithListener(other.listen), chromedp.WithNewWindow(false))
	b.t.Cleanup(cancel)
	other.catch()
	localtest.Must(b.t, chromedp.Do(other.ctx))
	other.do(chromedp.EmulateViewport(1280, 900))
	return other
}

// networkChanged is the browser's error when it gives up a request because this machine has got or
// lost a network interface or an address, as when a container starts. The page is not at fault: it
// asks again.
const networkChanged = "net::ERR_NETWORK_CHANGED"

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request)
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, fmt.Sprintf("exception: %s", jsonOf(e.ExceptionDetails)))
		b.exceptions = append(b.exceptions, jsonOf(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		b.faults = append(b.faults, fmt.Sprintf("console: %s", jsonOf(e.Args)))
	case *cdplog.EventEntryAdded:
		if strings.Contains(e.Entry.Text, networkChanged) {
			b.changes++
			return
		}
		b.faults = append(b.faults, fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
	}
}

func jsonOf(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// changed reports whether the page had to ask again, or resume a stream, because of this machine.
func (b *browser) changed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changes > 0
}

// takeFaults returns the faults since the last call.
func (b *browser) takeFaults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
}

// catch fails the test, at its end, if the page's scripts threw what they did not catch: whatever the
// test has done to the page, that is a fault of theirs.
func (b *browser) catch() {
	t := b.t
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.exceptions) > 0 {
			t.Errorf("the page threw %q", b.exceptions)
		}
	})
}

// checkClean checks that the page had no fault, and sent requests only to the base URL.
func (b *browser) checkClean(base string) {
	b.t.Helper()
	if faults := b.takeFaults(); len(faults) > 0 {
		b.t.Errorf("the page was at fault: %q", faults)
	}
	b.checkRequests(base)
}

func (b *browser) checkRequests(base string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.requests) == 0 {
		b.t.Error("the browser made no request")
	}
	for _, r := range b.requests {
		if u, err := url.Parse(r.URL); err != nil || u.Scheme != "data" && u.Scheme != "blob" && !strings.HasPrefix(r.URL, base+"/") {
			b.t.Errorf("the page asked for %s", r.URL)
		}
	}
}

// sent returns the values of a header in the requests with the text in their body.
func (b *browser) sent(header, text string) (values []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.requests {
		for _, part := range r.PostDataEntries {
			if value, ok := r.Headers[header]; ok && strings.Contains(string(part.Bytes), text) {
				values = append(values, fmt.Sprint(value))
			}
		}
	}
	return values
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, client.Patience)
	defer cancel()
	localtest.Must(b.t, chromedp.Do(ctx, steps...))
}

// open opens the page at the URL, and waits until it shows an agent.
func (b *browser) open(url string) {
	b.t.Helper()
	b.navigate(url)
	b.wait(`document.title !== 'A2A agent' && $text('#version')`)
}

// navigate goes to the URL. It tries again when the network changes.
func (b *browser) navigate(url string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, client.Patience)
	defer cancel()
	for {
		err := chromedp.Do(ctx, chromedp.Navigate(url))
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), networkChanged) {
			b.t.Fatal(err)
		}
	}
}

// reload loads the page again. When the network changes, the browser shows a page of its own; then
// reload tries again.
func (b *browser) reload() {
	b.t.Helper()
	for end := time.Now().Add(client.Patience); ; {
		b.do(chromedp.Reload())
		shown := eval[string](b, `document.body?.innerText ?? ''`)
		if !strings.Contains(shown, strings.TrimPrefix(networkChanged, "net::")) {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("the page does not load: %s", shown)
		}
	}
}

// eval evaluates a JavaScript expression. In it $text(selector) is the text that an element shows,
// and $all(selector) the texts of all such elements.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	value, err := evaluate[T](b, expression)
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

func evaluate[T any](b *browser, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, client.Patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](`(() => {
		const $shown = (e) => e?.checkVisibility() ? e.innerText.trim().replace(/\n\s*/g, '\n') : '';
		const $text = (selector) => $shown(document.querySelector(selector));
		const $all = (selector) => [...document.querySelectorAll(selector)].map($shown);
		return `+expression+`;
	})()`))
}

func (b *browser) wait(expression string) {
	b.t.Helper()
	for end := time.Now().Add(client.Patience); !eval[bool](b, "Boolean("+expression+")"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			text, err := evaluate[string](b, "document.body.innerText")
			b.t.Fatalf("%s did not come true; the page shows (%v)\n%s\nand was at fault with %q", expression, err, text, b.takeFaults())
		}
	}
}

// equal checks the value of an expression, as JSON.
func (b *browser) equal(expression, want string) {
	b.t.Helper()
	if got := eval[string](b, "String(JSON.stringify("+expression+"))"); got != want {
		b.t.Errorf("%s is\n%s\nwant\n%s", expression, got, want)
	}
}

// becomes waits until an expression has the value, as JSON.
func (b *browser) becomes(expression, want string) {
	b.t.Helper()
	client.Await(b.t, 10*time.Millisecond, func() string {
		if got := eval[string](b, "String(JSON.stringify("+expression+"))"); got != want {
			return fmt.Sprintf("%s is\n%s\nwant\n%s", expression, got, want)
		}
		return ""
	})
}

func (b *browser) write(text string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
		return err
	}))
}

// press presses Enter or Tab, with Shift if backwards is set.
func (b *browser) press(key string, backwards bool) {
	b.t.Helper()
	params := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Code: key}
	switch key {
	case "Enter":
		params.Text, params.WindowsVirtualKeyCode = "\r", 13
	case "Tab":
		params.WindowsVirtualKeyCode = 9
	default:
		b.t.Fatalf("no key %s", key)
	}
	if backwards {
		params.Modifiers = 8 // Shift
	}
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, input.DispatchKeyEvent, params); err != nil {
			return err
		}
		params.Type, params.Text = input.DispatchKeyEventTypeKeyUp, ""
		_, err := chromedp.Call(ctx, input.DispatchKeyEvent, params)
		return err
	}))
}

// send writes a message and sends it with Enter. The focus is on the message box.
func (b *browser) send(text string) {
	b.t.Helper()
	b.equal("document.activeElement.id", `"message"`)
	b.write(text)
	b.press("Enter", false)
	b.equal("document.activeElement.value", `""`)
}

// activate moves the focus to the element with this name, and presses Enter.
func (b *browser) activate(name string, backwards bool) {
	b.t.Helper()
	b.focus(name, backwards)
	b.press("Enter", false)
}

// focus presses Tab, or backwards Shift+Tab, until the focused element's name begins so.
func (b *browser) focus(name string, backwards bool) {
	b.t.Helper()
	var seen []string
	for range 100 {
		b.press("Tab", backwards)
		focused := eval[string](b, `((e) => e.labels?.[0]?.innerText ?? e.ariaLabel ?? e.innerText ?? '')(document.activeElement).trim()`)
		if seen = append(seen, focused); strings.HasPrefix(focused, name) {
			if !eval[bool](b, `document.activeElement.matches(':focus-visible') &&
				[document.activeElement, document.activeElement.parentElement].some((e) => getComputedStyle(e).outlineStyle !== 'none')`) {
				b.t.Errorf("nothing shows that %q has the focus", name)
			}
			return
		}
	}
	b.t.Fatalf("the keyboard does not get to %q, only to %q", name, seen)
}

// online tells the browser whether there is a network.
func (b *browser) online(is bool) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: !is, DownloadThroughput: -1, UploadThroughput: -1})
		return err
	}))
}

// scheme switches the user's colours to light or dark.
func (b *browser) scheme(name string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err
	}))
}
