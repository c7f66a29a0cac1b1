package webhook

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"a2alambda/internal/outgoing"
	"a2alambda/internal/push"
)

const (
	// maxAnswer is how many bytes of an answer are read, and answerTime for how long, so that its
	// connection can be used again. Only the status of an answer counts: no event waits for the end
	// of its body.
	maxAnswer  = 64 << 10
	answerTime = 250 * time.Millisecond

	// mostAgain is how often a transport may send the same request again by itself: if a connection
	// that was used before turns out to be closed, or if an HTTP/2 server refuses it. A server can
	// feign that when it has read the request.
	mostAgain = 1

	// maxText is the most bytes in the text of a failure, which may have a part of an answer.
	maxText = 200
)

// errAgain is the error of a request that a transport wants to send once too often.
var errAgain = errors.New("the connection was closed again and again")

// failure says why a webhook did not accept an event. It contains no secret of the configuration.
type failure struct {
	text  string
	lasts bool          // another try at once would fail, too
	gone  bool          // the webhook wants no more events
	after time.Duration // how long it wants no request; 0 if it does not say
}

func (f *failure) Error() string { return f.text }

// post sends one request, and tells the host's breaker the result. Any answer except a 2xx is a
// [failure], and so is no answer in time. In a wake-up, no answer in time is errLater, unless the
// configuration has not agreed: it has no more time in any case.
func (d *delivery) post(ctx context.Context, seq int64, body payload) error {
	limit := timeout
	if d.wakeUp || !d.Agreed {
		limit = firstTry
	}
	begun := time.Now()
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodPost, d.Push.URL, body.reader())
	if err != nil {
		return &failure{text: "malformed URL", lasts: true}
	}
	req.ContentLength = body.size
	again := 0
	req.GetBody = func() (io.ReadCloser, error) {
		if again++; again > mostAgain {
			return nil, errAgain
		}
		return body.reader(), nil
	}
	req.Header = d.header(seq)
	// This header is not sent. It allows another try if the connection turns out to be closed.
	req.Header["Idempotency-Key"] = nil
	d.Bytes += body.size + d.headers()

	ref := push.Ref{TaskID: d.TaskID, ID: d.ID}
	resp, err := d.config.Client.Do(req)
	if again > 0 {
		if err := d.sentAgain(ctx, seq, body, min(again, mostAgain)); err != nil {
			return err
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		silent := limited.Err() != nil
		if silent {
			d.late(begun, false)
		}
		switch {
		case silent && d.wakeUp:
			if d.host.wasLate(ref, begun); d.Agreed {
				return errLater
			}
		case errors.Is(err, errAgain): // perhaps this instance was frozen: the next try has a new connection
			d.config.Client.CloseIdleConnections()
		case !errors.Is(err, outgoing.ErrBlocked):
			d.host.failed(ref, begun, d.trial)
			d.trial = false
		}
		if silent {
			return &failure{text: "no answer within " + limit.String(), lasts: true}
		}
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL
		}
		text := err.Error()
		text = strings.ToValidUTF8(text[:min(len(text), maxText)], "")
		return &failure{text: text, lasts: errors.Is(err, outgoing.ErrBlocked)}
	}
	defer resp.Body.Close()
	d.host.answered(time.Since(begun))
	d.late(begun, true)
	if !d.endless {
		enough := time.AfterFunc(answerTime, cancel)
		_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
		d.endless = !enough.Stop() // the next answers are not read to their end
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		gone := resp.StatusCode == http.StatusGone
		after := min(retryAfter(resp.Header.Get("Retry-After")), backOffMost)
		return &failure{text: "status " + strconv.Itoa(resp.StatusCode), lasts: gone || after > longestPause, gone: gone, after: after}
	}
	return nil
}

// sentAgain counts what a transport has sent again. If there is no room for it, the next request is
// without it.
func (d *delivery) sentAgain(ctx context.Context, seq int64, body payload, times int) error {
	whole := body.size + d.headers()
	d.Bytes += int64(times) * whole
	bytes := body.own
	if !d.Agreed {
		bytes = whole
	}
	if bytes == 0 {
		return nil
	}
	_, err := d.take(ctx, seq, int64(times)*bytes)
	return err
}

// header returns the headers of a request: the token, under the names that the servers of the Go,
// Python and JavaScript SDKs use; authentication; the client's trace; and one of our own, the
// event's number.
func (d *delivery) header(seq int64) http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/a2a+json")
	if d.Version == "0.3" {
		h.Set("Content-Type", "application/json")
	}
	h.Set(push.EventHeader, strconv.FormatInt(seq, 10))
	for name, values := range d.Trace.Header() {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if d.Push.Token != "" {
		h.Set("X-A2A-Notification-Token", d.Push.Token)
		h.Set("A2A-Notification-Token", d.Push.Token)
	}
	if a := d.Push.Auth; a != nil && a.Scheme != "" && a.Credentials != "" {
		h.Set("Authorization", a.Scheme+" "+a.Credentials)
	}
	return h
}

// headers returns how many bytes a request has besides its body, or a few more.
func (d *delivery) headers() int64 {
	if d.overhead == 0 {
		n := len(d.Push.URL) + 150 // the request line, Host, User-Agent and Content-Length
		for name, values := range d.header(math.MaxInt64) {
			for _, v := range values {
				n += len(name) + len(v) + len(": \r\n")
			}
		}
		d.overhead = int64(n)
	}
	return d.overhead
}

// retryAfter returns how long the client should wait by the header, which has a number of seconds
// or a time (RFC 9110, section 10.2.3). It is 0 for a header that can't be understood.
func retryAfter(header string) time.Duration {
	if header != "" && strings.Trim(header, "0123456789") == "" {
		n, err := strconv.ParseInt(header, 10, 32)
		if err != nil {
			return math.MaxInt64 // too long to be a number here
		}
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
