package durable

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/callback"
	"a2alambda/internal/peer"
	"a2alambda/internal/tasklog"
)

const (
	// The pauses between questions to a peer grow from pollFirst to pollMost: by half of the time
	// that has passed, so that no run needs to know how often earlier ones have asked.
	pollFirst = time.Second
	pollMost  = 15 * time.Minute

	// lookLeast is the least time between two questions, however often the task is woken.
	lookLeast = 2 * time.Second

	// arrives is how long a message may be under way of which nothing is known. A peer that has not
	// got it then will not get it.
	arrives = 15 * time.Second

	// maxWoken is how often a peer's posts may wake the task. A peer that posts more has nothing to say
	// with it: it is asked from time to time only, as one that does not post.
	maxWoken = 100

	// stays is how long a run stays that a post may have woken, in case that more follow.
	stays = 20 * time.Second

	// cancelWithin is how long a peer may take to take that its task is canceled.
	cancelWithin = 2 * time.Second
)

// exchange is a Call under way. It goes through these entries: Waits, if the peer was not ready at
// first; Began, before a message is sent; Tried, if it certainly did not arrive; Noted, once the
// peer's task is known; Noted again, once the peer will post to a callback.
type exchange struct {
	call     *call
	agent    string
	peer     *peer.Peer // nil if the deployment does not name it any more
	message  *a2a.Message
	limit    time.Duration // for sending
	progress bool
	whole    bool // all that the peer has said was passed on in this run

	note    note
	written bool      // the journal has until when the call may take
	sent    time.Time // a message that may have arrived was sent then; zero if there is none
	taken   time.Time // when the message that was taken was sent
	unknown error     // why it is not known whether it has; nil if the run that sent it is gone
	since   time.Time // when the pauses began to grow
	seen    time.Time // when the peer was asked the last time
	stay    time.Time // until then the run stays, since the peer may post again
}

// note is the memo of a call's entries. Each entry has all of it.
type note struct {
	// Until is when the call times out, in milliseconds since 1970.
	Until int64 `json:"u,omitempty"`
	// Agent is the peer's name.
	Agent string `json:"a,omitempty"`
	// Before is a hash of the status of the peer's task before it got a further message.
	Before string `json:"b,omitempty"`
	// Task is the id of the peer's task, once the peer has told it.
	Task a2a.TaskID `json:"t,omitempty"`
	// Asked says that the peer was asked for push notifications, and Woken how often the task had been
	// woken then.
	Asked bool  `json:"p,omitempty"`
	Woken int64 `json:"w,omitempty"`
}

// load goes on where the journal is, or begins.
func (x *exchange) load(timeout time.Duration) error {
	c := x.call
	x.since = c.begun
	x.read()
	if x.note.Until == 0 {
		until := c.begun.Add(cmp.Or(timeout, callTimeout))
		if last := c.engine.last(); timeout == 0 && !last.IsZero() && until.After(last) {
			until = last
		}
		if err := c.engine.outlives(c.full, until); err != nil {
			return c.failed(err)
		}
		x.note.Until, x.note.Agent = until.UnixMilli(), x.agent
	}
	if x.note.Agent != x.agent {
		c.engine.mu.Lock()
		defer c.engine.mu.Unlock()
		return c.engine.mismatch(c.full, fmt.Sprintf("agent %q", x.note.Agent), fmt.Sprintf("agent %q", x.agent))
	}
	c.onFinal(x.cancel)
	return nil
}

// read reads the call's entries.
func (x *exchange) read() {
	for i := range x.call.past.entries {
		e := &x.call.past.entries[i]
		at := time.UnixMilli(e.Time)
		if !x.written {
			x.since = at
		}
		switch e.Kind {
		case Again:
			x.note, x.written, x.sent = note{}, false, time.Time{}
			continue
		case Began:
			x.sent, x.taken = at, at
		case Noted:
			if x.note.Task == "" && x.sent.IsZero() {
				x.taken = at
			}
		case Tried:
			x.sent = time.Time{}
		}
		if len(e.Memo) > 0 {
			x.note, x.written = note{}, true
			_ = json.Unmarshal(e.Memo, &x.note) // Decode has checked that it is JSON
		}
	}
}

func (x *exchange) until() time.Time { return time.UnixMilli(x.note.Until) }

// record records an entry with the note.
func (x *exchange) record(e Entry) (err error) {
	if e.Memo, err = json.Marshal(x.note); err != nil {
		return err
	}
	if err = x.call.record(e); err != nil {
		return err
	}
	x.written = true
	switch e.Kind {
	case Began:
		x.sent, x.unknown = time.Now(), nil
	case Tried:
		x.sent = time.Time{}
	}
	return nil
}

// run sends the message, unless that is done, and waits for the reply.
func (x *exchange) run() (Reply, error) {
	if x.note.Task == "" {
		result, err := x.send()
		if err != nil {
			return Reply{}, err
		}
		task, _ := result.(*a2a.Task)
		if task == nil || x.isReply(task) {
			return finished(x.call, reply(result))
		}
	} else if x.progress {
		if err := x.follow(); err != nil {
			return Reply{}, err
		}
	}
	task, err := x.await()
	if err == nil {
		err = x.complete(task)
	}
	if err != nil {
		return Reply{}, err
	}
	return finished(x.call, reply(task))
}

// isReply reports whether a task is the reply. A task that waits as it did before it got the
// message has not seen the message yet.
func (x *exchange) isReply(t *a2a.Task) bool {
	return answers(t.Status.State) && (t.Status.State.Terminal() || x.note.Before == "" || x.note.Before != statusOf(t))
}

// statusOf returns a hash of a task's status, or "" if two equal ones could not be told apart.
func statusOf(t *a2a.Task) string {
	if t.Status.Timestamp == nil && t.Status.Message == nil {
		return ""
	}
	data, err := json.Marshal(t.Status)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// await waits for the reply. It returns the peer's task.
func (x *exchange) await() (*a2a.Task, error) {
	var found *a2a.Task
	var failed error // of the peer, for good
	x.since = x.taken
	var due time.Time
	look := func(ctx context.Context) (bool, error) {
		now := time.Now()
		if next := x.seen.Add(lookLeast); now.Before(next) {
			due = next
			return false, nil
		}
		var task *a2a.Task
		over, err := x.do(x.call.tries, 0, func(ctx context.Context) (err error) {
			task, err = x.ask(ctx)
			return err
		})
		if over != nil {
			return false, over
		}
		now = time.Now()
		x.seen = now
		switch {
		case err == nil && x.isReply(task):
			found = task
			return true, nil
		case refusedForGood(err):
			failed = err
			return true, nil
		case !now.Before(x.until()):
			failed = fmt.Errorf("%w: %s", ErrTimeout, x.state(task, err))
			return true, nil
		}
		due = x.next(now, err)
		if woken := x.woken() - x.note.Woken; x.note.Asked && woken > 0 {
			if x.stay.IsZero() {
				x.stay = now.Add(stays)
			}
			if woken > maxWoken {
				x.close(ctx)
			} else if now.Before(x.stay) && x.stay.Before(due) {
				due = x.stay
			}
		}
		if due.Sub(now) > inPlace && !x.note.Asked && task != nil {
			if err := x.notify(ctx); err != nil {
				return false, err
			}
			due = now.Add(lookLeast) // it may have ended meanwhile
		}
		return false, nil
	}
	if err := x.call.park(wait{look: look, next: func() time.Time { return due }}); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, x.call.failed(failed)
	}
	return found, nil
}

// ask asks the peer for its task.
func (x *exchange) ask(ctx context.Context) (*a2a.Task, error) {
	if x.peer == nil {
		return nil, fmt.Errorf("PEERS has no agent %q any more", x.agent)
	}
	return x.peer.Task(ctx, x.note.Task, 0)
}

// refusedForGood reports whether a peer will not give its task: it does not know it, or the answer
// is of no use. Other errors may pass: credentials that have run out are replaced.
func refusedForGood(err error) bool {
	e := (*peer.Error)(nil)
	return errors.As(err, &e) && e.Outcome == peer.Refused && (e.NotFound || e.Useless)
}

func (x *exchange) state(task *a2a.Task, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case task != nil:
		return fmt.Sprintf("the task of %s is in the state %s", x.agent, task.Status.State)
	}
	return x.agent + " has not answered"
}

// next returns when the peer is asked again.
func (x *exchange) next(now time.Time, err error) time.Time {
	pause := min(max(now.Sub(x.since)/2, pollFirst), pollMost)
	if e := (*peer.Error)(nil); errors.As(err, &e) {
		pause = max(pause, e.After)
	}
	if end := x.until(); now.Add(pause).After(end) {
		return end
	}
	return now.Add(pause)
}

// notify asks the peer for push notifications, if it sends some and there is a URL for them. They wake
// the task and say nothing: what they bring is not read.
func (x *exchange) notify(ctx context.Context) error {
	e := x.call.engine
	x.note.Asked, x.note.Woken = true, x.woken()
	if e.Callbacks != "" && x.peer.Pushes() {
		secret, err := e.Host.Secret(ctx)
		if err != nil {
			return x.later(ctx, err)
		}
		if err := e.Host.OpenWait(ctx, x.waitName(), ""); err != nil {
			return x.later(ctx, err)
		}
		url := callback.WakeURL(e.Callbacks, secret, e.Task.ID, x.waitName())
		if err := x.peer.Notify(ctx, x.note.Task, url, x.call.key()); err != nil {
			x.warn(ctx, "the agent sends no push notifications", err)
		}
	}
	return x.record(Entry{Kind: Noted})
}

// woken returns how often the task was woken.
func (x *exchange) woken() int64 {
	x.call.engine.mu.Lock()
	defer x.call.engine.mu.Unlock()
	return x.call.engine.woken
}

// later leaves what the store has refused to the next look.
func (x *exchange) later(ctx context.Context, err error) error {
	x.note.Asked = false
	x.warn(ctx, "the wait of a call could not be opened", err)
	return nil
}

func (x *exchange) waitName() string { return x.call.full }

func (x *exchange) warn(ctx context.Context, what string, err error) {
	e := x.call.engine
	e.Logger.WarnContext(ctx, what, "task", e.Task.ID, "step", x.call.full, "agent", x.agent, "error", err)
}

// cancel cancels the peer's task, if there is one and the peer can be reached.
func (x *exchange) cancel(ctx context.Context) {
	if x.note.Task == "" || x.peer == nil {
		return
	}
	ctx, stop := context.WithTimeout(ctx, cancelWithin)
	defer stop()
	if err := x.peer.Cancel(ctx, x.note.Task); err != nil {
		x.warn(ctx, "the task of the other agent was not canceled", err)
	}
}

// close ends what wakes the task, if anything does: a peer may post for long.
func (x *exchange) close(ctx context.Context) {
	e := x.call.engine
	if !x.note.Asked || e.Callbacks == "" {
		return
	}
	ctx, stop := context.WithTimeout(ctx, cancelWithin)
	defer stop()
	if _, err := e.Host.CloseWait(ctx, x.waitName()); err != nil && !errors.Is(err, tasklog.ErrNotFound) {
		x.warn(ctx, "the wait of a call was not closed", err)
	}
}
