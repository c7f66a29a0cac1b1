package a2ahttp

import (
	"errors"
	"net/http"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/errordetails"

	"a2alambda/internal/auth"
	"a2alambda/internal/jsonline"
	"a2alambda/internal/memory"
)

// kinds are the errors of the protocol in the words of its bindings: specification 1.0, 5.4, 9.5 and 11.6. The first is what all
// others are.
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
	// Not the specification's, which leaves these to HTTP: the codes are those of the Go SDK.
	{a2a.ErrUnauthenticated, -31401, http.StatusUnauthorized, "UNAUTHENTICATED", "UnauthenticatedError"},
	{a2a.ErrUnauthorized, -31403, http.StatusForbidden, "PERMISSION_DENIED", "UnauthorizedError"},
}

type kind struct {
	err    error
	code   int    // in JSON-RPC
	status int    // in HTTP+JSON
	grpc   string // the name of the status in google.rpc.Code
	name   string // what some clients of 0.3 know it by
}

// unavailable is that it can't be told now who is calling: nobody's fault here, and the metrics tell it from errors that are. The code
// is the first of those that JSON-RPC leaves to servers (specification 5.1).
var unavailable = kind{a2a.ErrServerError, -32000, http.StatusServiceUnavailable, "UNAVAILABLE", "UnavailableError"}

// failure is what a client is told of an error.
type failure struct {
	kind    kind
	message string
	details []*errordetails.Typed
	status  int // of the response in any binding, or 0
}

var errNoMemory = a2a.NewError(a2a.ErrUnsupportedOperation,
	"the server has not enough memory left for this request: try again later, or ask for less")

// newFailure returns what a client is told of err. Whatever is not the protocol's is an internal error, and stays here.
func (c *call) newFailure(err error) failure {
	if errors.Is(err, memory.ErrFull) {
		c.w.Header().Set("Retry-After", "1")
		f := c.newFailure(errNoMemory)
		f.status = http.StatusServiceUnavailable
		return f
	}
	for _, k := range kinds {
		if !errors.Is(err, k.err) || k.err == a2a.ErrInternalError {
			continue
		}
		detailed := a2a.Error{Err: k.err, Message: k.err.Error()}
		if own := (*a2a.Error)(nil); errors.As(err, &own) {
			detailed = *own // a copy: some errors are variables that all requests share
		}
		detailed.ErrorInfo()
		return failure{kind: k, message: detailed.Error(), details: detailed.TypedDetails}
	}
	if !errors.Is(err, a2a.ErrInternalError) {
		c.Logger.ErrorContext(c.r.Context(), "request failed", "error", err)
	}
	internal := a2a.Error{Err: a2a.ErrInternalError}
	return failure{kind: kinds[0], message: "Internal error", details: []*errordetails.Typed{internal.ErrorInfo()}}
}

// fail answers with the error: as the response, or as the last event of a stream.
func (c *call) fail(err error) { c.answerFailure(c.newFailure(err)) }

// failStatus is fail with a status of its own.
func (c *call) failStatus(status int, err error) {
	f := c.newFailure(err)
	f.status = status
	c.answerFailure(f)
}

// failAuth answers a caller who is not let in.
func (c *call) failAuth(err error) {
	denied := (*auth.Error)(nil)
	if !errors.As(err, &denied) {
		c.fail(err)
		return
	}
	var f failure
	switch denied.Status {
	case http.StatusServiceUnavailable:
		e := a2a.Error{Err: unavailable.err}
		f = failure{kind: unavailable, details: []*errordetails.Typed{e.ErrorInfo()}}
	case http.StatusForbidden:
		f = c.newFailure(a2a.ErrUnauthorized)
	default:
		f = c.newFailure(a2a.ErrUnauthenticated)
	}
	f.status, f.message = denied.Status, denied.Message
	if denied.Challenge != "" {
		c.w.Header().Set("WWW-Authenticate", denied.Challenge)
	}
	c.answerFailure(f)
}

// refusesStream reports whether the error is the answer to a client that has asked for a stream over JSON-RPC. Then it is the
// stream's one event (specification 0.3, 3.3.1 and 7.2; 1.0, 9.4.2): most clients read nothing else there, and some show no error at all for
// an answer in JSON. A status of its own tells all of them. Over HTTP+JSON each error has one. Where the method is not known, the
// client has asked for a stream if it reads nothing else.
func (c *call) refusesStream(f failure) bool {
	_, isRPC := c.binding.(*rpc)
	return isRPC && f.status == 0 && (streaming[c.seen.operation] || c.seen.operation == "" && onlyReadsStreams(c.r))
}

// onlyReadsStreams reports whether the client names streams among what it accepts, and no JSON: RFC 9110, 12.5.1.
func onlyReadsStreams(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	return strings.Contains(accept, "text/event-stream") && !strings.Contains(accept, "json") && !strings.Contains(accept, "*/*")
}

// streaming are the operations that are answered with a stream.
var streaming = map[string]bool{"SendStreamingMessage": true, "SubscribeToTask": true}

func (c *call) answerFailure(f failure) {
	c.seen.failed = &f.kind
	status, body := c.binding.failure(c, f)
	data, err := jsonline.Marshal(body)
	if err != nil {
		panic(err) // strings and numbers
	}
	if c.stream == nil && c.refusesStream(f) {
		c.stream = newSSEWriter(c)
	}
	if c.stream != nil {
		c.stream.error(data)
		return
	}
	c.w.Header().Set("Content-Type", c.errorType())
	c.w.WriteHeader(status)
	_, _ = c.w.Write(append(data, '\n'))
}
