package peer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/outgoing"
)

// Outcome says what is known of a request that failed.
type Outcome string

const (
	// Unsent means that the peer has not begun with the request. It may be sent again.
	Unsent Outcome = "unsent"
	// Unknown means that the peer may have got the request.
	Unknown Outcome = "unknown"
	// Refused means that the peer has answered, and would answer again, with an error.
	Refused Outcome = "refused"
)

// Error is a request that failed.
type Error struct {
	Outcome Outcome
	// Text says what happened. It has nothing of the credentials, and at most 500 bytes of what the
	// peer said.
	Text string
	// After is how long the peer wants to be left alone, or 0.
	After time.Duration
	// NotFound means that the peer has no such task.
	NotFound bool
	// Useless means that the answer is not one of A2A, or too large.
	Useless bool
}

func (e *Error) Error() string { return e.Text }

// maxText is the most bytes of a peer's words in an error.
const maxText = 500

// A peer can ask to be left alone for this long at most.
const maxAfter = 15 * time.Minute

// seen is what is known of the last HTTP request of a call.
type seen struct {
	written  atomic.Bool // something of it may have reached the peer
	status   int
	after    string // Retry-After
	broken   error  // of the answer's body
	tooLarge int64  // the limit that it exceeds, in bytes
}

// again forgets the request before.
func (s *seen) again() {
	s.written.Store(false)
	s.status, s.after, s.broken, s.tooLarge = 0, "", nil, 0
}

// failed returns the error of a request, by what was seen of it. Its context has not ended, or only
// by a limit of the request's own.
func (p *Peer) failed(ctx context.Context, s *seen, err error) error {
	e := &Error{Text: p.Name + ": "}
	said := (*a2a.Error)(nil)
	switch {
	case s.tooLarge > 0:
		e.Outcome, e.Useless, e.Text = Refused, true, e.Text+fmt.Sprintf("the answer has more than %d MB", s.tooLarge>>20)
	case errors.Is(err, a2a.ErrUnsupportedOperation):
		e.Outcome, e.Text = Refused, e.Text+"it does not have the operation"
	case errors.Is(err, outgoing.ErrBlocked):
		e.Outcome, e.Text = Refused, e.Text+outgoing.ErrBlocked.Error()
	case s.status == 0 && !s.written.Load():
		e.Outcome, e.Text = Unsent, e.Text+"no connection: "+brief(err)
	case s.status == 0 || s.broken != nil:
		e.Outcome, e.Text = Unknown, e.Text+"no answer: "+brief(err)
		if ctx.Err() != nil {
			e.Text = p.Name + ": no answer in time"
		}
	case s.status == http.StatusTooManyRequests, s.status == http.StatusServiceUnavailable:
		e.Outcome, e.Text, e.After = Unsent, e.Text+status(s.status), after(s.after)
	case s.status >= 500, s.status == http.StatusRequestTimeout:
		e.Outcome, e.Text = Unknown, e.Text+status(s.status)
	case s.status == http.StatusUnauthorized, s.status == http.StatusForbidden:
		e.Outcome, e.Text = Refused, e.Text+status(s.status)+": the credentials are missing, wrong or out of date"
	case errors.As(err, &said):
		e.Outcome, e.Text = Refused, e.Text+bounded(said.Error())
		e.NotFound = errors.Is(err, a2a.ErrTaskNotFound)
	case s.status != http.StatusOK:
		e.Outcome, e.Text = Refused, e.Text+status(s.status)
	default:
		e.Outcome, e.Useless, e.Text = Refused, true, e.Text+"the answer is malformed: "+brief(err)
	}
	return e
}

func status(code int) string {
	return strings.TrimSpace("status " + strconv.Itoa(code) + " " + http.StatusText(code))
}

// after reads Retry-After in seconds.
func after(header string) time.Duration {
	n, err := strconv.ParseUint(header, 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxAfter)
}

// brief is an error without URLs, which may have secrets of the deployment's in them.
func brief(err error) string {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return bounded(err.Error())
}

// bounded cuts a peer's words, and makes them one line of UTF-8.
func bounded(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	return strings.ToValidUTF8(text[:min(len(text), maxText)], "")
}
