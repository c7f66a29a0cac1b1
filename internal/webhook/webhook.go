// Package webhook delivers push notifications: each event of a task's log to each of the task's configurations, in order, one
// request at a time, the next after a 2xx.
//
// What wakes a delivery says only that there may be something: what is sent is read from the log, after the last event that was
// delivered. So it does no harm to be woken twice, and whoever is woken makes up for what was missed. Delivery is at
// least once: after a crash the last seconds are repeated, which receivers can tell by the event's number.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

const (
	// timeout is how long a webhook may take to answer.
	timeout = 10 * time.Second

	// claimTime is how long a claim lasts that is not renewed, and so how long the work of one who died is left alone. There
	// is claimMargin of it left when a request begins.
	claimTime   = 30 * time.Second
	claimMargin = timeout + 5*time.Second

	// saveEvery is how often progress is saved while events are delivered.
	saveEvery = 3 * time.Second

	// patience is how long a wake-up goes on to send requests: behind it others wait. What is left then is left to another
	// invocation.
	patience = 5 * time.Second

	// atOnce is how many deliveries one wake-up has under way. Each has up to tasklog.ReadBytes in hand, or one event.
	atOnce = 16

	// readingAtOnce is how many of them read the log at the same time, or make the body of a request: for a moment, that takes several
	// times what they have in hand.
	readingAtOnce = 3

	// readAtOnce is how many events are read from a log at once.
	readAtOnce = 200

	// giveUpAfter is how long a webhook may fail before it is given up.
	giveUpAfter = 24 * time.Hour

	// While a webhook fails, it is tried again after backOffFirst, and then less and less often.
	backOffFirst = time.Minute
	backOffMost  = time.Hour
)

// longestPause is the longest before a further try of one event. A webhook that wants to be left alone for longer, by Retry-After, is
// tried when it wants to, but at the latest after backOffMost.
const longestPause = 2 * time.Second

// pauses are those before further tries of one event. After them the delivery is put off.
var pauses = []time.Duration{500 * time.Millisecond, longestPause}

// reading holds a token for each that reads.
var reading = make(chan struct{}, readingAtOnce)

// Deliverer delivers. All fields are required.
type Deliverer struct {
	Log    tasklog.Log
	Store  push.Store
	Client *http.Client // see [push.Guard.Client]
	Logger *slog.Logger
	// Invoke asks for another invocation that calls [Deliverer.Deliver]. It may be lost: then the sweeper asks again.
	Invoke func(ctx context.Context, id a2a.TaskID, config string) error
}

// Wake delivers what is new of the tasks. Some seconds later it leaves what remains to further invocations: a webhook that is slow
// delays nobody but those that wait for the same. An error says that the store could not be asked: then Wake has to be called
// again. Failures of webhooks are none.
func (d *Deliverer) Wake(ctx context.Context, ids ...a2a.TaskID) error {
	stop := d.stop(ctx, time.Now().Add(patience))
	var mu sync.Mutex // guards errs
	var errs []error
	fail := func(id a2a.TaskID, err error) {
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, fmt.Errorf("task %s: %w", id, err))
	}
	var deliveries sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	inSlot := func(id a2a.TaskID, do func() error) {
		deliveries.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := do(); err != nil {
				fail(id, err)
			}
		})
	}
	for _, id := range ids {
		inSlot(id, func() error {
			configs, err := d.Store.Pushes(ctx, id)
			for _, c := range configs {
				inSlot(id, func() error { return d.wake(ctx, c, stop) })
			}
			return err
		})
	}
	deliveries.Wait()
	return errors.Join(errs...)
}

// wake delivers what is new of a configuration.
func (d *Deliverer) wake(ctx context.Context, c push.Config, stop time.Time) error {
	news, err := d.Log.Read(ctx, c.TaskID, c.After, 1)
	if errors.Is(err, tasklog.ErrNotFound) || err == nil && len(news) == 0 {
		return nil // whoever appends something wakes again
	}
	if err != nil {
		return err
	}
	err = d.deliver(ctx, c.TaskID, c.ID, stop)
	switch {
	case errors.Is(err, errJustGivenUp):
		// That is for an invocation of its own to fail with, for this one is about others too.
		d.invoke(ctx, c.TaskID, c.ID)
		return nil
	case errors.Is(err, push.ErrGivenUp):
		return nil
	}
	return err
}

// Deliver delivers a configuration that is due, for as long as ctx allows. It returns [push.ErrGivenUp] if delivery is given up, or
// was before.
func (d *Deliverer) Deliver(ctx context.Context, id a2a.TaskID, config string) error {
	return d.deliver(ctx, id, config, d.stop(ctx, time.Time{}))
}

// stop returns when the last request may begin: at the latest at the given time, if it is not zero, and so that it ends well before
// the end of ctx. It returns zero if there is no limit.
func (d *Deliverer) stop(ctx context.Context, at time.Time) time.Time {
	if end, ok := ctx.Deadline(); ok {
		if last := end.Add(-claimMargin); at.IsZero() || last.Before(at) {
			return last
		}
	}
	return at
}

func (d *Deliverer) invoke(ctx context.Context, id a2a.TaskID, config string) {
	if err := d.Invoke(ctx, id, config); err != nil { // the sweeper will
		d.Logger.ErrorContext(ctx, "invoking delivery", "task", id, "config", config, "error", err)
	}
}
