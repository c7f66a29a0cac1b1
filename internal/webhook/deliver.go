package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memory"
	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
)

var (
	// errJustGivenUp is push.ErrGivenUp where delivery is given up.
	errJustGivenUp = fmt.Errorf("just now: %w", push.ErrGivenUp)

	// errLater means that there is no time to begin another request.
	errLater = errors.New("out of time")
)

// delivery is a delivery under way.
type delivery struct {
	*Deliverer
	push.Config // its Progress is newer than what is stored
	claim       push.Claim
	body        func(context.Context, tasklog.Event) ([]byte, error)
	saved       time.Time // when progress was saved
	stop        time.Time // when no request may begin any more; zero if there is no limit
	end         string    // how the delivery ended, if not with the log's last event
	sent        int       // events
	// endless says that an answer had no end: for others the delivery does not wait.
	endless bool
}

// deliver claims a configuration and delivers it to the end of the log. It returns an error of the
// store as it is: the claim ends by itself then, and the configuration is due.
func (d *Deliverer) deliver(ctx context.Context, id a2a.TaskID, config string, stop time.Time) error {
	usage := new(telemetry.Usage)
	ctx = telemetry.With(ctx, usage)
	now := time.Now()
	claim, err := d.config.Store.Claim(ctx, id, config, a2a.NewMessageID(), now.Add(claimTime))
	if err != nil || claim == nil {
		return err
	}
	ctx, account := memory.Open(ctx)
	defer account.Close()
	run := delivery{Deliverer: d, Config: claim.Config(), claim: claim, saved: now, stop: stop}
	err = run.deliver(ctx)
	if errors.Is(err, memory.ErrFull) {
		run.end = "left" // others have it now: the sweeper asks again
		_, err = claim.Release(ctx, run.Progress, time.Now().Add(claimTime))
	}
	run.report(ctx, now, usage, err)
	if errors.Is(err, push.ErrConflict) {
		return nil // it was deleted or replaced, or this instance stood still for longer than its claim lasted
	}
	return err
}

func (d *delivery) deliver(ctx context.Context) error {
	var err error
	if d.body, err = d.bodies(ctx); err != nil {
		return err
	}
	for {
		saved := d.saved
		events, more, err := d.read(ctx, d.After, readAtOnce)
		if err != nil && !errors.Is(err, tasklog.ErrNotFound) {
			return err
		}
		for _, e := range events {
			err := d.send(ctx, e)
			var failed *failure
			switch {
			case err == nil:
				d.Progress = push.Progress{After: e.Seq}
				d.sent++
			case errors.As(err, &failed):
				return d.putOff(ctx, failed)
			case errors.Is(err, errLater):
				return d.leave(ctx)
			default:
				return err
			}
		}
		// Saving has forgotten those who were refused before. What they came for is not read yet.
		if more || d.saved != saved {
			continue
		}
		released, err := d.claim.Release(ctx, d.Progress, time.Time{})
		if released || err != nil {
			return err
		}
		if err := d.save(ctx); err != nil { // somebody was woken meanwhile
			return err
		}
	}
}

// read reads the log, while few others do.
func (d *delivery) read(ctx context.Context, after int64, limit int) ([]tasklog.Event, bool, error) {
	reading <- struct{}{}
	defer func() { <-reading }()
	return d.config.Log.Read(ctx, d.TaskID, after, limit)
}

// send sends an event, with all its tries. A [failure] is the webhook's.
func (d *delivery) send(ctx context.Context, e tasklog.Event) error {
	reading <- struct{}{}
	body, err := d.body(ctx, e)
	<-reading
	if errors.Is(err, memory.ErrFull) {
		return err
	}
	if err != nil {
		return &failure{text: "encoding: " + err.Error(), lasts: true} // not the webhook's
	}
	for try := 0; ; try++ {
		if err := d.ready(ctx); err != nil {
			return err
		}
		err := d.post(ctx, e.Seq, body)
		var failed *failure
		if !errors.As(err, &failed) || failed.lasts || try == len(pauses) {
			return err
		}
		select {
		case <-time.After(max(pauses[try], failed.after)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ready returns nil when a request may begin.
func (d *delivery) ready(ctx context.Context) error {
	now := time.Now()
	if !d.stop.IsZero() && !now.Before(d.stop) {
		return errLater
	}
	if now.Sub(d.saved) >= saveEvery { // before that, more than claimMargin of the claim is left
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
func (d *delivery) leave(ctx context.Context) error {
	d.end = "left"
	if _, err := d.claim.Release(ctx, d.Progress, time.Now()); err != nil {
		return err
	}
	d.invoke(ctx, d.TaskID, d.ID)
	return nil
}

// report logs the line of a delivery that has ended.
func (d *delivery) report(ctx context.Context, begun time.Time, usage *telemetry.Usage, err error) {
	line := new(telemetry.Line)
	line.Task(d.TaskID, "", d.Trace)
	line.Text("config", d.ID)
	if err != nil && d.end == "" {
		d.end = "lost"
	}
	line.Text("end", d.end)
	line.Count("pushes", int64(d.sent))
	if d.end == "put off" || d.end == "given up" {
		line.Count("pushFailures", 1)
	}
	line.Took("deliveryMs", time.Since(begun))
	line.Usage(usage)
	line.Log(ctx, d.config.Logger, telemetry.Delivery)
}

// putOff is what comes of a failure: another try later, or the end.
func (d *delivery) putOff(ctx context.Context, failed *failure) error {
	now := time.Now()
	if d.Failures++; d.Failures == 1 {
		d.Since = now
	}
	log := d.config.Logger.With("task", d.TaskID, "config", d.ID, "event", d.After+1, "failures", d.Failures, "error", failed.Error())
	if failed.gone || now.Sub(d.Since) >= giveUpAfter {
		if err := d.claim.GiveUp(ctx, d.Progress); err != nil {
			return err
		}
		d.end = "given up"
		log.ErrorContext(ctx, "webhook is given up")
		return errJustGivenUp
	}
	d.end = "put off"
	due := now.Add(max(backOff(d.Failures), failed.after))
	if failed.after > 0 {
		due = due.Add(time.Second) // it is kept to the second, and not to be too early
	}
	log.WarnContext(ctx, "webhook failed", "due", due)
	_, err := d.claim.Release(ctx, d.Progress, due)
	return err
}

// backOff returns how long to wait after so many failures, from 1.
func backOff(failures int) time.Duration {
	return min(backOffFirst<<min(failures-1, 10), backOffMost)
}
