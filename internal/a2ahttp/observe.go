package a2ahttp

import (
	"context"
	"net/http"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/google/uuid"

	"a2alambda/internal/memory"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
	"a2alambda/internal/trace"
)

// slow is how long a stream may take to begin. Slower ones are counted, because CloudWatch does not
// evaluate an alarm on a percentile where there are few streams.
const slow = 2 * time.Second

// observed logs a line for each request after its answer.
func (h *handler) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := &observation{begun: time.Now(), usage: new(telemetry.Usage), trace: trace.FromHeader(r.Header)}
		ctx, account := memory.Open(telemetry.With(context.WithValue(r.Context(), observationKey{}, o), o.usage))
		defer account.Close()
		watched := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(watched, r.WithContext(ctx))
		line := o.line()
		if h.Session != nil {
			line.Text("session", h.Session(r))
		}
		line.Count("status", int64(watched.status))
		line.Log(ctx, h.Logger, telemetry.Request)
	})
}

// observation is what the log will say of a request.
type observation struct {
	begun  time.Time
	usage  *telemetry.Usage
	trace  trace.Trace
	failed *kind // the error in the answer; of several, the last
	// throttled says that the store was too busy for the request, or for the rest of its stream.
	throttled bool
	// silent says that the store did not answer in time. That counts as an internal error, whatever the
	// client was told: somebody must see to it.
	silent bool

	operation string // its name in 1.0; "" if the protocol has no such operation
	version   string // of the protocol
	binding   string

	task    a2a.TaskID
	context string
	state   a2a.TaskState // the last that the client has seen

	// Of a stream.
	firstByte time.Time
	events    int             // sent, the first frame included
	last      []tasklog.Event // the last that were sent
}

type observationKey struct{}

func observationOf(r *http.Request) *observation {
	o, _ := r.Context().Value(observationKey{}).(*observation)
	return o
}

// about notes the task that a request, or its result, is about.
func (o *observation) about(v any) {
	switch v := v.(type) {
	case *a2a.Task:
		o.task, o.context, o.state = v.ID, v.ContextID, v.Status.State
	case *a2a.SendMessageRequest:
		if v.Message != nil {
			o.aboutTask(v.Message.TaskID)
		}
	case *a2a.GetTaskRequest:
		o.aboutTask(v.ID)
	case *server.ListStepsRequest:
		o.aboutTask(v.ID)
	case *a2a.CancelTaskRequest:
		o.aboutTask(v.ID)
	case *a2a.SubscribeToTaskRequest:
		o.aboutTask(v.ID)
	case *a2a.PushConfig:
		o.aboutTask(v.TaskID)
	case *a2a.GetTaskPushConfigRequest:
		o.aboutTask(v.TaskID)
	case *a2a.ListTaskPushConfigRequest:
		o.aboutTask(v.TaskID)
	case *a2a.DeleteTaskPushConfigRequest:
		o.aboutTask(v.TaskID)
	}
}

// aboutTask notes a task's id from the client if it looks like an id: it may be anything.
func (o *observation) aboutTask(id a2a.TaskID) {
	if _, err := uuid.Parse(string(id)); err == nil && len(id) == len(uuid.UUID{}.String()) {
		o.task = id
	}
}

// line returns the line without the status.
func (o *observation) line() *telemetry.Line {
	line := new(telemetry.Line)
	line.Text("operation", o.operation)
	line.Text("version", o.version)
	line.Text("binding", o.binding)
	line.Task(o.task, o.context, o.trace)
	if state, _ := tasklog.LastStatus(o.last); state != "" {
		o.state = state
	}
	line.Text("state", string(o.state))
	if o.silent {
		o.failed = &kinds[0]
	}
	if o.failed != nil {
		line.Text("error", o.failed.name)
		line.Count("code", int64(o.failed.code))
		line.Count("errors", 1)
	}
	if o.throttled {
		line.Count("throttled", 1)
	}
	line.Count("events", int64(o.events))
	if !o.firstByte.IsZero() {
		line.Took("firstByteMs", o.firstByte.Sub(o.begun))
		if o.firstByte.Sub(o.begun) > slow {
			line.Count("slowStreams", 1)
		}
	}
	line.Took("requestMs", time.Since(o.begun))
	line.Usage(o.usage)
	return line
}

func (o *observation) sent(events []tasklog.Event) {
	if o.firstByte.IsZero() {
		o.firstByte = time.Now()
	}
	o.events += len(events)
	o.last = events
}

type statusWriter struct {
	http.ResponseWriter
	status int // 0 until it is known
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
