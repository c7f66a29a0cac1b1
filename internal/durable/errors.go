package durable

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrSuspended is what durable calls return when the function is to be left: the task goes on
	// in another run, which begins with the function's first line. It is also the cause with which
	// the context ends.
	ErrSuspended = errors.New("the task goes on in another run")

	// ErrInterrupted means that a step with [Once] was begun and not finished: what it does may have
	// happened or not. [StepError.Key] is for asking the other side.
	ErrInterrupted = errors.New("the step was interrupted")

	// ErrTimeout means that what a call waited for has not come in time.
	ErrTimeout = errors.New("nothing came in time")

	// ErrCanceled means that the task is being canceled. Each call that is under way at that moment
	// returns it, or else the next durable call. From then on the function has half a minute to
	// undo what it has done. Then the task is canceled, whatever the function returns.
	ErrCanceled = errors.New("the task is being canceled")
)

// StepError is the recorded error of a durable call. It is the same in every run: it has the text
// of the error that it was made from, and no more. [errors.Is] finds ErrInterrupted, ErrTimeout and
// ErrCanceled in it, in every run.
type StepError struct {
	// Step is the full name of the call.
	Step string
	// Key is what [Key] returned in the step.
	Key string
	// Text is the text of the error. A long one is cut.
	Text string

	cause Cause
}

func (e *StepError) Error() string { return fmt.Sprintf("%s: %s", e.Step, e.Text) }

// Is reports whether the error was recorded as the target: see [StepError].
func (e *StepError) Is(target error) bool {
	return target != nil && target == e.cause.sentinel()
}

// Permanent returns an error that ends the attempts of [Retry]. Nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

type permanent struct{ err error }

func (p *permanent) Error() string { return p.err.Error() }
func (p *permanent) Unwrap() error { return p.err }

// Cause says which of the package's errors a recorded error is.
type Cause string

// The causes of recorded errors. An error of the author's own has none.
const (
	CauseInterrupted Cause = "interrupted"
	CauseTimeout     Cause = "timeout"
	CauseCanceled    Cause = "canceled"
	// CauseCutOff is for a step whose attempts were cut off too often.
	CauseCutOff Cause = "cut off"
	// CauseTooLarge is for a result with more bytes than may be recorded.
	CauseTooLarge Cause = "too large"
)

func (c Cause) sentinel() error {
	switch c {
	case CauseInterrupted:
		return ErrInterrupted
	case CauseTimeout:
		return ErrTimeout
	case CauseCanceled:
		return ErrCanceled
	}
	return nil
}

// maxErrorText is the most bytes of a recorded error's text.
const maxErrorText = 4 << 10

// Recorded is an error in the journal.
type Recorded struct {
	Text  string `json:"x"`
	Cause Cause  `json:"c,omitempty"`
}

// recorded returns what the journal keeps of an error.
func recorded(err error) *Recorded {
	if step := (*StepError)(nil); errors.As(err, &step) && err == error(step) {
		return &Recorded{cut(step.Text), step.cause}
	}
	r := &Recorded{Text: cut(err.Error())}
	for _, c := range []Cause{CauseInterrupted, CauseTimeout, CauseCanceled} {
		if errors.Is(err, c.sentinel()) {
			r.Cause = c
		}
	}
	return r
}

// After returns an error after which [Retry] pauses for so long, or for its own pause if that is
// longer: what was asked has said when to ask again. It pauses for an hour at most. Nil stays nil.
func After(d time.Duration, err error) error {
	if err == nil {
		return nil
	}
	return &after{d, err}
}

type after struct {
	pause time.Duration
	err   error
}

func (a *after) Error() string { return a.err.Error() }
func (a *after) Unwrap() error { return a.err }
