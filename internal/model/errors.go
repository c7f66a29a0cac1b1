package model

import "strings"

// Kind says what an [Error] means.
type Kind string

// The kinds of errors. The first three may be gone at the next try.
const (
	// Busy: the model is throttled, not ready, or cannot be reached.
	Busy Kind = "busy"
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
}

// Error returns the kind and the text. [KindOf] finds the kind there.
func (e *Error) Error() string { return string(e.Kind) + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// again reports whether the next try may succeed.
func (k Kind) again() bool { return k == Busy || k == Broken || k == Slow }

// KindOf returns the kind of an error from its text, which is all that a journal keeps of it. It is
// "" for others.
func KindOf(text string) Kind {
	for _, k := range []Kind{Busy, Broken, Slow, TooLong, Refused, Withheld, Denied} {
		if strings.HasPrefix(text, string(k)+": ") {
			return k
		}
	}
	return ""
}
