package functionurl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// bufferSize is how many bytes of a body are gathered between flushes. The runtime reads the body
// in pieces of this size.
const bufferSize = 32 << 10

// internalError is the whole body of a response whose handler panicked.
const internalError = `{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"Internal error"}}`

// ownHeader returns the headers of a response that the handler did not make: no cache keeps it, and
// no browser guesses its type.
func ownHeader(contentType string) http.Header {
	return http.Header{"Content-Type": {contentType}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}}
}

// errPanic ends a stream whose handler panicked after the response began. The runtime reports this
// type and message to Lambda.
var errPanic = messages.InvokeResponse_Error{Type: "HandlerPanic", Message: "the HTTP handler panicked after its response began"}

// responseWriter is the [http.ResponseWriter] for all events. Writes gather in buf until a flush, a
// full buffer or the end.
type responseWriter struct {
	head   bool                            // the request's method is HEAD: no body
	begin  func(status int, h http.Header) // called once, before anything goes to out
	out    io.Writer
	header http.Header // the handler's own

	mu     sync.Mutex // guards what follows
	status int        // 0 until the handler has fixed status and headers
	frozen http.Header
	began  bool // begin was called: too late for another answer
	ended  bool
	buf    []byte
	err    error // of out; kept
}

func newResponseWriter(method string, out io.Writer, begin func(int, http.Header)) *responseWriter {
	return &responseWriter{head: method == http.MethodHead, begin: begin, out: out, header: http.Header{}}
}

func (w *responseWriter) Header() http.Header { return w.header }

// WriteHeader fixes status and headers. The handler's later changes to its headers have no effect.
// Informational responses can't be sent and are ignored.
func (w *responseWriter) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("functionurl: invalid status %d", status))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if status >= 200 {
		w.freeze(status)
	}
}

func (w *responseWriter) freeze(status int) {
	if w.status == 0 && !w.ended {
		w.status, w.frozen = status, w.header.Clone()
	}
}

// Write fails when the response's reader has gone, and after the handler has returned.
func (w *responseWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.freeze(http.StatusOK)
	switch {
	case w.ended:
		return 0, http.ErrHandlerTimeout
	case w.status == http.StatusNoContent || w.status == http.StatusNotModified:
		return 0, http.ErrBodyNotAllowed
	case w.head:
		return len(p), nil
	}
	if len(w.buf) > 0 && len(w.buf)+len(p) > bufferSize {
		w.send()
	}
	if len(p) >= bufferSize {
		w.emit(p)
	} else if w.err == nil {
		w.buf = append(w.buf, p...)
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// Flush sends what has been written; the first flush also sends status and headers.
func (w *responseWriter) Flush() { w.FlushError() }

// FlushError is Flush for [http.ResponseController].
func (w *responseWriter) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return http.ErrHandlerTimeout
	}
	w.freeze(http.StatusOK)
	w.send()
	return w.err
}

// send passes on the buffer; before it, status and headers if they have not been sent.
func (w *responseWriter) send() {
	buf := w.buf
	w.buf = w.buf[:0]
	w.emit(buf)
}

// emit passes p on. The first call begins the response.
func (w *responseWriter) emit(p []byte) {
	if !w.began {
		w.began = true
		w.begin(w.status, finish(w.frozen, p))
	}
	if len(p) > 0 && w.err == nil {
		_, w.err = w.out.Write(p)
	}
}

// finish completes headers as net/http does. body begins the response's body.
func finish(h http.Header, body []byte) http.Header {
	if _, ok := h["Content-Type"]; !ok && len(body) > 0 && h.Get("Content-Encoding") == "" {
		h.Set("Content-Type", http.DetectContentType(body))
	}
	clean := strings.NewReplacer("\r", " ", "\n", " ")
	for k, values := range h {
		if len(values) == 0 {
			delete(h, k)
		}
		for i, v := range values {
			values[i] = clean.Replace(v)
		}
	}
	return h
}

// end sends the rest. Nothing can follow.
func (w *responseWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.freeze(http.StatusOK)
	w.send()
	w.ended = true
}

// fail ends the response after a panic: with an internal error if nothing has gone out, else with
// errPanic.
func (w *responseWriter) fail() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if w.began {
		return errPanic
	}
	w.status = http.StatusInternalServerError
	w.frozen = ownHeader("application/json")
	w.buf = append(w.buf[:0], internalError...)
	if w.head {
		w.buf = w.buf[:0]
	}
	w.send()
	return nil
}

// requestID returns the id of the invocation, "" if ctx is of none.
func requestID(ctx context.Context) string {
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		return invocation.AwsRequestID
	}
	return ""
}

// serve has h answer r. When h has returned and the response is complete, it calls end once, with
// errPanic or nil. As in net/http, the request's context ends with h. It needs a goroutine of its
// own, because h may end the goroutine.
func serve(h http.Handler, w *responseWriter, r *http.Request, end func(error)) {
	ctx, cancel := context.WithCancel(r.Context())
	returned := false
	defer func() {
		cancel()
		if returned {
			w.end()
			end(nil)
			return
		}
		// A nil value means that h ended the goroutine.
		v := recover()
		if err, _ := v.(error); !errors.Is(err, http.ErrAbortHandler) {
			slog.ErrorContext(ctx, "HTTP handler panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()), "requestId", requestID(ctx))
		}
		end(w.fail())
	}()
	h.ServeHTTP(w, r.WithContext(ctx))
	returned = true
}
