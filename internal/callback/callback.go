// Package callback takes what others send to the callbacks of tasks. A callback is a wait of a
// durable agent ([tasklog.Wait]) with a URL that can be handed to anybody; plain curl can use it:
//
//	POST /callbacks/<task>/<wait>/<token>
//
// The answers:
//
//	202  it is delivered, or the same was delivered before. Either way the task wakes up.
//	404  there is no such callback, or the token is wrong
//	405  the method is not POST: links are opened by many programs, which must not use them up
//	409  something else was delivered before
//	410  the task no longer waits for it
//	413  the body is longer than [tasklog.MaxDelivery]
//	429  there were too many for this task within a minute
//	503  the store is busy. As with 429, Retry-After says when to come again.
//
// The token is the authorization. It is checked before anything is read from the store, and is in
// no log line and no error.
package callback

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
	"a2alambda/internal/trace"
)

// maxContentType is the most bytes of a Content-Type.
const maxContentType = 256

// Store is what a handler needs of a [tasklog.Store].
type Store interface {
	tasklog.Waits
	Wake(ctx context.Context, id a2a.TaskID) error
	Lease(ctx context.Context, id a2a.TaskID) (tasklog.LeaseInfo, error)
	Secret(ctx context.Context) ([]byte, error)
}

// Config is what a handler needs. All fields are required.
type Config struct {
	Store Store
	// Invoke asks for a worker for the task. It may be lost: the task is due already.
	Invoke func(context.Context, a2a.TaskID) error
	Logger *slog.Logger
}

type handler struct {
	Config
	limit limit
}

// New returns the handler. Below [Path], it answers as the package says. It knows no other path.
func New(c Config) http.Handler { return &handler{Config: c} }

// answer is an answer other than 202.
type answer struct {
	status int
	text   string
	after  int // seconds until it is worth to come again; 0 for never
}

func (a answer) Error() string { return a.text }

var (
	errUnknown  = answer{http.StatusNotFound, "there is no such callback", 0}
	errMethod   = answer{http.StatusMethodNotAllowed, "a callback takes only POST", 0}
	errOther    = answer{http.StatusConflict, "something else was delivered before", 0}
	errClosed   = answer{http.StatusGone, "nobody waits for this callback any more", 0}
	errBody     = answer{http.StatusBadRequest, "the body did not come to its end", 0}
	errType     = answer{http.StatusBadRequest, "Content-Type is longer than " + strconv.Itoa(maxContentType) + " bytes", 0}
	errTooLong  = answer{http.StatusRequestEntityTooLarge, "the body is longer than " + strconv.Itoa(tasklog.MaxDelivery>>10) + " KB", 0}
	errTooMany  = answer{http.StatusTooManyRequests, "there are too many callbacks for this task", 60}
	errBusy     = answer{http.StatusServiceUnavailable, "the system is busy", 5}
	errInternal = answer{http.StatusInternalServerError, "internal error", 0}
)

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun, usage := time.Now(), new(telemetry.Usage)
	// Its sender may go away: what has come must not be left halfway.
	ctx := telemetry.With(context.WithoutCancel(r.Context()), usage)
	task, invoke, err := h.take(ctx, w, r)
	status := http.StatusAccepted
	if err != nil {
		a := h.answer(ctx, task, err)
		status = a.status
		refuse(w, a)
	} else {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "accepted\n")
		_ = http.NewResponseController(w).Flush() // a sender need not wait for the worker
	}
	if invoke { // last: the task is due, and the call may be lost
		if err := h.Invoke(ctx, task); err != nil {
			h.Logger.ErrorContext(ctx, "invoking worker", "task", task, "error", err)
		}
	}
	line := new(telemetry.Line)
	line.Text("operation", "Callback")
	line.Task(task, "", trace.FromHeader(r.Header))
	line.Count("status", int64(status))
	line.Took("requestMs", time.Since(begun))
	line.Usage(usage)
	line.Log(ctx, h.Logger, telemetry.Request)
}

// take delivers what a request brings, and wakes the task. It returns the task if the request may
// know it, and whether the task needs a worker.
func (h *handler) take(ctx context.Context, w http.ResponseWriter, r *http.Request) (a2a.TaskID, bool, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return "", false, errMethod
	}
	ctx = tasklog.GiveUpSoon(ctx) // its sender can come again
	secret, err := h.Store.Secret(ctx)
	if err != nil {
		return "", false, err
	}
	a := parse(r.URL.Path)
	switch a.use(secret) {
	case toWake:
		asleep, err := h.wake(ctx, a)
		return a.task, asleep, err
	case toDeliver:
		err := h.deliver(ctx, a, w, r)
		return a.task, err == nil, err
	}
	return "", false, errUnknown
}

// deliver delivers a request's body.
func (h *handler) deliver(ctx context.Context, a address, w http.ResponseWriter, r *http.Request) error {
	// A store keeps text: what is not must be the same if it comes again.
	d := tasklog.Delivery{ContentType: strings.ToValidUTF8(r.Header.Get("Content-Type"), "\uFFFD"), Time: time.Now()}
	switch {
	case !h.limit.allows(a.task, d.Time):
		return errTooMany
	case r.ContentLength > tasklog.MaxDelivery:
		return errTooLong
	case len(d.ContentType) > maxContentType:
		return errType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, tasklog.MaxDelivery))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return errTooLong
	}
	if err != nil {
		return errBody
	}
	d.Body = body
	if err := h.Store.Deliver(ctx, a.task, a.wait, d); err != nil {
		return err
	}
	// Also if it was delivered before: perhaps that sender's task was not woken.
	return h.Store.Wake(ctx, a.task)
}

// wake wakes a task whose wait is open. It reports whether the task then needs a worker.
func (h *handler) wake(ctx context.Context, a address) (asleep bool, err error) {
	wait, err := h.Store.Wait(ctx, a.task, a.wait)
	if err != nil || wait.State != tasklog.WaitOpen {
		return false, err
	}
	lease, err := h.Store.Lease(ctx, a.task)
	switch {
	case err != nil:
		return false, err
	case lease.Suspended && !lease.Sleeps():
		return false, nil // it is due: whoever takes it looks for news after this
	case !lease.Suspended && !h.limit.allows(a.task, time.Now()):
		return false, nil // its holder has enough of it, and looks from time to time
	}
	return lease.Suspended, h.Store.Wake(ctx, a.task)
}

// answer returns what a sender is told of an error.
func (h *handler) answer(ctx context.Context, id a2a.TaskID, err error) answer {
	a := answer{}
	switch {
	case errors.As(err, &a):
		return a
	case errors.Is(err, tasklog.ErrNotFound):
		return errUnknown
	case errors.Is(err, tasklog.ErrDelivered):
		return errOther
	case errors.Is(err, tasklog.ErrWaitClosed):
		return errClosed
	case errors.Is(err, tasklog.ErrThrottled):
		return errBusy
	}
	h.Logger.ErrorContext(ctx, "callback failed", "task", id, "error", err)
	return errInternal
}

func refuse(w http.ResponseWriter, a answer) {
	w.Header().Set("Cache-Control", "no-store")
	if a.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.after))
	}
	http.Error(w, a.text, a.status)
}
