package emulator

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	region    = "us-east-1"
	account   = "000000000000" // the functions'
	arnPrefix = "arn:aws:lambda:" + region + ":" + account + ":function:"
)

type invocation struct {
	id        string
	trace     string
	event     []byte        // JSON
	begin     time.Time     // when it is delivered; set then, like the next four
	init      time.Duration // how long the instance took to ask for it, if it is its first
	cpu       time.Duration // what the instance had used before; 0 if it is its first
	deadline  time.Time     // the deadline that the instance reads
	end       time.Time     // when the instance is killed
	delivered chan struct{} // closed when the instance has the event
	claimed   atomic.Bool   // the instance has begun to answer
	answered  chan answer   // its answer, once
	over      chan struct{} // closed when the answer is read: then it is acknowledged
}

// answer is a request to .../response or .../error. Its body may last as long as the invocation.
type answer struct {
	*http.Request
	failed bool
	chunk  chunkFunc
}

// whole reads an answer in one piece.
func (a answer) whole() ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(io.TeeReader(a.Body, a.chunk), maxBuffered+1))
	if err == nil && len(b) > maxBuffered {
		err = fmt.Errorf("the response is longer than %d bytes", maxBuffered)
	}
	return b, err
}

// chunkFunc gets the length of each chunk, as an [io.Writer].
type chunkFunc func(n int)

func (f chunkFunc) Write(p []byte) (int, error) {
	f(len(p))
	return len(p), nil
}

func newInvocation(requestID string) *invocation {
	root := make([]byte, 20)
	rand.Read(root)
	return &invocation{
		id:        requestID,
		trace:     fmt.Sprintf("Root=1-%08x-%x;Parent=%x;Sampled=0", time.Now().Unix(), root[:12], root[12:]),
		delivered: make(chan struct{}),
		answered:  make(chan answer, 1),
		over:      make(chan struct{}),
	}
}

// runtimeAPI serves the Runtime API to one instance.
func (i *instance) runtimeAPI(e *Emulator) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) { i.next(e, w, r) })
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { i.answer(e, w, r, false) })
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { i.answer(e, w, r, true) })
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(e.config.Log, "%s: init error: %s\n", i.id, body)
		i.mu.Lock()
		i.initError = body
		i.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("POST /2020-01-01/extension/register", i.register)
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

// register registers an extension in the process itself, which gets no events. Lambda then sends the
// process SIGTERM before it ends it.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
func (i *instance) register(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Events []string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || len(asked.Events) > 0 {
		apiError(w, http.StatusBadRequest, "InvalidEventType")
		return
	}
	i.signals.Store(true)
	w.Header().Set("Lambda-Extension-Identifier", "extension-"+i.id)
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, "{}")
}

// next gives the instance its next invocation, when there is one.
func (i *instance) next(e *Emulator, w http.ResponseWriter, r *http.Request) {
	<-i.launched
	asked := time.Now()
	i.observe(e, Observation{Moment: Asked, At: asked})
	select {
	case i.atNext <- struct{}{}:
	default:
	}
	var inv *offer
	for inv == nil || !inv.settle() {
		select {
		case inv = <-i.queue:
		case <-r.Context().Done():
			return
		}
	}
	select {
	case <-i.atNext:
	default:
	}
	i.mu.Lock()
	if !i.used {
		inv.init = asked.Sub(i.started)
	} else {
		inv.cpu = i.cell.used().cpu
	}
	i.used = true
	i.running[inv.id] = inv.invocation
	i.mu.Unlock()
	e.setState(i, Busy)
	inv.begin = time.Now()
	inv.deadline = inv.begin.Add(e.config.Timeout)
	inv.end = inv.deadline.Add(e.config.Overtime)
	i.observe(e, Observation{Moment: Delivered, At: inv.begin, Request: inv.id})
	close(inv.delivered)

	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(inv.event)))
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", arnPrefix+e.config.Name)
	h.Set("Lambda-Runtime-Trace-Id", inv.trace)
	w.Write(inv.event)
}

// answer passes the instance's request to the goroutine that waits for it. It acknowledges the
// request when that has finished.
func (i *instance) answer(e *Emulator, w http.ResponseWriter, r *http.Request, failed bool) {
	i.mu.Lock()
	inv := i.running[r.PathValue("id")]
	i.mu.Unlock()
	if inv == nil {
		apiError(w, http.StatusBadRequest, "InvalidRequestID")
		return
	}
	if inv.claimed.Swap(true) {
		apiError(w, http.StatusForbidden, "InvalidStateTransition")
		return
	}
	i.observe(e, Observation{Moment: Begun, Request: inv.id})
	inv.answered <- answer{r, failed, func(n int) { i.observe(e, Observation{Moment: Chunk, Request: inv.id, Bytes: n}) }}
	<-inv.over
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`)
}

func apiError(w http.ResponseWriter, status int, kind string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errorMessage":%q,"errorType":%q}`, kind, kind)
}
