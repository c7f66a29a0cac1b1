package main

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/chromedp/chromedp"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/memlog"
	"a2alambda/internal/page"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/localtest"
)

const (
	longTask     = 50.0 // ms from which on a task is long: https://www.w3.org/TR/longtasks-1/
	chunkSeconds = 200  // chunks a second that are streamed
)

// measurePage measures what the page costs its reader's browser, by the browser's own trace: Chromium's, without a head.
func measurePage(ctx context.Context, b *bench) (section, error) {
	chromium, err := localtest.Install(ctx, "chromium")
	if err != nil {
		return section{}, err
	}
	base, end, err := servePage(b)
	if err != nil {
		return section{}, err
	}
	defer end()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.WindowSize(1280, 900))
	ctx, cancel := chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	trace := newTrace()
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(trace.listen))
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(base+"/")); err != nil {
		return section{}, err
	}

	b.say("%d chunks, %d a second", b.pageChunks, chunkSeconds)
	live, liveTasks, err := traced(ctx, trace, func() (float64, error) {
		return whole(ctx, fmt.Sprintf(`(() => {
			document.querySelector('#message').value = '%d %d';
			document.querySelector('#composer').requestSubmit();
		})()`, b.pageChunks, time.Second.Microseconds()/chunkSeconds))
	})
	if err != nil {
		return section{}, err
	}
	b.say("%d chunks at once", b.pageReplayed)
	if err := chromedp.Do(ctx, chromedp.Navigate(base+"/#new"), chromedp.Reload()); err != nil {
		return section{}, err
	}
	burst, burstTasks, err := traced(ctx, trace, func() (float64, error) {
		return whole(ctx, fmt.Sprintf(`(() => {
			document.querySelector('#message').value = '%d 0';
			document.querySelector('#composer').requestSubmit();
		})()`, b.pageReplayed))
	})
	if err != nil {
		return section{}, err
	}
	var replays, replayTasks []float64
	for range b.rounds {
		b.say("%d chunks replayed", b.pageReplayed)
		_, tasks, err := traced(ctx, trace, func() (float64, error) {
			if err := chromedp.Do(ctx, chromedp.Reload()); err != nil {
				return 0, err
			}
			took, err := whole(ctx, "undefined")
			replays = append(replays, took)
			return took, err
		})
		if err != nil {
			return section{}, err
		}
		replayTasks = append(replayTasks, tasks...)
	}

	s := section{
		title: "The page",
		text: fmt.Sprintf("An answer of %d chunks of Markdown, %d a second, shown as it comes; one of %d chunks as fast as it comes; and that one again, "+
			"from the reload of the page to its last event. In memory, in Chromium without a head or a GPU. Tasks are those of the page's main thread, in "+
			"the browser's own trace, in milliseconds of its processor's time: over 50 ms a reader notices.", b.pageChunks, chunkSeconds, b.pageReplayed),
		table: table{head: []string{"", "whole, ms", "longest task, ms", "p99", "tasks over 50 ms"}},
	}
	add := func(name string, whole, tasks []float64) {
		s.table.add(name, figure(percentile(whole, 50)), figure(percentile(tasks, 100)), figure(percentile(tasks, 99)), fmt.Sprint(over(tasks)))
		s.samples = append(s.samples, series{"page", name + ", whole", "ms", whole}, series{"page", name + ", longest task", "ms", []float64{percentile(tasks, 100)}})
	}
	add("streamed", []float64{live}, liveTasks)
	add("at once", []float64{burst}, burstTasks)
	add("replayed", replays, replayTasks)
	fastest := percentile(replays, 50)
	s.targets = []target{
		{fmt.Sprintf("%d chunks, %d a second, make no task longer than 50 ms (%s)", b.pageChunks, chunkSeconds, figure(percentile(liveTasks, 100))), over(liveTasks) == 0},
		{fmt.Sprintf("%d chunks are replayed in a second (%s ms)", b.pageReplayed, figure(fastest)), fastest <= 1000},
	}
	return s, nil
}

func over(tasks []float64) (n int) {
	for _, t := range tasks {
		if t > longTask {
			n++
		}
	}
	return n
}

// whole runs a script on the page, and returns when the page shows that the task has ended, in ms: since the script ran or, where it does
// nothing, since the page was asked for.
func whole(ctx context.Context, script string) (float64, error) {
	return chromedp.Run(ctx, chromedp.Evaluate[float64](fmt.Sprintf(`(() => {
		const script = %q;
		const begin = script === 'undefined' ? 0 : performance.now();
		%s;
		return new Promise((resolve) => {
			const look = () => document.querySelector('.order')?.textContent ? resolve(performance.now() - begin) : setTimeout(look, 20);
			look();
		});
	})()`, script, script), chromedp.EvalAwaitPromise))
}

// servePage serves the page with an agent that writes Markdown.
func servePage(b *bench) (base string, end func(), err error) {
	log := new(memlog.Log)
	logger := slog.New(slog.NewTextHandler(b.log, nil))
	runner := &run.Runner{Log: log, Executor: writer{}, Logger: logger}
	runner.Invoke = func(ctx context.Context, id a2a.TaskID) error { return runner.Work(context.WithoutCancel(ctx), id) }
	handler := a2ahttp.New(a2ahttp.Config{
		Server: &server.Server{Log: log, Runner: runner, Retention: time.Hour, Card: demoagent.Card()},
		Auth:   auth.None(), BaseURL: functionurl.BaseURL, Page: page.New(), Logger: logger,
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }()
	return "http://" + l.Addr().String(), func() { s.Close() }, nil
}

// writer is an agent that writes so many chunks of Markdown, one every so many microseconds: its message is these two numbers.
type writer struct{}

// passage is what it writes, again and again, a word at a time.
const passage = "## What came of it\n\nThe **first** run took a second, and the next `one` took half of it, as [was said](https://example.com).\n\n" +
	"- a point that is made\n- and another, *with* a twist\n\n| run | took |\n|---|--:|\n| first | 1 s |\n| next | 0.5 s |\n\n" +
	"```go\nfor i := range runs {\n\tmeasure(i)\n}\n```\n\n"

func (writer) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		var chunks, every int
		if _, err := fmt.Sscan(ec.Message.Parts[0].Text(), &chunks, &every); err != nil {
			yield(nil, err)
			return
		}
		if !yield(a2a.NewSubmittedTask(ec, ec.Message), nil) {
			return
		}
		words := strings.SplitAfter(passage, " ")
		begin := time.Now()
		for i := range chunks {
			select {
			case <-time.After(time.Until(begin.Add(time.Duration(i*every) * time.Microsecond))):
			case <-ctx.Done():
				yield(nil, context.Cause(ctx))
				return
			}
			e := a2a.NewArtifactUpdateEvent(ec, "answer", a2a.NewTextPart(words[i%len(words)]))
			e.LastChunk = i == chunks-1
			if !yield(e, nil) {
				return
			}
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	}
}

func (writer) Cancel(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCanceled, nil), nil)
	}
}
