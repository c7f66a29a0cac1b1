package a2ahttp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/dialect"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) WriteHeader(int)             {}
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) FlushError() error           { return nil }

// frames returns a stream in the dialect that nobody reads, and an event for it.
func frames(b *testing.B, d *dialect.Dialect) (*sseResponder, tasklog.Event) {
	h, _ := tasklogtest.NewTask()
	r := httptest.NewRequestWithContext(context.WithValue(b.Context(), observationKey{}, new(observation)), "POST", "/", nil)
	s := &sseResponder{jsonResponder: jsonResponder{&handler{}, discard{http.Header{}}, r, &request{binding: rpc{}, dialect: d}}}
	s.begin()
	return s, tasklog.Event{Seq: 1234, JSON: tasklogtest.Status(h, a2a.TaskStateWorking, "Working on step 1").JSON}
}

func BenchmarkFrame(b *testing.B) {
	for name, d := range map[string]*dialect.Dialect{"1.0": dialect.V1, "0.3": a2a03.JSONRPC, "0.3 HTTP": a2a03.HTTPJSON} {
		b.Run(name, func(b *testing.B) {
			w, e := frames(b, d)
			b.ReportAllocs()
			for b.Loop() {
				if err := w.events(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
