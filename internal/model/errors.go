package model

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind says what an [Error] means.
type Kind string

// The kinds of errors. Busy, Broken and Slow may be gone at the next try.
const (
	// Busy: the model is throttled, not ready, or cannot be reached.
	Busy Kind = "busy"
	// Exhausted: the model is busy for longer than maxWait, as when a day's quota is used up.
	Exhausted Kind = "exhausted"
	// Broken: the answer broke off, or made no sense.
	Broken Kind = "broken off"
	// Slow: the answer took longer than it may.
	Slow Kind = "too slow"
	// TooLong: the conversation is longer than the model can read.
	TooLong Kind = "too long"
	// Refused: the provider does not take the request as it is.
	Refused Kind = "refused"
	// Withheld: a content filter does not let the conversation through.
	Withheld Kind = "withheld"
	// Denied: the credentials, the model's name or the account are not right. Only whoever deploys
	// can change that.
	Denied Kind = "denied"
)

// Error is an error of a [Model].
type Error struct {
	Kind Kind
	Err  error
	// After is how long the provider says to wait before the next call, or 0: see [RetryAfter].
	After time.Duration
}

// Error returns the kind and the text. [KindOf] finds the kind there.
func (e *Error) Error() string { return string(e.Kind) + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// again reports whether the next try may succeed.
func (k Kind) again() bool { return k == Busy || k == Broken || k == Slow }

// KindOf returns the kind of an error from its text, which is all that a journal keeps of it. It is
// "" for others.
func KindOf(text string) Kind {
	for _, k := range []Kind{Busy, Exhausted, Broken, Slow, TooLong, Refused, Withheld, Denied} {
		if strings.HasPrefix(text, string(k)+": ") {
			return k
		}
	}
	return ""
}

// RetryAfter returns how long a response says to wait before the next request: by retry-after-ms, as
// Azure and OpenAI have it, or else by Retry-After, in seconds or as a date. It is 0 if none says it,
// or the time has passed.
// https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
func RetryAfter(h http.Header) time.Duration {
	for _, form := range []struct {
		name string
		unit time.Duration
	}{{"Retry-After-Ms", time.Millisecond}, {"Retry-After", time.Second}} {
		if n, err := strconv.ParseFloat(strings.TrimSpace(h.Get(form.name)), 64); err == nil && n >= 0 {
			return time.Duration(min(n*float64(form.unit), float64(maxAfter)))
		}
	}
	if at, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		return min(max(time.Until(at), 0), maxAfter)
	}
	return 0
}

// maxWait is the longest time that an agent waits for a model that says when to ask again.
const maxWait = time.Hour

// maxAfter bounds what a response says.
const maxAfter = 24 * time.Hour
