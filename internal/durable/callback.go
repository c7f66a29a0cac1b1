package durable

import (
	"context"
	"errors"
	"fmt"
	"time"

	"a2alambda/internal/callback"
	"a2alambda/internal/tasklog"
)

// maxOpen is the most callbacks that a task may wait for at the same time.
const maxOpen = 100

// Callback is something that somebody outside is to send: by a POST to its URL, with any body of up
// to 256 KB. Whoever knows the URL can send it, with plain curl. The first body counts, and the same
// may be sent again.
type Callback struct {
	// URL is the same in every run. It is a secret: do not show it to those who should not use it.
	URL string

	opened *call
	due    time.Time
}

// Delivery is what has come for a callback.
type Delivery struct {
	Body        []byte
	ContentType string
	// Time is when it came.
	Time time.Time
}

// NewCallback returns a callback, which stays open until something comes, or for the timeout. Its
// URL can be handed out in a step. [Callback.Wait] waits for it, in this branch or in another one.
// NewCallback returns an error if the task would have expired before the timeout, or nearly so, if
// 100 callbacks are open, or if this deployment takes no callbacks.
func NewCallback(ctx context.Context, name string, timeout time.Duration) (*Callback, error) {
	c, err := begin(ctx, TypeCallback, name)
	if err != nil {
		return nil, err
	}
	defer c.end()
	opened, err, ok := replayed[openedCallback](c)
	if !ok {
		opened, err = c.open(timeout)
	}
	if err != nil {
		return nil, err
	}
	e := c.engine
	var secret []byte
	err = e.insist(func(ctx context.Context) (err error) {
		secret, err = e.Host.Secret(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	b := &Callback{callback.URL(opened.Base, secret, e.Task.ID, c.full), c, time.UnixMilli(opened.Due)}
	e.opens(b)
	return b, nil
}

// openedCallback is what the journal has of a callback. With the base, its URL stays the same if
// the deployment's changes.
type openedCallback struct {
	Due  int64  `json:"due"` // in milliseconds since 1970
	Base string `json:"base"`
}

// open opens the callback. It records why, if it cannot: a later run might find that it can.
func (c *call) open(timeout time.Duration) (none openedCallback, err error) {
	const most = MaxPath - len("/"+waitName)
	e, due := c.engine, time.Now().Add(timeout)
	switch {
	case timeout <= 0:
		return none, c.failed(fmt.Errorf("the callback has no time: its timeout is %v", timeout))
	case e.Callbacks == "":
		return none, c.failed(errors.New("this deployment takes no callbacks: it needs the parameter Callbacks, which sets CALLBACK_URL"))
	case len(c.full) > most:
		return none, c.failed(fmt.Errorf("the full name of the callback has %d bytes: at most %d are allowed", len(c.full), most))
	}
	if err := e.outlives(c.full, due); err != nil {
		return none, c.failed(err)
	}
	if !e.hasRoom(c.full) {
		return none, c.failed(fmt.Errorf("%d callbacks are open: a task can have no more", maxOpen))
	}
	// The item first: it can be opened again, and an entry promises that it is there.
	if err := e.insist(func(ctx context.Context) error { return e.Host.OpenWait(ctx, c.full, "") }); err != nil {
		return none, err
	}
	return finished(c, openedCallback{due.UnixMilli(), e.Callbacks})
}

// waitName is the name of Wait in the scope of its callback.
const waitName = "wait"

// Wait waits for the callback. It may be called once. If nothing has come in time, it returns
// [ErrTimeout].
func (b *Callback) Wait(ctx context.Context) (Delivery, error) {
	f, err := frameOf(ctx)
	if err != nil {
		return Delivery{}, err
	}
	e := f.engine
	if b.opened.engine != e {
		return Delivery{}, fmt.Errorf("durable: the callback %q is of another run", b.opened.full)
	}
	in := *f
	in.prefix = b.opened.full // a scope that is nobody else's
	c, err := begin(withFrame(ctx, &in), TypeCallback, waitName)
	if err != nil {
		return Delivery{}, b.over(err)
	}
	defer c.end()
	if d, err, ok := replayed[Delivery](c); ok {
		e.closed(b)
		return d, err
	}
	var w tasklog.Wait
	err = c.park(wait{due: b.due, look: func(context.Context) (bool, error) {
		look := e.Host.Wait
		if !time.Now().Before(b.due) {
			look = e.Host.CloseWait // what has come until this moment counts
		}
		err := e.insist(func(ctx context.Context) (err error) {
			w, err = look(ctx, b.opened.full)
			return err
		})
		return w.State != tasklog.WaitOpen, err
	}})
	if err != nil {
		return Delivery{}, b.over(err)
	}
	e.closed(b)
	if w.Delivery == nil {
		return Delivery{}, c.failed(ErrTimeout)
	}
	return finished(c, Delivery{w.Delivery.Body, w.Delivery.ContentType, w.Delivery.Time.UTC()})
}

// over closes the callback if err says that the task is being canceled. It returns err.
func (b *Callback) over(err error) error {
	if errors.Is(err, ErrCanceled) {
		b.close(b.opened.engine.ctx)
		b.opened.engine.closed(b)
	}
	return err
}

// close closes the wait, so that nobody delivers in vain.
func (b *Callback) close(ctx context.Context) {
	_, _ = b.opened.engine.Host.CloseWait(ctx, b.opened.full) // the task ends anyway
}
