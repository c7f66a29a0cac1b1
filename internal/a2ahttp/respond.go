package a2ahttp

import (
	"errors"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/dialect"
	"a2alambda/internal/jsonline"
	"a2alambda/internal/memory"
)

// responder answers one request.
type responder interface {
	// respond runs the operation and answers with its outcome. It returns an error that the client
	// has not seen yet.
	respond(operation) error
	// fail answers with an error: the whole answer or, once a stream has begun, its end.
	fail(error)
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, b binding) {
	w.Header().Set("Vary", varies)
	seen := observationOf(r)
	seen.binding = b.name()
	var answer responder = &jsonResponder{h, w, r, &request{binding: b, dialect: dialect.V1}}
	defer func() {
		if p := recover(); p != nil {
			h.Logger.ErrorContext(r.Context(), "panic", "error", p, "stack", string(debug.Stack()))
			answer.fail(a2a.ErrInternalError)
		}
	}()
	q, err := b.decode(h, r)
	seen.operation = q.operation
	if errors.Is(err, errGone) {
		return
	}
	if q.notification {
		w = &notified{ResponseWriter: w}
	}
	o := operations[q.operation]
	inJSON := jsonResponder{h, w, r, &q}
	answer = &inJSON
	if o.stream != nil || q.operation == "" && onlyReadsStreams(r) {
		answer = &sseResponder{jsonResponder: inJSON}
	}
	if err == nil {
		err = h.Server.Runner.Ending()
	}
	if err == nil {
		seen.version = q.caller.Version
		if active := q.caller.Extensions; len(active) > 0 {
			w.Header().Set(extensionsHeader(r), strings.Join(active, ", "))
		}
		if o.long() {
			err = memory.Charge(r.Context(), "stream", memory.Stream)
		}
		if h.Enter != nil && o.long() && err == nil {
			var leave func()
			if leave, err = h.Enter(); err == nil {
				defer leave()
			}
		}
	}
	if err == nil {
		err = answer.respond(o)
	}
	if err != nil {
		answer.fail(err)
	}
}

// onlyReadsStreams reports whether the client accepts streams and no JSON (RFC 9110, 12.5.1). Such
// a client has asked for a stream, even by a method that nobody knows.
func onlyReadsStreams(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	return strings.Contains(accept, "text/event-stream") && !strings.Contains(accept, "json") && !strings.Contains(accept, "*/*")
}

// jsonResponder answers with one JSON document.
type jsonResponder struct {
	*handler
	w http.ResponseWriter
	r *http.Request
	q *request
}

func (j *jsonResponder) respond(o operation) error {
	result, err := o.result(j.handler, j.r, j.q)
	if err != nil {
		return err
	}
	contentType, before, after := j.q.binding.result(j.q.dialect)
	pieces := [][]byte{[]byte(before), jsonline.Clean(result), append([]byte(after), '\n')}
	if room := j.newRoom(); room != nil {
		left := 0
		for _, p := range pieces {
			left = room(p)
		}
		if left < 0 {
			return errTooLong
		}
	}
	j.w.Header().Set("Content-Type", contentType)
	if o.cache != "" {
		j.w.Header().Set("Cache-Control", o.cache)
	}
	for _, p := range pieces {
		_, _ = j.w.Write(p) // a client that is gone needs no answer
	}
	return nil
}

func (j *jsonResponder) fail(err error) {
	status, _, body := j.encodeFailure(err)
	j.write(status, body)
}

// encodeFailure is the binding's failure for an error, with an encoded body.
func (j *jsonResponder) encodeFailure(err error) (status int, field string, body []byte) {
	f := j.explain(err)
	observationOf(j.r).failed = &f.kind
	status, field, v := j.q.binding.failure(j.q.dialect, f)
	body, err = jsonline.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers
	}
	return status, field, body
}

func (j *jsonResponder) write(status int, body []byte) {
	j.w.Header().Set("Content-Type", j.errorType())
	j.w.WriteHeader(status)
	_, _ = j.w.Write(append(body, '\n'))
}

// errorType returns the content type of an error: a result's, or application/json for clients that
// accept that and do not name 1.0's type. The Go SDK up to 2.4.0 is such a client, and reads errors
// of no other type.
func (j *jsonResponder) errorType() string {
	const plain = "application/json"
	contentType, _, _ := j.q.binding.result(j.q.dialect)
	if contentType == plain {
		return plain
	}
	j.w.Header().Add("Vary", "Accept")
	if accept := strings.Join(j.r.Header.Values("Accept"), ","); strings.Contains(accept, plain) && !strings.Contains(accept, contentType) {
		return plain
	}
	return contentType
}

// newRoom returns the function of [Config.Room] for the answer, or nil if no answer is too long.
func (j *jsonResponder) newRoom() func(piece []byte) (left int) {
	if j.Room == nil {
		return nil
	}
	return j.Room(j.r)
}

// errTooLong replaces an answer that is too long to be sent in one piece.
var errTooLong = a2a.NewError(a2a.ErrUnsupportedOperation, "the answer is longer than the 6 MB that can be sent in one piece here: "+
	"ask for less, with historyLength or pageSize, get the task with GetTask, or use the agent's function URL, which streams")

// notified is the response to a notification, a request without an id. It has no body, unless HTTP
// has a status for an error: JSON-RPC 2.0, 4.1.
type notified struct {
	http.ResponseWriter
	begun, said bool
}

func (w *notified) WriteHeader(status int) {
	w.begun, w.said = true, status != http.StatusOK
	if !w.said {
		status = http.StatusNoContent
		w.Header().Del("Content-Type")
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *notified) Write(p []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	if !w.said {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}
