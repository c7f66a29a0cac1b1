package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// trace gathers what the browser tells of its own work: https://chromedevtools.github.io/devtools-protocol/tot/Tracing/
type trace struct {
	mu     sync.Mutex
	events []traceEvent
	ended  chan bool // whether the trace has lost data
}

type traceEvent struct {
	Name     string  `json:"name"`
	Thread   int     `json:"tid"`
	Process  int     `json:"pid"`
	CPU      float64 `json:"tdur"` // µs
	Duration float64 `json:"dur"`  // µs
	Args     struct {
		Name any `json:"name"`
	} `json:"args"`
}

func newTrace() *trace { return &trace{ended: make(chan bool, 1)} }

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

// traced does something, and returns its figure, with the tasks of the page's main thread meanwhile: milliseconds of the processor.
func traced(ctx context.Context, t *trace, do func() (float64, error)) (figure float64, tasks []float64, err error) {
	t.mu.Lock()
	t.events = nil
	t.mu.Unlock()
	start := tracing.StartParams{TraceConfig: &tracing.TraceConfig{
		RecordMode: tracing.TraceConfigRecordModeRecordUntilFull, IncludedCategories: []string{"toplevel", "__metadata"}, ExcludedCategories: []string{"*"},
	}}
	if err := command(ctx, func(ctx context.Context) error { _, err := chromedp.Call(ctx, tracing.Start, start); return err }); err != nil {
		return 0, nil, err
	}
	figure, failed := do()
	if err := command(ctx, func(ctx context.Context) error { _, err := chromedp.Call(ctx, tracing.End, cdp.Empty{}); return err }); err != nil {
		return 0, nil, err
	}
	select {
	case lost := <-t.ended:
		if lost {
			return 0, nil, errors.New("the browser's trace is not whole")
		}
	case <-ctx.Done():
		return 0, nil, context.Cause(ctx)
	}
	if failed != nil {
		return 0, nil, failed
	}
	type thread struct{ process, thread int }
	t.mu.Lock()
	defer t.mu.Unlock()
	pages := map[thread]bool{}
	for _, e := range t.events {
		if e.Name == "thread_name" && e.Args.Name == "CrRendererMain" {
			pages[thread{e.Process, e.Thread}] = true
		}
	}
	for _, e := range t.events {
		if e.Name == "ThreadControllerImpl::RunTask" && pages[thread{e.Process, e.Thread}] {
			tasks = append(tasks, e.CPU/1000)
		}
	}
	if len(tasks) == 0 {
		return 0, nil, errors.New("the browser's trace has no tasks of the page")
	}
	return figure, tasks, nil
}

func command(ctx context.Context, f func(context.Context) error) error {
	return chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error { return f(ctx) }))
}
