package durable

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/peer"
)

// send sends the message, until the peer has taken or refused it. It returns the answer, and has
// noted the peer's task unless that is the reply.
func (x *exchange) send() (a2a.SendMessageResult, error) {
	c := x.call
	n := c.count()
	for {
		if !x.sent.IsZero() {
			if result, err := x.find(n.next); result != nil || err != nil {
				return result, err
			}
		}
		c.tries = n.next
		if n.cut >= maxCut {
			text := fmt.Sprintf("the call was cut off %d times", n.cut)
			return nil, c.fail(Entry{Attempt: n.next - 1, Error: &Recorded{text, CauseCutOff}})
		}
		// A peer that is down is found before anything is written that must be explained later.
		over, err := x.do(n.next, 0, x.ready)
		if over == nil && err == nil {
			over = c.room(x.limit)
		}
		if over != nil {
			return nil, over
		}
		if err != nil {
			if over := x.again(err); over != nil {
				return nil, over
			}
			continue
		}
		if !x.peer.Deduplicates || n.uncertain {
			if err := x.record(Entry{Kind: Began, Attempt: n.next}); err != nil {
				return nil, err
			}
			n.uncertain = false
		}
		result, over, err := x.try(n.next)
		if over != nil || err == nil {
			return result, over
		}
		n.next++
		if over := x.again(err); over != nil {
			return nil, over
		}
	}
}

// do makes requests to the peer, as an attempt: until the run ends, or the task is to be canceled.
// Over is not nil if the call ends with that.
func (x *exchange) do(number int, within time.Duration, f func(context.Context) error) (over, err error) {
	c := x.call
	a, err := c.attempt(number, within)
	if err != nil {
		return err, nil
	}
	defer a.land()
	_, err = a.run(func(ctx context.Context) (Entry, error) { return Entry{}, f(ctx) })
	c.engine.mu.Lock()
	over, struck := c.engine.over, c.struck
	c.engine.mu.Unlock()
	switch {
	case over != nil:
		return over, nil
	case err != nil && struck && context.Cause(a.ctx) == ErrCanceled:
		return c.cancel(), nil
	}
	return nil, err
}

// ready returns no error if the peer can be reached. If the message goes on with a task, ready
// notes how that task stands.
func (x *exchange) ready(ctx context.Context) error {
	if x.message.TaskID == "" {
		return x.peer.Ready(ctx)
	}
	task, err := x.peer.Task(ctx, x.message.TaskID, 0)
	if err == nil {
		x.note.Before = statusOf(task)
	}
	return err
}

// try sends the message once.
func (x *exchange) try(number int) (result a2a.SendMessageResult, over, err error) {
	var noting error // what the journal says
	x.taken = time.Now()
	over, err = x.do(number, 0, func(ctx context.Context) error {
		if x.progress && x.peer.Streams() {
			result, err = x.stream(ctx, x.limit, nil, func(ctx context.Context) iter.Seq2[a2a.Event, error] { return x.peer.Stream(ctx, x.message) })
		} else {
			ctx, stop := context.WithTimeout(ctx, x.limit)
			defer stop()
			result, err = x.peer.Send(ctx, x.message)
		}
		if task, ok := result.(*a2a.Task); ok && err == nil {
			noting = x.took(task)
		}
		return err
	})
	if over == nil && noting != nil {
		over = noting
	}
	return result, over, err
}

// took notes the peer's task.
func (x *exchange) took(t *a2a.Task) error {
	known := x.note.Task == t.ID
	x.note.Task = t.ID
	if known || x.isReply(t) {
		return nil
	}
	return x.record(Entry{Kind: Noted})
}

// again waits until the message may be sent again, after an error of which the message may have
// been the cause or not. It returns what the call ends with, or nil.
func (x *exchange) again(err error) error {
	e := (*peer.Error)(nil)
	switch {
	case !errors.As(err, &e) || e.Outcome == peer.Refused:
		return x.call.failed(err)
	case e.Outcome == peer.Unknown && !x.peer.Deduplicates:
		if x.sent.IsZero() { // it was a question
			break
		}
		x.sent, x.unknown = time.Now(), err
		return nil // find finds out
	}
	if !time.Now().Before(x.until()) {
		return x.call.failed(fmt.Errorf("%w: %s", ErrTimeout, err))
	}
	if !x.sent.IsZero() && !x.peer.Deduplicates {
		if over := x.record(Entry{Kind: Tried, Attempt: x.call.tries, Error: recorded(err)}); over != nil {
			return over
		}
	}
	return x.pause(err)
}

// pause waits for a while that grows.
func (x *exchange) pause(err error) error {
	if !x.written {
		if err := x.record(Entry{Kind: Waits, Due: x.note.Until}); err != nil {
			return err
		}
	}
	return x.call.park(wait{due: x.next(time.Now(), err)})
}

// find finds out what became of a message that may have arrived. It returns the peer's task if there
// is one, and neither that nor an error if the message can be sent.
func (x *exchange) find(number int) (a2a.SendMessageResult, error) {
	if x.peer.Deduplicates {
		x.sent = time.Time{}
		return nil, nil
	}
	interrupted := func(why error) error {
		if why == nil {
			why = errors.New("the run that sent the message was cut off")
		}
		return x.call.failed(fmt.Errorf("%w: it is not known whether %s has got the message: %w", ErrInterrupted, x.agent, why))
	}
	if !x.peer.Adopt {
		return nil, interrupted(x.unknown)
	}
	for {
		var task *a2a.Task
		over, err := x.do(number, 0, func(ctx context.Context) (err error) {
			task, err = x.adopt(ctx)
			return err
		})
		e := (*peer.Error)(nil)
		switch {
		case over != nil:
			return nil, over
		case task != nil:
			x.taken = x.sent
			return task, x.took(task)
		case errors.As(err, &e) && e.Outcome == peer.Refused, !time.Now().Before(x.until()):
			return nil, interrupted(err)
		case err == nil && time.Since(x.sent) >= arrives:
			x.sent = time.Time{}
			return nil, nil
		}
		if err == nil {
			err = x.call.park(wait{due: x.sent.Add(arrives)})
		} else {
			err = x.pause(err)
		}
		if err != nil {
			return nil, err
		}
	}
}

// adopt returns the task that the message has begun, or gone on with, or nil.
func (x *exchange) adopt(ctx context.Context) (*a2a.Task, error) {
	m := x.message
	if m.TaskID == "" {
		found, err := x.peer.Find(ctx, m, m.ContextID == x.call.key())
		if err != nil || found == nil {
			return nil, err
		}
		return x.peer.Task(ctx, found.ID, 0) // a list has no artifacts
	}
	task, err := x.peer.Task(ctx, m.TaskID, maxHistory)
	if err != nil || !peer.Has(task, m.ID) {
		return nil, err
	}
	return task, nil
}

// maxHistory is in how many of the last messages of a task one is looked for.
const maxHistory = 50
