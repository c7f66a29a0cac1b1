package emulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"a2alambda/localtest/emulator"
)

// work receives the test function's calls. The test reads and answers each.
type work struct {
	url   string
	calls chan call
}

type call struct {
	*http.Request
	event  string
	answer chan<- int // a status; 200 has the body {"did":"it"}
}

func newWork(t testing.TB) *work {
	w := &work{calls: make(chan call, 10)}
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		event, _ := io.ReadAll(r.Body)
		answer := make(chan int, 1)
		w.calls <- call{r, string(event), answer}
		select {
		case status := <-answer:
			rw.WriteHeader(status)
			io.WriteString(rw, `{"did":"it"}`)
		case <-r.Context().Done():
		case <-over:
		}
	}))
	w.url = server.URL
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(over) })
	return w
}

// next returns the function's next call, which must come.
func (w *work) next(t testing.TB) call {
	t.Helper()
	select {
	case c := <-w.calls:
		return c
	case <-time.After(patience):
		t.Fatal("the function was not invoked")
		panic("unreachable")
	}
}

// none fails the test if the function has called.
func (w *work) none(t testing.TB) {
	t.Helper()
	select {
	case c := <-w.calls:
		t.Errorf("the function was invoked with %s", c.event)
	default:
	}
}

// payload makes the function call.
func (w *work) payload(n int) []byte { return fmt.Appendf(nil, `{"call":%q,"n":%d}`, w.url, n) }

type system struct {
	*emulator.Lambda
	*lambda.Client
	log  lockedBuffer
	dead chan emulator.Event
}

func startLambda(t testing.TB, c emulator.LambdaConfig) *system {
	t.Helper()
	s := &system{dead: make(chan emulator.Event, 10)}
	c.Log = &s.log
	c.DeadLetter = func(ev emulator.Event, reason string) {
		if reason != emulator.RetriesExhausted {
			t.Errorf("%s was given up: %s", ev.ID, reason)
		}
		s.dead <- ev
	}
	var err error
	s.Lambda, err = emulator.NewLambda(c)
	must(t, err)
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		for _, f := range c.Functions {
			f.Close()
		}
		s.Close()
		server.Close()
		if t.Failed() {
			t.Logf("Lambda's log:\n%s", s.log.String())
		}
	})
	s.Client = lambda.New(lambda.Options{
		Region:           "us-east-1",
		BaseEndpoint:     aws.String(server.URL),
		Credentials:      credentials.NewStaticCredentialsProvider("local", "local", ""),
		RetryMaxAttempts: 1,
	})
	return s
}

func (s *system) invoke(function string, kind types.InvocationType, payload []byte) (*lambda.InvokeOutput, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, InvocationType: kind, Payload: payload})
}

// send invokes a function asynchronously. It must be accepted.
func (s *system) send(t testing.TB, function string, payload []byte) (requestID string) {
	t.Helper()
	out, err := s.invoke(function, types.InvocationTypeEvent, payload)
	must(t, err)
	if out.StatusCode != 202 || len(out.Payload) > 0 || out.FunctionError != nil {
		t.Fatalf("%+v", out)
	}
	id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	return id
}

func TestSend(t *testing.T) {
	worker := testFunction(t, emulator.Config{Name: "worker"})
	s, w := startLambda(t, emulator.LambdaConfig{Functions: []*emulator.Emulator{worker}}), newWork(t)
	s.send(t, "worker", w.payload(1))
	c := w.next(t)
	if c.event != string(w.payload(1)) || c.Header.Get("Function") != "arn:aws:lambda:us-east-1:000000000000:function:worker worker" {
		t.Errorf("%s for %s", c.event, c.Header)
	}
	// The next one gets its own instance, because the first one is running.
	s.send(t, "worker", w.payload(2))
	c2 := w.next(t)
	if c.Header.Get("Pid") == c2.Header.Get("Pid") || c.Header.Get("Request-Id") == c2.Header.Get("Request-Id") {
		t.Errorf("two invocations: %s, %s", c.Header, c2.Header)
	}
	c2.answer <- 200
	waitIdle(t, worker, c2.Header.Get("Pid"))
	s.send(t, "worker", w.payload(3))
	c3 := w.next(t)
	if c2.Header.Get("Pid") != c3.Header.Get("Pid") {
		t.Error("the idle instance was not used")
	}
	c.answer <- 200
	c3.answer <- 200
	must(t, s.Close())
	for _, i := range worker.Instances() {
		if i.State != emulator.Frozen {
			t.Errorf("closed, and there is %v", i)
		}
	}
	if _, err := s.invoke("worker", types.InvocationTypeEvent, w.payload(4)); err == nil {
		t.Error("sent after the end")
	}
	w.none(t)
}

func waitIdle(t testing.TB, f *emulator.Emulator, pid string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		for _, i := range f.Instances() {
			if fmt.Sprint(i.PID) == pid && i.State == emulator.Frozen {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("instances: %v", f.Instances())
		}
	}
}

// When the function fails on an event, in any way, the event comes again: twice.
func TestRetries(t *testing.T) {
	worker := testFunction(t, emulator.Config{Name: "worker", Timeout: time.Second})
	const delay = 50 * time.Millisecond
	s, w := startLambda(t, emulator.LambdaConfig{Functions: []*emulator.Emulator{worker}, RetryDelay: delay}), newWork(t)
	id := s.send(t, "worker", w.payload(1))
	begun := time.Now()
	w.next(t).answer <- 500
	c := w.next(t)
	if d := time.Since(begun); d < delay {
		t.Errorf("tried again after %v", d)
	}
	begun = time.Now()
	c.answer <- 502
	c = w.next(t)
	if d := time.Since(begun); d < 2*delay {
		t.Errorf("tried a third time after %v", d)
	}
	if got := c.Header.Get("Request-Id"); got != id {
		t.Errorf("request id %s, sent as %s", got, id)
	}
	// The third one is not answered: it ends at the deadline.
	select {
	case ev := <-s.dead:
		if ev.ID != id || ev.Function != "worker" || !bytes.Equal(ev.Payload, w.payload(1)) {
			t.Errorf("given up: %+v, sent as %s", ev, id)
		}
	case <-time.After(patience):
		t.Fatal("the event was not given up")
	}
	log := s.log.String()
	for _, want := range []string{`"errorMessage":"error as told"`, "Runtime exited with error: exit status 3", "task timed out after 1.00 seconds"} {
		if strings.Count(log, "worker: event "+id+": ") != 3 || !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}

	s.send(t, "worker", w.payload(2))
	for _, status := range []int{500, 500, 200} {
		w.next(t).answer <- status
	}
	s.Close()
	w.none(t)
	if len(s.dead) > 0 {
		t.Errorf("given up: %+v", <-s.dead)
	}
}

// A throttled event waits as often as it must.
func TestNoRetries(t *testing.T) {
	f := testFunction(t, emulator.Config{Name: "once", NoRetries: true})
	s, w := startLambda(t, emulator.LambdaConfig{Functions: []*emulator.Emulator{f}, RetryDelay: time.Millisecond}), newWork(t)
	id := s.send(t, "once", w.payload(1))
	w.next(t).answer <- 500
	select {
	case ev := <-s.dead:
		if ev.ID != id {
			t.Errorf("given up: %+v, sent as %s", ev, id)
		}
	case <-time.After(patience):
		t.Fatal("the event was not given up")
	}
	s.Close()
	w.none(t)
}

func TestCall(t *testing.T) {
	f := testFunction(t, emulator.Config{Name: "called"})
	s, w := startLambda(t, emulator.LambdaConfig{Functions: []*emulator.Emulator{f}}), newWork(t)
	for _, status := range []int{200, 500} {
		result := make(chan error, 1)
		go func() { result <- s.Call("called", w.payload(status)) }()
		w.next(t).answer <- status
		if err := <-result; (err == nil) != (status == 200) {
			t.Errorf("status %d: got %v", status, err)
		}
	}
	if err := s.Call("none", []byte("{}")); err == nil {
		t.Error("a function that is not there was called")
	}
}

func TestThrottledEvent(t *testing.T) {
	worker := testFunction(t, emulator.Config{Name: "worker", MaxInstances: 1})
	s, w := startLambda(t, emulator.LambdaConfig{Functions: []*emulator.Emulator{worker}, RetryDelay: time.Millisecond}), newWork(t)
	s.send(t, "worker", w.payload(1))
	c := w.next(t)
	id := s.send(t, "worker", w.payload(2))
	for deadline := time.Now().Add(patience); strings.Count(s.log.String(), id+": no instance is free") < 5; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the event was not tried five times")
		}
	}
	c.answer <- 200
	if c = w.next(t); c.event != string(w.payload(2)) {
		t.Errorf("the event is %s", c.event)
	}
	c.answer <- 200
}

func TestDeliver(t *testing.T) {
	worker := testFunction(t, emulator.Config{Name: "worker"})
	times := map[string]int{"1": 0, "2": 2, "3": 1}
	w := newWork(t)
	s := startLambda(t, emulator.LambdaConfig{
		Functions: []*emulator.Emulator{worker},
		Deliver: func(ev emulator.Event) int {
			var in struct{ N json.Number }
			if err := json.Unmarshal(ev.Payload, &in); err != nil {
				t.Error(err)
			}
			return times[in.N.String()]
		},
	})
	s.send(t, "worker", w.payload(1))
	id := s.send(t, "worker", w.payload(2))
	for _, c := range []call{w.next(t), w.next(t)} {
		if c.event != string(w.payload(2)) || c.Header.Get("Request-Id") != id {
			t.Errorf("%s came with id %s, sent as %s", c.event, c.Header.Get("Request-Id"), id)
		}
		c.answer <- 200
	}
	if _, err := s.Send("worker", w.payload(3)); err != nil {
		t.Fatal(err)
	}
	c := w.next(t)
	if c.event != string(w.payload(3)) {
		t.Errorf("the event is %s", c.event)
	}
	c.answer <- 200
	s.Close()
	w.none(t)
}

func TestRequestResponse(t *testing.T) {
	worker := testFunction(t, emulator.Config{Name: "worker", Timeout: time.Second, MaxInstances: 1})
	s, w := startLambda(t, emulator.LambdaConfig{Functions: []*emulator.Emulator{worker}}), newWork(t)
	for _, tt := range []struct {
		status                     int // 0 for none
		functionError, payloadLike string
	}{
		{200, "", `{"did":"it"}`},
		{500, "Unhandled", `{"errorMessage":"error as told","errorType":"errorString"}`},
		{502, "Unhandled", `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 3"}`},
		{0, "Unhandled", `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: task timed out after 1.00 seconds"}`},
	} {
		if tt.status != 0 {
			go func() { (<-w.calls).answer <- tt.status }()
		}
		out, err := s.invoke("worker", "", w.payload(1))
		must(t, err)
		id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
		got := strings.ReplaceAll(string(out.Payload), id, "ID")
		if out.StatusCode != 200 || aws.ToString(out.FunctionError) != tt.functionError || got != tt.payloadLike {
			t.Errorf("%d: status %d, %q, %s", tt.status, out.StatusCode, aws.ToString(out.FunctionError), got)
		}
	}
	w.next(t) // it was not answered

	// While the only instance is busy, nobody else gets it.
	s.send(t, "worker", w.payload(2))
	c := w.next(t)
	_, err := s.invoke("worker", types.InvocationTypeRequestResponse, w.payload(3))
	if throttled := (*types.TooManyRequestsException)(nil); !errors.As(err, &throttled) {
		t.Errorf("the error is %v", err)
	}
	c.answer <- 200
}

func TestInvokeRefuses(t *testing.T) {
	worker := testFunction(t, emulator.Config{Name: "worker"})
	s := startLambda(t, emulator.LambdaConfig{Functions: []*emulator.Emulator{worker}})
	for _, tt := range []struct {
		function string
		kind     types.InvocationType
		payload  string
		code     string
	}{
		{"other", types.InvocationTypeEvent, "{}", "ResourceNotFoundException"},
		{"worker", types.InvocationTypeDryRun, "{}", "InvalidParameterValueException"},
		{"worker", types.InvocationTypeEvent, "{", "InvalidRequestContentException"},
		{"worker", types.InvocationTypeEvent, `"` + strings.Repeat("x", 1<<20) + `"`, "RequestTooLargeException"},
		{"worker", types.InvocationTypeRequestResponse, `"` + strings.Repeat("x", 6<<20) + `"`, "RequestTooLargeException"},
	} {
		_, err := s.invoke(tt.function, tt.kind, []byte(tt.payload))
		if api := smithy.APIError(nil); !errors.As(err, &api) || api.ErrorCode() != tt.code || api.ErrorMessage() == "" {
			t.Errorf("the error is %v, want %s", err, tt.code)
		}
	}
	if all := worker.Instances(); len(all) > 0 {
		t.Errorf("instances: %v", all)
	}
	if _, err := s.Send("other", []byte("{}")); err == nil || err.Error() != "emulator: send to other: no such function" {
		t.Errorf("the error is %v", err)
	}
	if _, err := emulator.NewLambda(emulator.LambdaConfig{Functions: []*emulator.Emulator{worker, worker}}); err == nil {
		t.Error("two functions have the same name")
	}
}
