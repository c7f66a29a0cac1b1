package a2ahttp

import (
	"errors"
	"net"
	"net/http"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/errordetails"

	"a2alambda/internal/auth"
	"a2alambda/internal/memory"
	"a2alambda/internal/tasklog"
)

// kinds are the protocol's errors, as its bindings write them: specification 1.0, 5.4, 9.5 and
// 11.6. Any other error counts as the first kind.
var kinds = []kind{
	{a2a.ErrInternalError, -32603, http.StatusInternalServerError, "INTERNAL", "InternalError"},
	{a2a.ErrParseError, -32700, http.StatusBadRequest, "INVALID_ARGUMENT", "JSONParseError"},
	{a2a.ErrInvalidRequest, -32600, http.StatusBadRequest, "INVALID_ARGUMENT", "InvalidRequestError"},
	{a2a.ErrMethodNotFound, -32601, http.StatusNotFound, "NOT_FOUND", "MethodNotFoundError"},
	{a2a.ErrInvalidParams, -32602, http.StatusBadRequest, "INVALID_ARGUMENT", "InvalidParamsError"},
	{a2a.ErrTaskNotFound, -32001, http.StatusNotFound, "NOT_FOUND", "TaskNotFoundError"},
	{a2a.ErrTaskNotCancelable, -32002, http.StatusBadRequest, "FAILED_PRECONDITION", "TaskNotCancelableError"},
	{a2a.ErrPushNotificationNotSupported, -32003, http.StatusBadRequest, "FAILED_PRECONDITION", "PushNotificationNotSupportedError"},
	{a2a.ErrUnsupportedOperation, -32004, http.StatusBadRequest, "FAILED_PRECONDITION", "UnsupportedOperationError"},
	{a2a.ErrUnsupportedContentType, -32005, http.StatusBadRequest, "INVALID_ARGUMENT", "ContentTypeNotSupportedError"},
	{a2a.ErrInvalidAgentResponse, -32006, http.StatusInternalServerError, "INTERNAL", "InvalidAgentResponseError"},
	{a2a.ErrExtendedCardNotConfigured, -32007, http.StatusBadRequest, "FAILED_PRECONDITION", "ExtendedAgentCardNotConfiguredError"},
	{a2a.ErrExtensionSupportRequired, -32008, http.StatusBadRequest, "FAILED_PRECONDITION", "ExtensionSupportRequiredError"},
	{a2a.ErrVersionNotSupported, -32009, http.StatusBadRequest, "FAILED_PRECONDITION", "VersionNotSupportedError"},
	// The specification leaves these to HTTP. The codes are the Go SDK's.
	{a2a.ErrUnauthenticated, -31401, http.StatusUnauthorized, "UNAUTHENTICATED", "UnauthenticatedError"},
	{a2a.ErrUnauthorized, -31403, http.StatusForbidden, "PERMISSION_DENIED", "UnauthorizedError"},
}

type kind struct {
	err    error
	code   int    // in JSON-RPC
	status int    // in HTTP+JSON
	grpc   string // the name of the status in google.rpc.Code
	name   string // by which some clients of 0.3 know it
}

// unavailable is the error for a request that needs something that is not there now: the issuer
// that authenticates the caller, a store that is not busy, or a server that has memory and a place
// left and is not about to end. It is not a fault of this server, so the metrics count it apart from
// internal errors. The code is the first of those that JSON-RPC leaves to servers (specification
// 5.1).
var unavailable = kind{a2a.ErrServerError, -32000, http.StatusServiceUnavailable, "UNAVAILABLE", "UnavailableError"}

// failure is what a client learns of an error.
type failure struct {
	kind    kind
	message string
	details []*errordetails.Typed
	status  int // of the response in any binding, or 0
}

// httpError is an error with an HTTP status in every binding, and perhaps a header.
type httpError struct {
	err           error
	status        int
	header, value string
}

func (e *httpError) Error() string { return e.err.Error() }

// ErrFull means that a server does as much at the same time as it may: see [Config.Enter].
var ErrFull = errors.New("the server has no place left")

const (
	textNoMemory = "the server has not enough memory left for this request: try again in some seconds, or ask for less"

	textFull   = "the server is busy with other requests: try again in some seconds"
	textBusy   = "the store of tasks is busy: try again in some seconds"
	textLate   = "the request could not be served in time: try again in a second"
	textSilent = "the store of tasks did not answer in time: connect again in a second"
	textEnding = "the server is about to end: try again in a second"
)

// explain returns what the client learns of err, and sets the headers that belong to it. An error
// that is not the protocol's is internal: its cause goes to the log only.
func (j *jsonResponder) explain(err error) failure {
	if errors.Is(err, memory.ErrFull) {
		return j.comeAgain("1", textNoMemory)
	}
	if errors.Is(err, tasklog.ErrThrottled) {
		observationOf(j.r).throttled = true
		return j.comeAgain("2", textBusy)
	}
	if errors.Is(err, tasklog.ErrEnding) {
		return j.comeAgain("1", textEnding)
	}
	if errors.Is(err, tasklog.ErrLate) || tasklog.Late(j.r.Context()) {
		j.Logger.ErrorContext(j.r.Context(), "request was not served in time", "error", err)
		return j.comeAgain("1", textLate)
	}
	if errors.Is(err, ErrFull) {
		return j.comeAgain("2", textFull)
	}
	if e := (*httpError)(nil); errors.As(err, &e) {
		if e.header != "" {
			j.w.Header().Set(e.header, e.value)
		}
		f := j.explain(e.err)
		f.status = e.status
		return f
	}
	if denied := (*auth.Error)(nil); errors.As(err, &denied) {
		return j.explainDenied(denied)
	}
	for _, k := range kinds[1:] {
		if !errors.Is(err, k.err) {
			continue
		}
		detailed := a2a.Error{Err: k.err, Message: k.err.Error()}
		if own := (*a2a.Error)(nil); errors.As(err, &own) {
			detailed = *own // a copy: requests share some errors
		}
		detailed.ErrorInfo()
		return failure{kind: k, message: detailed.Error(), details: detailed.TypedDetails}
	}
	if silent(err) {
		observationOf(j.r).silent = true
		j.Logger.ErrorContext(j.r.Context(), "request was not served in time", "error", err)
		return j.comeAgain("1", textLate)
	}
	if !errors.Is(err, a2a.ErrInternalError) {
		j.Logger.ErrorContext(j.r.Context(), "request failed", "error", err)
	}
	internal := a2a.Error{Err: a2a.ErrInternalError}
	return failure{kind: kinds[0], message: "Internal error", details: []*errordetails.Typed{internal.ErrorInfo()}}
}

// silent reports whether something that was needed, such as the store, did not answer in time.
func silent(err error) bool {
	timeout := (net.Error)(nil)
	return errors.As(err, &timeout) && timeout.Timeout()
}

// comeAgain is the failure of a request that succeeds if it is sent again after some seconds.
func (j *jsonResponder) comeAgain(after, text string) failure {
	j.w.Header().Set("Retry-After", after)
	e := a2a.Error{Err: unavailable.err}
	return failure{unavailable, text, []*errordetails.Typed{e.ErrorInfo()}, http.StatusServiceUnavailable}
}

// explainDenied is explain for a caller that is not let in.
func (j *jsonResponder) explainDenied(denied *auth.Error) (f failure) {
	switch denied.Status {
	case http.StatusServiceUnavailable:
		e := a2a.Error{Err: unavailable.err}
		f = failure{kind: unavailable, details: []*errordetails.Typed{e.ErrorInfo()}}
	case http.StatusForbidden:
		f = j.explain(a2a.ErrUnauthorized)
	default:
		f = j.explain(a2a.ErrUnauthenticated)
	}
	if denied.Challenge != "" {
		j.w.Header().Set("WWW-Authenticate", denied.Challenge)
	}
	f.status, f.message = denied.Status, denied.Message
	return f
}
