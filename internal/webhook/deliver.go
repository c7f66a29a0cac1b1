package webhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memory"
	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
)

var (
	// errJustGivenUp is [push.ErrGivenUp] from the delivery that gives up.
	errJustGivenUp = fmt.Errorf("just now: %w", push.ErrGivenUp)

	// errAlone means that the delivery was left, and needs an invocation of its own.
	errAlone = errors.New("the delivery may not share an invocation")

	// errLater means that there is no time to begin another request.
	errLater = errors.New("out of time")
)

// limits are the limits of a delivery.
type limits struct {
	wakeUp bool      // it belongs to a wake-up
	stop   time.Time // no request may begin after it; zero if there is no limit
	share  time.Time // the same, once a request was accepted: others wait
}

// delivery is a delivery under way.
type delivery struct {
	*Deliverer
	push.Config // its Progress is newer than what is stored
	claim       push.Claim
	host        *host
	trial       bool            // the host's breaker waits for its result
	state       *state          // what is sent in 0.3; nil in 1.0
	saved       time.Time       // when progress was saved
	events      []tasklog.Event // those that were read last
	more        bool            // the log has others after them
	overhead    int64           // see headers
	unsent      []sentIn        // what the caller has sent after event After
	limits
	end     string // how the delivery ended, unless all events were delivered
	breaker string // "open" or "slow", if that was the reason
	bound   string // which bound was the reason
	sent    int    // requests that were accepted
	cut     int    // those of them without the caller's own content
	// endless says that an answer did not end: the delivery no longer reads answers to their end.
	endless bool
}

// deliver claims a configuration, and delivers it to the end of the log or leaves the rest, for
// which the caller asks for another invocation. After an error of the store the configuration is due
// when the claim would have ended.
func (d *Deliverer) deliver(ctx context.Context, ref push.Ref, l limits) (left bool, err error) {
	usage := new(telemetry.Usage)
	ctx = telemetry.With(ctx, usage)
	now := time.Now()
	claim, err := d.config.Store.Claim(ctx, ref.TaskID, ref.ID, a2a.NewMessageID(), now.Add(claimTime))
	if err != nil || claim == nil {
		return false, err
	}
	ctx, account := memory.Open(ctx)
	defer account.Close()
	run := delivery{
		Deliverer: d, Config: claim.Config(), claim: claim, host: d.hosts.of(claim.Config().Push.URL),
		limits: l, saved: now,
	}
	left, err = run.begin(ctx)
	switch {
	case errors.Is(err, memory.ErrFull):
		run.end = "left" // other deliveries have the memory now: the sweeper asks again
		_, err = claim.Release(ctx, run.Progress, time.Now().Add(claimTime))
	case err != nil && !errors.Is(err, push.ErrConflict) && !errors.Is(err, push.ErrGivenUp) && !errors.Is(err, errAlone):
		// The store has failed. If it answers now, the holder does not count as lost.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
		_, _ = claim.Release(ctx, run.Progress, time.Now().Add(claimTime))
		cancel()
	}
	run.report(ctx, now, usage, err)
	if errors.Is(err, push.ErrConflict) {
		return false, nil // it was deleted or replaced, or this instance was frozen until its claim had ended
	}
	return left, err
}

// begin delivers if the host's breaker permits it. It reports whether it has left something.
func (d *delivery) begin(ctx context.Context) (left bool, err error) {
	if d.Lost >= mostLost {
		if err := d.giveUp(ctx, fmt.Sprintf("%d deliveries in a row were lost", d.Lost)); err != nil {
			return false, err
		}
		return false, errJustGivenUp
	}
	if d.Lost > 0 && !d.share.IsZero() {
		if _, err := d.leave(ctx); err != nil { // it may be what costs others their invocations
			return false, err
		}
		return false, errAlone
	}
	if d.Agreed {
		d.host.agree()
	}
	slow, wait, trial := d.host.admit(d.wakeUp)
	d.trial = trial
	ownTry := d.Failures%(ownTry+1) == ownTry
	switch {
	case slow, wait > 0 && ownTry && d.wakeUp:
		d.breaker = "slow"
		return d.leave(ctx)
	case wait > 0 && !ownTry:
		d.breaker = "open"
		return false, d.wait(ctx, wait)
	}
	err = d.deliver(ctx)
	var failed *failure
	var paused *pause
	switch {
	case errors.As(err, &failed):
		return false, d.putOff(ctx, failed)
	case errors.As(err, &paused):
		return false, d.pause(ctx, paused)
	case errors.Is(err, errNoRoom):
		d.bound = "room"
		return false, d.giveUp(ctx, err.Error())
	case errors.Is(err, errLater):
		return d.leave(ctx)
	}
	return false, err
}

// deliver returns a [failure] if the webhook does not accept an event, errLater if time is up, a
// [pause] at a bound, or errNoRoom.
func (d *delivery) deliver(ctx context.Context) error {
	after := d.After
	if d.Version == "0.3" {
		ref := push.Ref{TaskID: d.TaskID, ID: d.ID}
		d.state = d.states.take(ref, d.After)
		defer func() { d.states.keep(ref, d.state) }()
		after = d.state.seq
	}
	for {
		saved := d.saved
		events, more, err := d.read(ctx, after, readAtOnce)
		if err != nil && !errors.Is(err, tasklog.ErrNotFound) {
			return err
		}
		if len(events) > 0 {
			after = events[len(events)-1].Seq
		}
		d.events, d.more = events, more
		if d.state != nil {
			err = d.sendStates(ctx, events, more)
		} else {
			err = d.sendEvents(ctx, events)
		}
		if err != nil {
			return err
		}
		// A save makes the store forget earlier wake-ups. The events that they were about may come
		// only with the next read.
		if more || d.saved != saved {
			continue
		}
		released, err := d.claim.Release(ctx, d.Progress, time.Time{})
		if released || err != nil {
			return err
		}
		if err := d.save(ctx); err != nil { // there was a wake-up meanwhile
			return err
		}
	}
}

// read reads the log. Only readingAtOnce deliveries do that at the same time.
func (d *delivery) read(ctx context.Context, after int64, limit int) ([]tasklog.Event, bool, error) {
	reading <- struct{}{}
	defer func() { <-reading }()
	events, more, err := d.config.Log.Read(ctx, d.TaskID, after, limit)
	var bytes int64
	for _, e := range events {
		bytes += int64(len(e.JSON))
	}
	if full := d.charge(ctx, "events", bytes); full != nil {
		return nil, false, full
	}
	if full := d.note(ctx, events); full != nil {
		return nil, false, full
	}
	return events, more, err
}

// send sends the result of encode, which is for the event, in up to three tries. Without own, encode
// leaves the caller's own content out. That happens if there is no room for it.
func (d *delivery) send(ctx context.Context, seq int64, encode func(own bool) (payload, error)) error {
	if !d.Agreed {
		if delivered, err := d.ask(ctx, seq, encode); delivered || err != nil {
			return err
		}
	}
	body, err := d.encode(true, encode)
	if err != nil {
		return err
	}
	cut := 0
	for try := 0; ; try++ {
		err := d.ready(ctx)
		if err == nil {
			err = d.bounded(ctx, body.size+d.headers())
		}
		if err != nil {
			return err
		}
		if body.own > 0 {
			room, err := d.take(ctx, seq, body.own)
			if err != nil {
				return err
			}
			if !room {
				if body, err = d.encode(false, encode); err != nil {
					return err
				}
				cut = 1
			}
		}
		if err = d.post(ctx, seq, body); err == nil {
			d.cut += cut
			return d.accepted(ctx, seq, d.Lost > 0)
		}
		var failed *failure
		if !errors.As(err, &failed) || failed.lasts || try == len(pauses) || d.host.open() {
			return err
		}
		select {
		case <-time.After(max(pauses[try], failed.after)):
		case <-d.ending.Done():
			return errLater
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// encode calls the function. Only readingAtOnce deliveries do that at the same time.
func (d *delivery) encode(own bool, encode func(own bool) (payload, error)) (payload, error) {
	reading <- struct{}{}
	body, err := encode(own)
	<-reading
	if err != nil {
		return body, &failure{text: "encoding: " + err.Error(), lasts: true} // not the webhook's fault
	}
	return body, nil
}

// accepted notes that the webhook has accepted an event. With save, it saves that at once, unless
// the delivery is about to end: so the next holder does not send again what it has had, if this one
// is lost, too.
func (d *delivery) accepted(ctx context.Context, seq int64, save bool) error {
	d.sent++
	d.Sent = d.sentTo(seq)
	d.unsent = slices.DeleteFunc(d.unsent, func(s sentIn) bool { return s.seq <= seq })
	d.After, d.Failures, d.Since = seq, 0, time.Time{}
	last := !d.more && (len(d.events) == 0 || d.events[len(d.events)-1].Seq <= seq)
	if save && !last {
		return d.save(ctx)
	}
	return nil
}

// ready returns nil if a request may begin.
func (d *delivery) ready(ctx context.Context) error {
	now := time.Now()
	over := func(end time.Time) bool { return !end.IsZero() && !now.Before(end) }
	if d.ending.Err() != nil || over(d.stop) || over(d.share) && d.sent > 0 { // reading alone may take longer than its share
		return errLater
	}
	if now.Sub(d.saved) >= saveEvery { // until then more than claimMargin of the claim is left
		return d.save(ctx)
	}
	return nil
}

// save saves progress, and renews the claim.
func (d *delivery) save(ctx context.Context) error {
	now := time.Now()
	err := d.claim.Save(ctx, d.Progress, now.Add(claimTime))
	if err == nil {
		d.saved = now
	}
	return err
}

// leave leaves the rest to another invocation.
func (d *delivery) leave(ctx context.Context) (left bool, err error) {
	d.end = "left"
	_, err = d.claim.Release(ctx, d.Progress, time.Now())
	return err == nil, err
}

// wait puts the delivery off, without a request, until the host's breaker permits one. Each time in
// a row it waits longer. A random part spreads the deliveries that wait.
func (d *delivery) wait(ctx context.Context, wait time.Duration) error {
	d.end = "put off"
	now := time.Now()
	d.count(now)
	half := backOff(d.Failures) / 2
	_, err := d.claim.Release(ctx, d.Progress, now.Add(max(wait, half)+rand.N(half)))
	return err
}

// count counts a failure.
func (d *delivery) count(now time.Time) {
	if d.Failures++; d.Failures == 1 {
		d.Since = now
	}
}

// report logs the line of an ended delivery.
func (d *delivery) report(ctx context.Context, begun time.Time, usage *telemetry.Usage, err error) {
	line := new(telemetry.Line)
	line.Task(d.TaskID, "", d.Trace)
	line.Text("config", d.ID)
	if err != nil && d.end == "" {
		d.end = "lost"
	}
	line.Text("end", d.end)
	line.Text("breaker", d.breaker)
	line.Text("bound", d.bound)
	line.Count("pushes", int64(d.sent))
	line.Count("pushesCut", int64(d.cut))
	switch {
	case d.bound != "":
		line.Count("pushBounds", 1)
	case d.end == "put off" || d.end == "given up":
		line.Count("pushFailures", 1)
	}
	line.Took("deliveryMs", time.Since(begun))
	line.Usage(usage)
	line.Log(ctx, d.config.Logger, telemetry.Delivery)
}

// putOff puts the delivery off after a failure, or gives it up.
func (d *delivery) putOff(ctx context.Context, failed *failure) error {
	now := time.Now()
	d.count(now)
	if failed.gone || now.Sub(d.Since) >= giveUpAfter {
		if err := d.giveUp(ctx, failed.Error()); err != nil {
			return err
		}
		return errJustGivenUp
	}
	d.end = "put off"
	due := now.Add(max(backOff(d.Failures), failed.after))
	if failed.after > 0 {
		due = due.Add(time.Second) // the store keeps seconds, and must not be too early
	}
	d.config.Logger.WarnContext(ctx, "webhook failed", "task", d.TaskID, "config", d.ID, "event", d.After+1,
		"failures", d.Failures, "error", failed.Error(), "due", due)
	_, err := d.claim.Release(ctx, d.Progress, due)
	return err
}

// giveUp gives the delivery up.
func (d *delivery) giveUp(ctx context.Context, why string) error {
	if err := d.claim.GiveUp(ctx, d.Progress); err != nil {
		return err
	}
	d.end = "given up"
	d.config.Logger.ErrorContext(ctx, "webhook is given up", "task", d.TaskID, "config", d.ID, "event", d.After+1,
		"failures", d.Failures, "error", why)
	return nil
}

// backOff returns the pause after this number of failures, at least 1.
func backOff(failures int) time.Duration {
	return min(backOffFirst<<min(failures-1, 10), backOffMost)
}
