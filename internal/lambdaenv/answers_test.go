package lambdaenv

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// answered is a request that an API has got.
type answered struct {
	path, body, kind string
	trailer          http.Header
}

// answerer is a client of the Runtime API as aws-lambda-go is, in a process with many invocations.
type answerer struct {
	answers *answers
	client  http.Client
	url     string
}

func newAnswerer(t *testing.T, api http.HandlerFunc) *answerer {
	s := httptest.NewServer(api)
	t.Cleanup(s.Close)
	a, transport := newAnswers(), http.DefaultTransport.(*http.Transport).Clone()
	newLargeEvents().listen(s.Listener.Addr().String(), transport, a)
	c := &answerer{a, http.Client{Transport: transport.Clone()}, s.URL}
	t.Cleanup(c.client.CloseIdleConnections)
	resp, err := c.client.Get(s.URL + "/next") // aws-lambda-go begins with it
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return c
}

// answer answers an invocation, and closes the answer.
func (c *answerer) answer(t *testing.T, id string, body io.Reader) error {
	t.Helper()
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: id})
	answer, err := c.answers.sent(func(context.Context, json.RawMessage) (any, error) {
		return &events.LambdaFunctionURLStreamingResponse{StatusCode: 201, Body: body}, nil
	})(ctx, nil)
	if err != nil {
		return err
	}
	if n, err := answer.(io.Reader).Read(make([]byte, 10)); n > 0 || !errors.Is(err, io.EOF) {
		t.Errorf("aws-lambda-go would read the stream itself: %d, %v", n, err)
	}
	defer answer.(io.Closer).Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/2018-06-01/runtime/invocation/"+id+"/response", struct{ io.Reader }{answer.(io.Reader)})
	if err != nil {
		return err
	}
	req.Trailer = http.Header{"Lambda-Runtime-Function-Error-Type": nil, "Lambda-Runtime-Function-Error-Body": nil}
	req.Header.Set("Content-Type", answer.(interface{ ContentType() string }).ContentType())
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// TestAnswers has streams of all sizes be sent, and one that ends with an error. What follows on the
// same connection is sent as ever.
func TestAnswers(t *testing.T) {
	got := make(chan answered, 1)
	conns := make(chan string, 100)
	c := newAnswerer(t, func(w http.ResponseWriter, r *http.Request) {
		conns <- r.RemoteAddr
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Method == http.MethodPost {
			got <- answered{r.URL.Path, string(body), r.Header.Get("Content-Type"), r.Trailer}
		}
	})
	prelude := `{"statusCode":201}` + strings.Repeat("\x00", 8)
	for _, size := range []int{0, 1, smallPiece - 1, smallPiece, smallPiece + 1, largePiece, largePiece + 1, 3_000_000} {
		want := strings.Repeat("0123456789abcde", size/15+1)[:size]
		if err := c.answer(t, "a-b", strings.NewReader(want)); err != nil {
			t.Fatal(err)
		}
		if g := <-got; g.body != prelude+want || g.path != "/2018-06-01/runtime/invocation/a-b/response" || g.kind != "application/vnd.awslambda.http-integration-response" {
			t.Errorf("%d bytes: %d have come at %s as %s", size, len(g.body), g.path, g.kind)
		} else if kind := g.trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" {
			t.Errorf("%d bytes end with %s", size, kind)
		}
	}
	for _, want := range []messages.InvokeResponse_Error{{Type: "HandlerLate", Message: "too late"}, {Type: "Error", Message: "other"}} {
		failure := error(want)
		if want.Type == "Error" {
			failure = errors.New(want.Message)
		}
		if err := c.answer(t, "c", io.MultiReader(strings.NewReader("begun"), broken{failure})); err != nil {
			t.Fatal(err)
		}
		g := <-got
		told, err := base64.StdEncoding.DecodeString(g.trailer.Get("Lambda-Runtime-Function-Error-Body"))
		if text, _ := json.Marshal(want); g.body != prelude+"begun" || g.trailer.Get("Lambda-Runtime-Function-Error-Type") != want.Type || err != nil || string(told) != string(text) {
			t.Errorf("%q, %v: %s, %v", g.body, g.trailer, told, err)
		}
	}
	for _, path := range []string{"/2018-06-01/runtime/invocation/a-b/response", "/2018-06-01/runtime/invocation/c/error"} {
		resp, err := c.client.Post(c.url+path, "text/plain", io.MultiReader(strings.NewReader("not a stream")))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if g := <-got; g.body != "not a stream" || g.path != path {
			t.Errorf("%+v", g)
		}
	}
	first := <-conns
	for len(conns) > 0 {
		if other := <-conns; other != first {
			t.Errorf("a connection was not used again")
		}
	}
	if len(c.answers.wait) > 0 {
		t.Errorf("%d streams wait", len(c.answers.wait))
	}
}

// broken is a body that fails.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// TestAnswersAtOnce checks that what is written comes before the stream goes on.
func TestAnswersAtOnce(t *testing.T) {
	come := make(chan string)
	c := newAnswerer(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return
		}
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			if n > 0 {
				come <- string(buf[:n])
			}
			if err != nil {
				close(come)
				return
			}
		}
	})
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- c.answer(t, "id", r) }()
	if head := <-come; !strings.HasPrefix(head, `{"statusCode":201}`) {
		t.Error(head)
	}
	for i := range 3 {
		event := fmt.Sprintf("data: %d\n\n", i)
		_, _ = io.WriteString(w, event)
		if got := <-come; got != event {
			t.Errorf("%q, not %q", got, event)
		}
	}
	w.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestAnswersEarly has the API answer, and close the connection, before a stream has ended. The
// answer is seen, and the stream is closed.
func TestAnswersEarly(t *testing.T) {
	c := newAnswerer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})
	r, w := io.Pipe()
	if err := c.answer(t, "id", r); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "more"); !errors.Is(err, io.ErrClosedPipe) {
		// What the connection has taken before it saw that it is closed is lost; the next write fails.
		for err == nil {
			_, err = io.WriteString(w, "more")
		}
	}
	if len(c.answers.wait) > 0 {
		t.Errorf("%d streams wait", len(c.answers.wait))
	}
}

// TestAnswersElsewhere checks that aws-lambda-go itself sends a stream whose connection is not made here,
// and what is no stream.
func TestAnswersElsewhere(t *testing.T) {
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "id"})
	stream := &events.LambdaFunctionURLStreamingResponse{Body: strings.NewReader("whole")}
	a := newAnswers()
	for _, answer := range []any{stream, "text"} {
		handler := a.sent(func(context.Context, json.RawMessage) (any, error) { return answer, nil })
		if got, err := handler(ctx, nil); got != answer || err != nil {
			t.Errorf("%v became %v, %v", answer, got, err)
		}
		a.listening.Store(answer == any(stream))
	}
	want := errors.New("failed")
	if got, err := a.sent(func(context.Context, json.RawMessage) (any, error) { return nil, want })(ctx, nil); got != nil || err != want {
		t.Error(got, err)
	}
}
