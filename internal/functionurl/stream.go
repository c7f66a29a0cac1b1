package functionurl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// stream serves a function URL's event. It returns when the response begins. The handler goes on
// while the runtime reads the body.
func stream(ctx context.Context, h http.Handler, payload json.RawMessage) (any, error) {
	var ev events.LambdaFunctionURLRequest
	if err := json.Unmarshal(payload, &ev); err != nil {
		return nil, fmt.Errorf("functionurl: function URL event: %w", err)
	}
	ctx = withIAMUser(withBaseURL(ctx, functionURLBase(&ev)), urlIAMUser(&ev))
	r, err := newRequest(ctx, &ev)
	if err != nil {
		return &events.LambdaFunctionURLStreamingResponse{
			StatusCode: http.StatusBadRequest,
			Headers:    map[string]string{"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
			Body:       strings.NewReader(badRequest),
		}, nil
	}

	pr, pw := io.Pipe()
	began := make(chan *events.LambdaFunctionURLStreamingResponse, 1)
	done := make(chan struct{})
	late := lateOf(ctx)
	w := newResponseWriter(r.Method, pw, func(status int, header http.Header) {
		response := &events.LambdaFunctionURLStreamingResponse{
			StatusCode: status,
			Headers:    make(map[string]string, len(header)),
			Cookies:    header["Set-Cookie"],
			Body:       &body{pr, done, late},
		}
		for k, values := range header {
			// If requests must be signed, Lambda itself answers browsers' preflights. It then adds
			// these headers to every response, from the URL's own CORS configuration.
			ofLambda := urlSigned(&ev) && strings.HasPrefix(k, "Access-Control-")
			if k != "Set-Cookie" && !ofLambda {
				response.Headers[k] = strings.Join(values, ", ")
			}
		}
		began <- response
	})
	go serve(h, w, r, func(err error) {
		pw.CloseWithError(err)
		close(done)
	})
	if late != nil {
		context.AfterFunc(late, func() { pr.CloseWithError(errLate) })
	}
	return <-began, nil
}

// lateAfter is how long after the end of an invocation's time its handler may take to end its answer.
const lateAfter = 200 * time.Millisecond

// errLate ends a stream whose handler has not ended it in time.
var errLate = messages.InvokeResponse_Error{Type: "HandlerLate", Message: "the HTTP handler did not end its response in time"}

// lateOf returns a context that is done when an invocation no longer waits for its handler. It is nil
// where Lambda itself ends the process at the deadline, which is wherever that has one invocation at a
// time.
func lateOf(ctx context.Context) context.Context {
	if lambdacontext.MaxConcurrency() <= 1 {
		return nil
	}
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(lateAfter, cancel) })
	return late
}

// body is the response's body for the runtime. It ends after the handler has returned, unless that is
// late.
type body struct {
	*io.PipeReader
	done <-chan struct{}
	late context.Context // may be nil
}

// wait waits for the end of the handler.
func (b *body) wait() {
	if b.late == nil {
		<-b.done
		return
	}
	select {
	case <-b.done:
	case <-b.late.Done():
	}
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.PipeReader.Read(p)
	if err != nil {
		b.wait()
		if errors.Is(err, io.ErrClosedPipe) && b.late != nil && b.late.Err() != nil {
			err = errLate
		}
	}
	return n, err
}

// Close makes the handler's writes fail and waits until it has returned. The runtime calls it after
// the end, and when it could not send the response. Then it ends the process, so the handler's work
// must be complete.
func (b *body) Close() error {
	b.PipeReader.Close()
	b.wait()
	return nil
}
