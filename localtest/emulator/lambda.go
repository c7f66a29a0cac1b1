package emulator

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
)

// LambdaConfig describes a [Lambda].
type LambdaConfig struct {
	Functions []*Emulator // invoked by their names

	// RetryDelay is how long an event waits after its function has failed once. After the second
	// time it waits twice as long. 0 means a second; Lambda's is a minute.
	RetryDelay time.Duration

	// DeadLetter gets the events that are given up, with the reason, in the words of an
	// asynchronous invocation's record. Several goroutines may call it.
	DeadLetter func(e Event, reason string)

	// Deliver says how often an event is delivered: Lambda promises neither that an accepted event
	// comes, nor that it comes only once. Nil means once.
	Deliver func(Event) int

	Log io.Writer // gets the errors of events; nil discards them
}

const (
	defaultRetryDelay = time.Second
	maxThrottleDelay  = 5 * time.Minute

	// defaultRetries is how often an event comes again after its function has failed.
	defaultRetries = 2

	// maxEvent is the largest payload of an asynchronous invocation, in bytes. Of a synchronous one
	// it is maxBody.
	maxEvent = 1 << 20
)

// RetriesExhausted is the reason for giving up an event: its function has failed at each try.
const RetriesExhausted = "RetriesExhausted"

// Event is an asynchronous invocation that Lambda has accepted.
type Event struct {
	ID       string // the request id; each delivery has the same
	Function string // its name
	Payload  []byte // JSON
}

// Lambda is the Invoke operation of the Lambda API, as an [http.Handler]: with its URL in
// AWS_ENDPOINT_URL_LAMBDA, functions invoke each other. It accepts (202) invocations of type Event,
// and runs them later. If the function fails, it tries again, up to two times. A throttled event
// waits for as long as it must; Lambda gives up after six hours.
//
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
type Lambda struct {
	config    LambdaConfig // with its defaults
	functions map[string]*Emulator
	mux       *http.ServeMux
	closing   chan struct{} // closed by Close

	mu      sync.Mutex // guards closed, and running: no Add during Wait
	closed  bool
	running sync.WaitGroup // asynchronous invocations
}

// NewLambda returns the Invoke operation for functions, whose names must differ.
func NewLambda(c LambdaConfig) (*Lambda, error) {
	l := &Lambda{functions: map[string]*Emulator{}, mux: http.NewServeMux(), closing: make(chan struct{})}
	for _, f := range c.Functions {
		if l.functions[f.config.Name] != nil {
			return nil, fmt.Errorf("emulator: two functions are named %q", f.config.Name)
		}
		l.functions[f.config.Name] = f
	}
	c.RetryDelay = cmp.Or(c.RetryDelay, defaultRetryDelay)
	c.Log = &lockedWriter{w: cmp.Or(c.Log, io.Discard)}
	if c.DeadLetter == nil {
		c.DeadLetter = func(Event, string) {}
	}
	if c.Deliver == nil {
		c.Deliver = func(Event) int { return 1 }
	}
	l.config = c
	l.mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", l.serveInvoke)
	return l, nil
}

// Close refuses further invocations, drops events that wait for a retry, and waits for running
// asynchronous invocations. To end those at once, close the functions first.
func (l *Lambda) Close() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.closing)
	}
	l.mu.Unlock()
	l.running.Wait()
	return nil
}

// Send invokes a function asynchronously with a payload of JSON, as a schedule does.
func (l *Lambda) Send(function string, payload []byte) (Event, error) {
	ev := Event{ID: uuid.NewString(), Function: function, Payload: payload}
	f := l.functions[function]
	if f == nil {
		return ev, fmt.Errorf("emulator: send to %s: no such function", function)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ev, fmt.Errorf("emulator: send to %s: %w", function, errClosed)
	}
	for range l.config.Deliver(ev) {
		l.running.Go(func() { l.run(f, ev) })
	}
	return ev, nil
}

// Call invokes a function synchronously with a payload of JSON, as an event source mapping does. It
// returns an error if the function has failed, or was not invoked.
func (l *Lambda) Call(function string, payload []byte) error {
	f := l.functions[function]
	if f == nil {
		return fmt.Errorf("emulator: call %s: no such function", function)
	}
	inv := newInvocation(uuid.NewString())
	inv.event = payload
	return f.invoke(inv, new(result))
}

// run invokes f until it succeeds, or the event is given up.
func (l *Lambda) run(f *Emulator, ev Event) {
	throttled := l.config.RetryDelay
	for failures := 0; ; {
		inv := newInvocation(ev.ID)
		inv.event = ev.Payload
		err := f.invoke(inv, new(result))
		if err == nil {
			return
		}
		fmt.Fprintf(l.config.Log, "%s: event %s: %v\n", ev.Function, ev.ID, err)
		delay := throttled
		if errors.Is(err, errThrottled) || errors.Is(err, errClosed) {
			throttled = min(2*throttled, maxThrottleDelay)
		} else if failures++; f.config.NoRetries || failures > defaultRetries {
			l.config.DeadLetter(ev, RetriesExhausted)
			return
		} else {
			delay = time.Duration(failures) * l.config.RetryDelay
		}
		select {
		case <-time.After(delay):
		case <-l.closing:
			return
		}
	}
}

func (l *Lambda) ServeHTTP(w http.ResponseWriter, r *http.Request) { l.mux.ServeHTTP(w, r) }

func (l *Lambda) serveInvoke(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	f := l.functions[name]
	if f == nil {
		invokeError(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+arnPrefix+name)
		return
	}
	kind := r.Header.Get("X-Amz-Invocation-Type")
	limit := int64(maxBody)
	switch kind {
	case "Event":
		limit = maxEvent
	case "", "RequestResponse":
	default:
		invokeError(w, http.StatusBadRequest, "InvalidParameterValueException", "This emulator has no invocation type "+kind)
		return
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		invokeError(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", limit))
		return
	} else if err != nil {
		panic(http.ErrAbortHandler)
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	if !json.Valid(payload) {
		invokeError(w, http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json")
		return
	}
	if kind == "Event" {
		ev, err := l.Send(name, payload)
		if err != nil {
			invokeError(w, http.StatusInternalServerError, "ServiceException", err.Error())
			return
		}
		w.Header().Set("X-Amzn-Requestid", ev.ID)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	l.request(w, f, payload)
}

func (l *Lambda) request(w http.ResponseWriter, f *Emulator, payload []byte) {
	inv := newInvocation(uuid.NewString())
	inv.event = payload
	w.Header().Set("X-Amzn-Requestid", inv.id)
	var got result
	err := f.invoke(inv, &got)
	switch {
	case errors.Is(err, errThrottled):
		invokeError(w, http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.")
		return
	case errors.Is(err, errClosed):
		invokeError(w, http.StatusInternalServerError, "ServiceException", err.Error())
		return
	case err != nil:
		fmt.Fprintf(l.config.Log, "%s: request %s: %v\n", f.config.Name, inv.id, err)
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
		if init := (initError)(nil); errors.As(err, &init) {
			got.payload = init
		} else if !got.failed {
			// The function did not report the error itself.
			kind := "Runtime.ExitError"
			if errors.Is(err, errTimeout) {
				kind = "Sandbox.Timedout"
			}
			text := err.Error()
			if exit := (*exitError)(nil); errors.As(err, &exit) {
				text = exit.text
			}
			got.payload = fmt.Appendf(nil, `{"errorType":%q,"errorMessage":%q}`, kind, "RequestId: "+inv.id+" Error: "+text)
		}
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	w.Header().Set("Content-Type", "application/json")
	w.Write(got.payload)
}

// result is a function's answer to an invocation, in one piece.
type result struct {
	payload []byte // JSON
	failed  bool   // the payload is the function's report of an error
}

func (r *result) receive(a answer) error {
	b, err := a.whole()
	if err != nil {
		return err
	}
	*r = result{b, a.failed}
	if a.failed {
		return fmt.Errorf("the function failed: %s", b)
	}
	return nil
}

func invokeError(w http.ResponseWriter, status int, kind, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", kind)
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"Type":"User","Message":%q}`, text)
}
