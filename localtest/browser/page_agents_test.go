package browser

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
	"a2alambda/internal/page"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest/client"
)

// paced takes a step when the test lets it.
type paced struct {
	next chan struct{}
	end  <-chan struct{} // closed when the test ends
}

func newPaced(t *testing.T) paced { return paced{make(chan struct{}), t.Context().Done()} }

func (p paced) wait(ctx context.Context) error {
	select {
	case <-p.next:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.end:
		return errors.New("the test has ended")
	}
}

func (p paced) step(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case p.next <- struct{}{}:
		case <-time.After(client.Patience):
			t.Fatal("nobody waits for the next step")
		}
	}
}

func (p paced) demo() *demoagent.Executor {
	quick := demoagent.New()
	quick.Delay = 0
	return &demoagent.Executor{Stream: func(ctx context.Context, query string, said int) iter.Seq2[demoagent.Step, error] {
		return func(yield func(demoagent.Step, error) bool) {
			for step, err := range quick.Stream(ctx, query, said) {
				if wait := p.wait(ctx); wait != nil {
					yield(demoagent.Step{}, wait)
					return
				}
				if !yield(step, err) {
					return
				}
			}
		}
	}}
}

func servePage(t *testing.T, x a2asrv.AgentExecutor) *httptest.Server {
	return servePageOf(t, new(memlog.Log), x)
}

func servePageOf(t *testing.T, l tasklog.Store, x a2asrv.AgentExecutor) *httptest.Server {
	host := hosttest.New(l, x, slog.New(slog.NewTextHandler(t.Output(), nil)))
	host.Page = page.New(host.Server.Runner.Durable())
	s := httptest.NewServer(a2ahttp.New(host))
	t.Cleanup(s.Close)
	return s
}

type teller struct{ paced }

func (x teller) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		story := a2a.NewArtifactEvent(ec, a2a.NewTextPart("Once"))
		story.Artifact.Name = "story"
		file := a2a.NewRawPart([]byte("a,b\n1,2\n"))
		file.Filename, file.MediaType = "table.csv", "text/csv"
		link := a2a.NewFileURLPart("https://example.com/picture.png", "image/png")
		script := a2a.NewFileURLPart("javascript:alert(1)", "")
		events := []a2a.Event{
			a2a.NewSubmittedTask(ec, ec.Message), story,
			a2a.NewArtifactUpdateEvent(ec, story.Artifact.ID, a2a.NewTextPart(" upon")),
			a2a.NewArtifactUpdateEvent(ec, story.Artifact.ID, a2a.NewTextPart(" a <b>time</b>")),
			a2a.NewArtifactEvent(ec, a2a.NewDataPart(map[string]any{"a": []int{1}}), file, link, script),
			a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil),
		}
		for _, e := range events {
			if err := x.wait(ctx); err != nil {
				yield(nil, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (x teller) Cancel(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCanceled, nil), nil)
	}
}
