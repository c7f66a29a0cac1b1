package functionurl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda/messages"

	"a2alambda/internal/functionurl"
)

func begin(t testing.TB, h http.HandlerFunc, edits ...func(map[string]any)) *events.LambdaFunctionURLStreamingResponse {
	t.Helper()
	out, err := functionurl.Handler(h)(t.Context(), event(t, "function-url.json", edits...))
	if err != nil {
		t.Fatal(err)
	}
	response, ok := out.(*events.LambdaFunctionURLStreamingResponse)
	if !ok {
		t.Fatalf("response is a %T", out)
	}
	return response
}

// chunks reads a body to its end as the runtime does: one Read is one chunk.
func chunks(body io.Reader) (all []string, err error) {
	p := make([]byte, 32<<10)
	for {
		n, err := body.Read(p)
		if n > 0 {
			all = append(all, string(p[:n]))
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// noGoroutines fails if this package has left a goroutine in the bubble.
func noGoroutines(t *testing.T) {
	t.Helper()
	synctest.Wait()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		if bytes.Contains(stack, []byte("synctest bubble")) && bytes.Contains(stack, []byte("functionurl.serve(")) {
			t.Errorf("a goroutine of the request is left:\n%s", stack)
		}
	}
}

func captureLog(t *testing.T) *bytes.Buffer {
	var b bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&b, nil)))
	t.Cleanup(func() { slog.SetDefault(old) })
	return &b
}

// TestStreamFlushes checks that each flush is one chunk at once. The handler waits for the test to
// read the chunk before, so in the bubble a chunk that is held back is a deadlock.
func TestStreamFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan struct{})
		response := begin(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
			for _, s := range []string{"one", "two"} {
				<-next
				io.WriteString(w, "data: ")
				io.WriteString(w, s+"\n\n")
				w.(http.Flusher).Flush()
			}
			<-next
			io.WriteString(w, "tail")
		})
		if got := response.Headers["Content-Type"]; response.StatusCode != 200 || got != "text/event-stream" {
			t.Errorf("status %d, content type %q", response.StatusCode, got)
		}
		p := make([]byte, 100)
		for _, want := range []string{"data: one\n\n", "data: two\n\n", "tail"} {
			next <- struct{}{}
			n, err := response.Body.Read(p)
			if string(p[:n]) != want || err != nil {
				t.Errorf("read %q, %v; want %q", p[:n], err, want)
			}
		}
		if n, err := response.Body.Read(p); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %d, %v", n, err)
		}
		noGoroutines(t)
	})
}

// TestStreamEndsWithHandler checks that the stream ends after the handler, even if all was flushed
// long before.
func TestStreamEndsWithHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		returned := false
		response := begin(t, func(w http.ResponseWriter, r *http.Request) {
			defer func() { returned = true }()
			io.WriteString(w, "all")
			w.(http.Flusher).Flush()
			time.Sleep(time.Hour)
		})
		got, err := chunks(response.Body)
		if !returned || err != nil || !slices.Equal(got, []string{"all"}) {
			t.Errorf("handler returned: %t; chunks %q, %v", returned, got, err)
		}
		noGoroutines(t)
	})
}

func TestStreamGathers(t *testing.T) {
	line := strings.Repeat("x", 1000)
	response := begin(t, func(w http.ResponseWriter, r *http.Request) {
		for range 100 {
			io.WriteString(w, line)
		}
	})
	got, err := chunks(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, c := range got {
		sizes = append(sizes, len(c))
	}
	if want := []int{32000, 32000, 32000, 4000}; !slices.Equal(sizes, want) {
		t.Errorf("chunks of %d bytes, want %d", sizes, want)
	}
	big := strings.Repeat("0123456789", 1<<20)
	response = begin(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "head")
		if n, err := io.WriteString(w, big); n != len(big) || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
		io.WriteString(w, "tail")
	})
	if b, err := io.ReadAll(response.Body); string(b) != "head"+big+"tail" || err != nil {
		t.Errorf("a big write: %d bytes, %v", len(b), err)
	}
}

func TestStreamHead(t *testing.T) {
	for _, tt := range []struct {
		name    string
		method  string
		h       http.HandlerFunc
		status  int
		headers map[string]string
		cookies []string
		body    string
	}{
		{name: "nothing", h: func(w http.ResponseWriter, r *http.Request) {}, status: 200},
		{name: "sniffed", h: func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "<html>")
			io.WriteString(w, "hi")
		}, status: 200, headers: map[string]string{"Content-Type": "text/html; charset=utf-8"}, body: "<html>hi"},
		{name: "sniffed from a big write", h: func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "<html>"+strings.Repeat(" ", 40<<10))
		}, status: 200, headers: map[string]string{"Content-Type": "text/html; charset=utf-8"}, body: "<html>" + strings.Repeat(" ", 40<<10)},
		{name: "not sniffed", h: func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "<html>")
		}, status: 200, body: "<html>"},
		{name: "joined", h: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2; Secure")
			w.Header().Add("Vary", "Accept")
			w.Header().Add("Vary", "Origin")
			w.Header().Set("X-Lines", "a\r\nb")
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK)
			w.Header().Set("Late", "1")
		}, status: 418, headers: map[string]string{"Vary": "Accept, Origin", "X-Lines": "a  b"}, cookies: []string{"a=1", "b=2; Secure"}},
		{name: "frozen by the first write", h: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			io.WriteString(w, "x")
			w.Header().Set("Content-Type", "c/d")
			w.WriteHeader(http.StatusTeapot)
		}, status: 200, headers: map[string]string{"Content-Type": "a/b"}, body: "x"},
		{name: "informational", h: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusCreated)
		}, status: 201},
		{name: "no content", h: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("write to a 204: %v", err)
			}
		}, status: 204},
		{name: "HEAD", method: "HEAD", h: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "a/b")
			if n, err := io.WriteString(w, "xyz"); n != 3 || err != nil {
				t.Errorf("write to a HEAD: %d, %v", n, err)
			}
		}, status: 200, headers: map[string]string{"Content-Type": "a/b"}},
		{name: "invalid status", h: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(7)
		}, status: 500, headers: map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}, body: internalError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			captureLog(t)
			method := "GET"
			if tt.method != "" {
				method = tt.method
			}
			response := begin(t, tt.h, set(method, "requestContext", "http", "method"))
			body, err := io.ReadAll(response.Body)
			if response.StatusCode != tt.status || !maps.Equal(response.Headers, tt.headers) || !slices.Equal(response.Cookies, tt.cookies) || string(body) != tt.body || err != nil {
				t.Errorf("%d %q %q, body %d %.100q, %v", response.StatusCode, response.Headers, response.Cookies, len(body), body, err)
			}
		})
	}
}

// TestStreamLateHeaders checks that changing headers after the first write is no data race.
func TestStreamLateHeaders(t *testing.T) {
	response := begin(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		for range 1000 {
			w.Header().Set("Content-Type", "late")
		}
	})
	b, err := io.ReadAll(response)
	want := `{"statusCode":200,"headers":{"Content-Type":"text/plain; charset=utf-8"}}` + "\x00\x00\x00\x00\x00\x00\x00\x00x"
	if string(b) != want || err != nil {
		t.Errorf("%q, %v; want %q", b, err, want)
	}
}

const internalError = `{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"Internal error"}}`

func TestPanicBefore(t *testing.T) {
	for name, tt := range map[string]struct {
		h      http.HandlerFunc
		logged string
	}{
		"panic": {func(w http.ResponseWriter, r *http.Request) { panic("secret") }, `"panic":"secret"`},
		"panic after a write that was not flushed": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Leak", "1")
			io.WriteString(w, "half an answer")
			panic(errors.New("secret"))
		}, `"panic":"secret"`},
		"Goexit": {func(w http.ResponseWriter, r *http.Request) { runtime.Goexit() }, `"panic":"<nil>"`},
		"abort":  {func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, ""},
	} {
		for _, ev := range []string{"function-url.json", "rest.json", "http.json"} {
			t.Run(name+" "+ev, func(t *testing.T) {
				log := captureLog(t)
				status, body := answer(t, tt.h, event(t, ev))
				if status != 500 || body != internalError {
					t.Errorf("status %d, body %q", status, body)
				}
				checkLog(t, log.String(), tt.logged)
				if tt.logged != "" && !strings.Contains(log.String(), `"requestId":"invocation-1"`) {
					t.Errorf("the log does not name the invocation: %s", log)
				}
			})
		}
	}
}

func checkLog(t *testing.T, log, want string) {
	t.Helper()
	switch {
	case want == "" && log != "":
		t.Errorf("logged %s", log)
	case want == "":
	case strings.Count(log, "\n") != 1 || !strings.Contains(log, want) || !strings.Contains(log, `"stack":"goroutine `) || !strings.Contains(log, "stream_test.go"):
		t.Errorf("logged %s; want one line with %s and the stack of this test", log, want)
	}
}

// TestPanicAfter checks that after the response has begun a stream ends with an error that shows
// nothing, and a buffered response is replaced.
func TestPanicAfter(t *testing.T) {
	for name, tt := range map[string]struct {
		fail   func()
		logged string
	}{
		"panic":  {func() { panic("secret") }, `"panic":"secret"`},
		"Goexit": {runtime.Goexit, `"panic":"<nil>"`},
		"abort":  {func() { panic(http.ErrAbortHandler) }, ""},
	} {
		h := func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "one")
			w.(http.Flusher).Flush()
			io.WriteString(w, "two")
			tt.fail()
		}
		t.Run(name, func(t *testing.T) {
			log := captureLog(t)
			synctest.Test(t, func(t *testing.T) {
				response := begin(t, h)
				got, err := chunks(response.Body)
				var reported messages.InvokeResponse_Error
				if !slices.Equal(got, []string{"one"}) || !errors.As(err, &reported) || reported.Type != "HandlerPanic" || strings.Contains(err.Error(), "secret") {
					t.Errorf("chunks %q, %v", got, err)
				}
				noGoroutines(t)
			})
			checkLog(t, log.String(), tt.logged)
		})
		for _, ev := range []string{"rest.json", "http.json"} {
			t.Run(name+" "+ev, func(t *testing.T) {
				captureLog(t)
				if status, body := answer(t, h, event(t, ev)); status != 500 || body != internalError {
					t.Errorf("status %d, body %q", status, body)
				}
			})
		}
	}
}

// TestStreamClosedEarly checks that when the runtime could not send the response, writes fail, the
// handler runs to its end, and Close waits for that.
func TestStreamClosedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failed error
		returned := false
		response := begin(t, func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				io.WriteString(w, "x")
				w.(http.Flusher).Flush()
				time.Sleep(time.Second)
			}
			_, failed = io.WriteString(w, "x")
			if err := http.NewResponseController(w).Flush(); err == nil {
				t.Error("Flush reports no error")
			}
			returned = true
		})
		if _, err := response.Body.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if err := response.Close(); err != nil {
			t.Fatal(err)
		}
		if !returned || failed == nil {
			t.Errorf("after Close: handler returned: %t; its last write: %v", returned, failed)
		}
		noGoroutines(t)
	})
}

// TestAfterTheEnd checks that a goroutine that a handler leaves can't write, and that its context
// ends.
func TestAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := make(chan error, 2)
		response := begin(t, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "x")
			go func() {
				<-r.Context().Done()
				synctest.Wait()
				_, err := io.WriteString(w, "y")
				late <- err
				late <- http.NewResponseController(w).Flush()
			}()
		})
		if got, err := chunks(response.Body); !slices.Equal(got, []string{"x"}) || err != nil {
			t.Errorf("chunks %q, %v", got, err)
		}
		for range 2 {
			if err := <-late; err == nil {
				t.Error("writing after the end reports no error")
			}
		}
	})
}

func TestInvocationContext(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithDeadline(context.WithValue(t.Context(), key{}, "value"), time.Now().Add(time.Hour))
	defer cancel()
	want, _ := ctx.Deadline()
	h := functionurl.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got, ok := r.Context().Deadline(); !ok || !got.Equal(want) || r.Context().Value(key{}) != "value" {
			t.Errorf("deadline %v, %t; value %v", got, ok, r.Context().Value(key{}))
		}
	}))
	for _, ev := range []string{"function-url.json", "rest.json", "http.json"} {
		out, err := h(ctx, event(t, ev))
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := out.(io.Reader); ok {
			io.Copy(io.Discard, r)
		}
	}
}

// TestStreamIsNotJSON checks that the response is not JSON: only then lambda.Start streams it.
func TestStreamIsNotJSON(t *testing.T) {
	response := begin(t, func(http.ResponseWriter, *http.Request) {})
	defer response.Close()
	if _, err := json.Marshal(response); err == nil {
		t.Error("the response is JSON")
	}
}
