package functionurl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
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
	w := newResponseWriter(r.Method, pw, func(status int, header http.Header) {
		response := &events.LambdaFunctionURLStreamingResponse{
			StatusCode: status,
			Headers:    make(map[string]string, len(header)),
			Cookies:    header["Set-Cookie"],
			Body:       &body{pr, done},
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
	return <-began, nil
}

// body is the response's body for the runtime. It ends after the handler has returned.
type body struct {
	*io.PipeReader
	done <-chan struct{}
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.PipeReader.Read(p)
	if err != nil {
		<-b.done
	}
	return n, err
}

// Close makes the handler's writes fail and waits until it has returned. The runtime calls it after
// the end, and when it could not send the response. Then it ends the process, so the handler's work
// must be complete.
func (b *body) Close() error {
	b.PipeReader.Close()
	<-b.done
	return nil
}
