package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// ServeHTTP is the function URL. It returns at the invocation's end, even if the client has gone.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A deadline stays with the connection: this lifts the last request's.
	http.NewResponseController(w).SetWriteDeadline(time.Time{})
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		message(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	} else if err != nil {
		panic(http.ErrAbortHandler)
	}
	inv := newInvocation(uuid.NewString())
	w.Header().Set("X-Amzn-Requestid", inv.id)
	ev := newEvent(r, body, inv)
	if e.config.Callers != nil {
		key, ok := e.caller(r, body)
		if !ok {
			forbid(w)
			return
		}
		ev.RequestContext.AccountID = account
		ev.RequestContext.Authorizer = iam(key, e.config.Callers[key])
	}
	if len(ev.Body) > maxBody {
		message(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	}
	var event bytes.Buffer
	encoder := json.NewEncoder(&event)
	// JSON needs no HTML escapes: with them a body of "<" would make an event six times as long.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(ev); err != nil {
		panic(err) // strings and numbers only
	}
	inv.event = event.Bytes()

	c := &client{w: w, inv: inv}
	switch err := e.invoke(inv, c); {
	case err == nil:
	case errors.Is(err, errThrottled):
		message(w, http.StatusTooManyRequests, "Rate Exceeded.")
	case errors.Is(err, errClosed):
		message(w, http.StatusServiceUnavailable, "Service Unavailable")
	default:
		fmt.Fprintf(e.config.Log, "%s %v\n", inv.id, err)
		if c.began {
			panic(http.ErrAbortHandler) // cuts the response
		}
		message(w, http.StatusBadGateway, "Internal Server Error")
	}
}

// message answers as Lambda itself does.
func message(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"message":%q}`, text)
}
