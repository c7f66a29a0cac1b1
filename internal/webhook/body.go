package webhook

import (
	"context"

	"a2alambda/internal/tasklog"
)

// behind is how many events a webhook of 0.3 is behind before it gets the newest Task only. A few
// events that come together are no backlog.
const behind = 4

// sendEvents sends each event, as a StreamResponse (specification 4.3.3).
func (d *delivery) sendEvents(ctx context.Context, events []tasklog.Event) error {
	for _, e := range events {
		if hasOwn(e) { // it is decoded
			if err := d.charge(ctx, "task", tasklog.EstimateSize(e.JSON).Memory()); err != nil {
				return err
			}
		}
		if err := d.send(ctx, e.Seq, func(own bool) (payload, error) { return eventPayload(e, own) }); err != nil {
			return err
		}
	}
	return nil
}

// sendStates adds events to the state. It sends the Task (specification 0.3, 9.5) as of each event,
// if they are few. If they are more than behind, it sends the Task as of each event that ends a
// turn, and as of the newest event in the log, unless there are more to read: a Task for each event
// would take bytes that grow with the square of the events'.
func (d *delivery) sendStates(ctx context.Context, events []tasklog.Event, more bool) error {
	each := !more && (len(events) == 0 || events[len(events)-1].Seq-d.After <= behind)
	for _, e := range events {
		// Checked before the event is decoded: an event of few bytes may take a lot of memory.
		need := d.state.size() + tasklog.EstimateSize(e.JSON).Memory()
		if err := d.charge(ctx, "task", need); err != nil {
			return err
		}
		reading <- struct{}{}
		ends := d.state.add(e)
		<-reading
		if each || ends {
			if err := d.sendState(ctx); err != nil {
				return err
			}
		}
	}
	if more {
		return d.ready(ctx) // reading takes time, too
	}
	return d.sendState(ctx)
}

// sendState sends the Task, unless it was delivered already.
func (d *delivery) sendState(ctx context.Context) error {
	if d.state.seq <= d.After {
		return nil
	}
	return d.send(ctx, d.state.seq, d.state.payload)
}
