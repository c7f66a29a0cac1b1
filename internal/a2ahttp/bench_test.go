package a2ahttp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
)

// talker returns an executor that yields n working statuses and completes the task.
func talker(n int) hosttest.Executor {
	return func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		if !yield(a2a.NewSubmittedTask(ec, ec.Message), nil) {
			return
		}
		for i := range n {
			m := a2a.NewMessageForTask(a2a.MessageRoleAgent, ec, a2a.NewTextPart(fmt.Sprint("Working on step ", i)))
			if !yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, m), nil) {
				return
			}
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	}
}

// BenchmarkStream streams tasks over HTTP, in memory, with this package and with the SDK's server.
func BenchmarkStream(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("ours/events=%d", n), func(b *testing.B) {
			benchmarkStream(b, handlerOf(new(memlog.Log), io.Discard, talker(n)), n)
		})
	}
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("a2a-go/events=%d", n), func(b *testing.B) {
			benchmarkStream(b, a2asrv.NewJSONRPCHandler(a2asrv.NewHandler(talker(n))), n)
		})
	}
}

func benchmarkStream(b *testing.B, h http.Handler, n int) {
	s := httptest.NewServer(h)
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		// Each message is another: a repeated one would be a retry, which is only replayed.
		call := rpc("SendStreamingMessage", `{"message":{"messageId":%q,"role":"ROLE_USER","parts":[{"text":"hello"}]}}`, rand.Text())
		r, err := http.Post(s.URL, "application/json", strings.NewReader(call))
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if got := bytes.Count(body, []byte("data: ")); err != nil || got != n+2 {
			b.Fatalf("%d events, %v; want %d", got, err, n+2)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/event")
}

const streamCall03 = `{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"kind":"message","messageId":"m","role":"user","parts":[{"kind":"text","text":"hello"}]}}}`

type counter struct {
	header http.Header
	frames int
}

func (c *counter) Header() http.Header { return c.header }
func (c *counter) WriteHeader(int)     {}
func (c *counter) FlushError() error   { return nil }

func (c *counter) Write(p []byte) (int, error) {
	c.frames += bytes.Count(p, []byte("\ndata: "))
	return len(p), nil
}

// BenchmarkMessage sends a message to an agent that is done at once, in memory: the cost of any
// task.
func BenchmarkMessage(b *testing.B) {
	for name, call := range map[string]string{"1.0": streamCall, "0.3": streamCall03} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := &counter{header: http.Header{}}
				handlerOf(new(memlog.Log), io.Discard, talker(0)).ServeHTTP(w, post(b.Context(), call))
				if w.frames != 2 {
					b.Fatalf("%d events, want 2", w.frames)
				}
			}
		})
	}
}
