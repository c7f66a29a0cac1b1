package webhook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/memory"
	"a2alambda/internal/tasklog"
)

const (
	// maxAnswer is how much of an answer is read, in bytes, and answerTime for how long, so that
	// its connection can be used again. Only its status counts: no event waits for the end of its
	// body.
	maxAnswer  = 64 << 10
	answerTime = 250 * time.Millisecond

	// maxText is how long the text of a failure is, in bytes: it may have part of an answer.
	maxText = 200
)

// failure says why a webhook did not take an event. It contains no secret of the configuration.
type failure struct {
	text  string
	lasts bool          // another try at once would be in vain
	gone  bool          // it wants no more
	after time.Duration // how long it wants no request; 0 if it does not say
}

func (f *failure) Error() string { return f.text }

// maxTaskBytes is how much JSON the Task has that a webhook of 0.3 gets. A longer one is cut, see
// [tasklog.Cut]: GetTask has all of it.
const maxTaskBytes = 4 << 20

// bodies returns what makes the body of a request of an event. It is to be called with the events
// after d.After, in order.
//
// In 1.0 the body is the StreamResponse (specification 4.3.3). In 0.3 it is the whole Task as of
// the event (specification 0.3, 9.5); that takes the log from its beginning, and memory.
func (d *delivery) bodies(ctx context.Context) (func(context.Context, tasklog.Event) ([]byte, error), error) {
	if d.Version != "0.3" {
		return func(_ context.Context, e tasklog.Event) ([]byte, error) { return tasklog.Shown(e.JSON) }, nil
	}
	fold := tasklog.NewFold(nil, 0)
	// add charges for the event before it is decoded: one of few bytes may take a lot of memory.
	add := func(ctx context.Context, e tasklog.Event) error {
		size := fold.Size().Plus(tasklog.EstimateSize(e.JSON))
		size.Bytes /= 2 // a body is no longer than maxTaskBytes
		if err := memory.Charge(ctx, "task", size.Memory()); err != nil {
			return err
		}
		fold.Add(e)
		return nil
	}
	for fold.Seq() < d.After {
		events, _, err := d.read(ctx, fold.Seq(), int(min(readAtOnce, d.After-fold.Seq())))
		if err != nil && !errors.Is(err, tasklog.ErrNotFound) {
			return nil, err
		}
		if len(events) == 0 {
			break // the task has expired
		}
		for _, e := range events {
			if err := add(ctx, e); err != nil {
				return nil, err
			}
		}
	}
	return func(ctx context.Context, e tasklog.Event) ([]byte, error) {
		if err := add(ctx, e); err != nil {
			return nil, err
		}
		task, err := fold.Task()
		if err != nil {
			return nil, err
		}
		tasklog.Cut(task, tasklog.Size{Bytes: maxTaskBytes, Values: tasklog.MaxValues})
		tasklog.JoinTexts(task)
		return a2a03.EncodeTask(task)
	}, nil
}

// post sends one request. Any answer but a 2xx is a [failure], and so is no answer within the time.
//
// The headers: the token, under the names that the servers of the Python and JavaScript SDKs and of
// the Go SDK use; authentication; the client's trace; and our own: the event's number.
func (d *delivery) post(ctx context.Context, seq int64, body []byte) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodPost, d.Push.URL, bytes.NewReader(body))
	if err != nil {
		return &failure{text: "malformed URL", lasts: true}
	}
	req.Header.Set("Content-Type", "application/a2a+json")
	if d.Version == "0.3" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("X-A2A-Event-Id", strconv.FormatInt(seq, 10))
	for name, values := range d.Trace.Header() {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if d.Push.Token != "" {
		req.Header.Set("X-A2A-Notification-Token", d.Push.Token)
		req.Header.Set("A2A-Notification-Token", d.Push.Token)
	}
	if a := d.Push.Auth; a != nil && a.Scheme != "" && a.Credentials != "" {
		req.Header.Set("Authorization", a.Scheme+" "+a.Credentials)
	}
	// Not sent: it says that the request may be repeated if the connection turns out to be closed.
	req.Header["Idempotency-Key"] = nil

	resp, err := d.config.Client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if limited.Err() != nil {
			return &failure{text: "no answer within " + timeout.String(), lasts: true}
		}
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL
		}
		text := err.Error()
		text = strings.ToValidUTF8(text[:min(len(text), maxText)], "")
		return &failure{text: text, lasts: errors.Is(err, ErrBlocked)}
	}
	defer resp.Body.Close()
	if !d.endless {
		enough := time.AfterFunc(answerTime, cancel)
		_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
		d.endless = !enough.Stop() // once is enough to know
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		gone := resp.StatusCode == http.StatusGone
		after := min(retryAfter(resp.Header.Get("Retry-After")), backOffMost)
		return &failure{text: "status " + strconv.Itoa(resp.StatusCode), lasts: gone || after > longestPause, gone: gone, after: after}
	}
	return nil
}

// retryAfter returns how long the header wants the client to wait: a number of seconds, or until a
// time (RFC 9110, section 10.2.3). It is 0 if the header can't be understood.
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
