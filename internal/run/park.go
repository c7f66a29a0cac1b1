package run

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"golang.org/x/sync/errgroup"

	"a2alambda/internal/durable"
)

const (
	// A task whose code has changed is tried again after parkFirst, and then after twice as long
	// each time, up to parkMost. After parkFor it fails.
	parkFirst = time.Hour
	parkMost  = 24 * time.Hour
	parkFor   = 7 * 24 * time.Hour
)

const textChanged = "The agent has changed, and can no longer go on with this task."

// park suspends a task whose code does not do what the journal says: a rollback heals it. The
// journal says why, for an operator. A task that has been parked for too long fails; one that is to
// be canceled is canceled, though nothing is undone.
func (d *durableRun) park(ctx context.Context, o durable.Outcome) error {
	now := time.Now()
	o.Mismatch.Code = d.runner.Journal.Code
	d.seen.end = "parked"
	log := func(message string) {
		d.runner.Logger.ErrorContext(ctx, message, "task", d.turn.Head.ID, "step", o.Mismatch.Step,
			"expected", o.Mismatch.Expected, "got", o.Mismatch.Got, "code", o.Mismatch.Code)
	}
	if d.turn.Mode == Cancel {
		log("canceling a task whose code has changed: nothing is undone")
		d.seen.end = "canceled"
		d.end(ctx, a2a.NewStatusUpdateEvent(d.turn.Context, a2a.TaskStateCanceled, nil))
		d.runner.closeWaits(ctx, d.turn.Head.ID)
		return nil
	}
	tooLong := len(o.Parked) > 0 && now.Sub(o.Parked[0]) >= parkFor
	if d.runner.Journal.FailOnMismatch || tooLong {
		d.seen.end = "failed"
		d.fail(ctx, textChanged, o.Mismatch)
		d.runner.closeWaits(ctx, d.turn.Head.ID)
		return o.Mismatch
	}
	var err error
	due := d.parkedAs(o)
	if !due.After(now) {
		due = now.Add(min(parkMost, parkFirst<<min(len(o.Parked), 10)))
		if len(o.Parked) > 0 {
			if end := o.Parked[0].Add(parkFor); due.After(end) {
				due = end
			}
		}
		log("task parked: the code does not do what the journal says")
		var entry []byte
		entry, err = json.Marshal(&durable.Entry{
			Kind: durable.Parked, Time: now.UnixMilli(), Due: due.UnixMilli(), Mismatch: o.Mismatch,
		})
		if err == nil {
			err = d.Record(ctx, o.Place+1, [][]byte{entry})
		}
	}
	for woken, tries := d.turn.Woken, 0; err == nil && tries < 10; tries++ {
		var suspended bool
		if suspended, err = d.Suspend(ctx, due, woken); suspended || err != nil {
			break
		}
		asked, askErr := d.Asked(ctx) // what has come must wait, too
		if askErr != nil {
			err = askErr
			break
		}
		woken = asked.Woken
		if asked.Cancel {
			d.seen.end = "canceled"
			d.end(ctx, a2a.NewStatusUpdateEvent(d.turn.Context, a2a.TaskStateCanceled, nil))
			d.runner.closeWaits(ctx, d.turn.Head.ID)
			return nil
		}
	}
	if err != nil {
		d.stop(err) // the next run parks it
	}
	return err
}

// parkedAs returns when the task is to be tried again, if the last entry of its journal says that it
// was parked for the same reason. Whoever wakes it meanwhile, again and again, must not fill the
// journal, nor put off that time.
func (d *durableRun) parkedAs(o durable.Outcome) (due time.Time) {
	if n := len(d.turn.Steps); n > 0 && o.Place == int64(n) {
		last, err := durable.Decode(d.turn.Steps[n-1].JSON)
		if err == nil && last.Kind == durable.Parked && *last.Mismatch == *o.Mismatch {
			due = time.UnixMilli(last.Due)
		}
	}
	return due
}

// closeWithin is how long closing what a task waits for may take.
const closeWithin = 2 * time.Second

// closeWaits closes what a task waits for, which has ended without its agent: who delivers to it
// must hear that nobody waits any more.
func (r *Runner) closeWaits(ctx context.Context, id a2a.TaskID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	open, err := r.Store.OpenWaits(ctx, id)
	var closing errgroup.Group
	for _, w := range open {
		closing.Go(func() error {
			_, err := r.Store.CloseWait(ctx, id, w.Name)
			return err
		})
	}
	if err = errors.Join(err, closing.Wait()); err != nil {
		r.Logger.ErrorContext(ctx, "closing the callbacks of a task that has ended", "task", id, "error", err)
	}
}
