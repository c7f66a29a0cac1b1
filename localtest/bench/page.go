package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"

	"a2alambda/localtest"
	"a2alambda/localtest/bench/internal/load"
)

const (
	pageName = "page"
	longTask = 50.0 // ms; a longer task is long: https://www.w3.org/TR/longtasks-1/
)

// measurePage measures what the page costs its reader's browser, by the trace of headless Chromium.
func measurePage(ctx context.Context, b *bench, s *section) error {
	s.title = "The page"
	s.text = fmt.Sprintf("An answer of %s chunks of Markdown, 200 a second, shown as it comes; one of %s chunks as fast as it comes; and that "+
		"one again, from the reload of the page to its last event. In memory, in Chromium without a head or a GPU. Tasks are those of the "+
		"page's main thread, in the browser's own trace, of its processor's time: over 50 ms a reader notices.",
		figure(float64(b.pageChunks)), figure(float64(b.pageReplayed)))
	chromium, err := localtest.Install(ctx, "chromium")
	if err != nil {
		return err
	}
	r, err := b.named(memoryName + byHTTP).start(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	t := &trace{ended: make(chan bool, 1)}
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(t.listen))
	defer cancel()

	add := func(name, script string) error {
		b.say("%s", name)
		whole, longest, err := t.run(ctx, script)
		s.add(pageName, name+", whole", "ms", whole)
		s.add(pageName, name+", longest task", "ms", longest)
		return err
	}
	for _, sent := range []struct {
		name  string
		order load.Order
	}{
		{"streamed", load.Order{Events: b.pageChunks + 2, EveryMS: 5, Passage: true}},
		{"at once", load.Order{Events: b.pageReplayed + 2, Passage: true}},
	} {
		if err := chromedp.Do(ctx, chromedp.Navigate(r.url+"/#new"), chromedp.Reload()); err != nil {
			return err
		}
		if err := add(sent.name, fmt.Sprintf(`document.querySelector('#message').value = %q;
			document.querySelector('#composer').requestSubmit();`, sent.order)); err != nil {
			return err
		}
	}
	for range b.rounds {
		if err := add("replayed", ""); err != nil {
			return err
		}
	}
	return nil
}

// trace gathers what the browser says about its own work:
// https://chromedevtools.github.io/devtools-protocol/tot/Tracing/
type trace struct {
	mu     sync.Mutex
	events []traceEvent
	ended  chan bool // whether the trace has lost data
}

type traceEvent struct {
	Name    string  `json:"name"`
	Thread  int     `json:"tid"`
	Process int     `json:"pid"`
	CPU     float64 `json:"tdur"` // µs
	Args    struct {
		Name any `json:"name"`
	} `json:"args"`
}

func (t *trace) listen(event any) {
	switch e := event.(type) {
	case *tracing.EventDataCollected:
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, value := range e.Value {
			var event traceEvent
			if err := json.Unmarshal(value, &event); err == nil {
				t.events = append(t.events, event)
			}
		}
	case *tracing.EventTracingComplete:
		t.ended <- e.DataLossOccurred
	}
}

// run runs a script on the page or, without a script, reloads it. It returns the time in ms until
// the page shows the end of the task, and the longest task of its main thread.
func (t *trace) run(ctx context.Context, script string) (whole, longest float64, err error) {
	t.mu.Lock()
	t.events = nil
	t.mu.Unlock()
	begin := "performance.now()"
	if script == "" {
		begin = "0" // when the page was asked for
	}
	if err := t.switched(ctx, true); err != nil {
		return 0, 0, err
	}
	if script == "" {
		err = chromedp.Do(ctx, chromedp.Reload())
	}
	if err == nil {
		whole, err = chromedp.Run(ctx, chromedp.Evaluate[float64](fmt.Sprintf(`(() => {
			const begin = %s;
			%s
			return new Promise((resolve) => {
				const look = () => document.querySelector('.order')?.textContent ? resolve(performance.now() - begin) : setTimeout(look, 20);
				look();
			});
		})()`, begin, script), chromedp.EvalAwaitPromise))
	}
	if err := errors.Join(err, t.switched(ctx, false)); err != nil {
		return 0, 0, err
	}
	select {
	case lost := <-t.ended:
		if lost {
			return 0, 0, errors.New("the browser's trace is not whole")
		}
	case <-ctx.Done():
		return 0, 0, context.Cause(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	type thread struct{ process, thread int }
	pages := map[thread]bool{}
	for _, e := range t.events {
		if e.Name == "thread_name" && e.Args.Name == "CrRendererMain" {
			pages[thread{e.Process, e.Thread}] = true
		}
	}
	for _, e := range t.events {
		if e.Name == "ThreadControllerImpl::RunTask" && pages[thread{e.Process, e.Thread}] {
			longest = max(longest, e.CPU/1000)
		}
	}
	if longest == 0 {
		err = errors.New("the browser's trace has no tasks of the page")
	}
	return whole, longest, err
}

// switched begins or ends the trace.
func (t *trace) switched(ctx context.Context, on bool) error {
	return chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) (err error) {
		if on {
			_, err = chromedp.Call(ctx, tracing.Start, tracing.StartParams{TraceConfig: &tracing.TraceConfig{
				RecordMode:         tracing.TraceConfigRecordModeRecordUntilFull,
				IncludedCategories: []string{"toplevel", "__metadata"}, ExcludedCategories: []string{"*"},
			}})
		} else {
			_, err = chromedp.Call(ctx, tracing.End, cdp.Empty{})
		}
		return err
	}))
}
