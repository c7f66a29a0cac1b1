package a2ahttp

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// discard is a response that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) WriteHeader(int)             {}
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) FlushError() error           { return nil }

// frames returns a stream to nobody in the dialect, and an event for it.
func frames(d *dialect) (*sseWriter, tasklog.Event) {
	h, _ := tasklogtest.NewTask()
	c := &call{handler: &handler{}, w: discard{http.Header{}}, r: httptest.NewRequest("POST", "/", nil), binding: &rpc{}, dialect: d, seen: new(observation)}
	return newSSEWriter(c), tasklog.Event{Seq: 1234, JSON: tasklogtest.StatusEvent(h, a2a.TaskStateWorking, "Working on step 1")}
}

func BenchmarkFrame(b *testing.B) {
	for name, d := range map[string]*dialect{"1.0": v1, "0.3": v03, "0.3 HTTP": v03http} {
		b.Run(name, func(b *testing.B) {
			w, e := frames(d)
			b.ReportAllocs()
			for b.Loop() {
				w.events(e)
			}
		})
	}
}
