package lambdaenv

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

const (
	// A stream is read in pieces of smallPiece bytes, as a silent one keeps that much, and while it fills
	// them, of largePiece.
	smallPiece = 1 << 10
	largePiece = 32 << 10

	// lastChunk ends a body that net/http sends in chunks, and has no trailer fields.
	lastChunk = "0\r\n\r\n"
)

// answers sends the streams of a process with many invocations from the connections to the Runtime API.
// From the body of a request, net/http copies with a buffer of 32 KB, which each stream would hold as long
// as it lasts. So aws-lambda-go gets an empty body instead, and what net/http writes for that is the
// head of the request. The write of it returns at the end of the stream.
type answers struct {
	listening atomic.Bool // it has the connections to the Runtime API

	mu   sync.Mutex
	wait map[string]io.Reader // by the ids of their invocations
}

func newAnswers() *answers { return &answers{wait: map[string]io.Reader{}} }

// sent returns a handler whose streams are sent from the connections.
func (a *answers) sent(
	handler func(context.Context, json.RawMessage) (any, error),
) func(context.Context, json.RawMessage) (any, error) {
	return func(ctx context.Context, event json.RawMessage) (any, error) {
		answer, err := handler(ctx, event)
		stream, ok := answer.(*events.LambdaFunctionURLStreamingResponse)
		invocation, known := lambdacontext.FromContext(ctx)
		if err != nil || !ok || !known || !a.listening.Load() {
			return answer, err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.wait[invocation.AwsRequestID] = stream
		return &sentApart{stream, func() { a.take(invocation.AwsRequestID) }}, nil
	}
}

// take returns the stream of an invocation, once, or nil.
func (a *answers) take(id string) io.Reader {
	a.mu.Lock()
	defer a.mu.Unlock()
	stream := a.wait[id]
	delete(a.wait, id)
	return stream
}

// sentApart is a stream that aws-lambda-go does not read. It closes it, when its request is over.
type sentApart struct {
	*events.LambdaFunctionURLStreamingResponse
	forget func()
}

func (*sentApart) Read([]byte) (int, error) { return 0, io.EOF }

func (s *sentApart) Close() error {
	s.forget()
	return s.LambdaFunctionURLStreamingResponse.Close()
}

// of returns the stream that the head of a request to the Runtime API is for, or nil.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-response
func (a *answers) of(head []byte) io.Reader {
	line, _, _ := bytes.Cut(head, []byte(" HTTP/1.1\r\n"))
	_, of, found := bytes.Cut(line, []byte("/runtime/invocation/"))
	id, found2 := bytes.CutSuffix(of, []byte("/response"))
	if !bytes.HasPrefix(line, []byte("POST ")) || !found || !found2 {
		return nil
	}
	return a.take(string(id))
}

// copyChunks writes a head, and then the stream in chunks as they come, to its end.
// https://www.rfc-editor.org/rfc/rfc9112#name-chunked-transfer-coding
func copyChunks(w io.Writer, head []byte, stream io.Reader) error {
	const before, after = 6, 2 // what surrounds the data: the size in four digits, and ends of lines
	small := make([]byte, before+smallPiece+after)
	buf := small
	for {
		n, err := stream.Read(buf[before : len(buf)-after])
		if n > 0 {
			size := strconv.AppendInt(nil, int64(n), 16)
			begin := before - 2 - len(size)
			copy(buf[begin:], size)
			copy(buf[before-2:], "\r\n")
			copy(buf[before+n:], "\r\n")
			chunk := buf[begin : before+n+after]
			if head != nil {
				chunk, head = append(head, chunk...), nil
			}
			if _, err := w.Write(chunk); err != nil {
				return err
			}
		}
		if err != nil {
			_, err = w.Write(append(head, endOf(err)...))
			return err
		}
		switch {
		case n == len(buf)-before-after && len(buf) == len(small):
			buf = make([]byte, before+largePiece+after)
		case n < smallPiece:
			buf = small
		}
	}
}

// endOf returns the end of a body in chunks: an error is told in its trailer fields, as aws-lambda-go
// tells it.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming
func endOf(err error) string {
	if errors.Is(err, io.EOF) {
		return lastChunk
	}
	told := messages.InvokeResponse_Error{Type: "Error", Message: err.Error()}
	_ = errors.As(err, &told)
	body, _ := json.Marshal(told)
	return fmt.Sprintf("0\r\nLambda-Runtime-Function-Error-Body: %s\r\nLambda-Runtime-Function-Error-Type: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(body), told.Type)
}
