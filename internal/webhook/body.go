package webhook

import (
	"bytes"
	"context"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/memory"
	"a2alambda/internal/tasklog"
)

// maxTaskBytes is how much JSON the Task for a webhook of 0.3 has. A longer Task is cut (see
// [tasklog.Cut]); GetTask has all of it.
const maxTaskBytes = 4 << 20

// behind is how many events a webhook of 0.3 is behind before it gets the newest Task only. A few
// events that come together are no backlog.
const behind = 4

// sendEvents sends each event, as a StreamResponse (specification 4.3.3).
func (d *delivery) sendEvents(ctx context.Context, events []tasklog.Event) error {
	for _, e := range events {
		if err := d.send(ctx, e.Seq, func(own bool) (payload, error) { return eventPayload(e, own) }); err != nil {
			return err
		}
	}
	return nil
}

// sendStates adds events to the fold, which starts at the beginning of the log. It sends the whole
// Task (specification 0.3, 9.5) as of each event, if they are few. If they are more than behind, it
// sends the Task as of each event that ends a turn, and as of the newest event in the log, unless
// there are more to read: a Task for each event would take bytes that grow with the square of the
// events'.
func (d *delivery) sendStates(ctx context.Context, events []tasklog.Event, more bool) error {
	each := !more && (len(events) == 0 || events[len(events)-1].Seq-d.After <= behind)
	for _, e := range events {
		// Checked before the event is decoded: an event of few bytes may take a lot of memory.
		size := d.fold.Size().Plus(tasklog.EstimateSize(e.JSON))
		size.Bytes /= 2 // a body is no longer than maxTaskBytes
		if err := memory.Charge(ctx, "task", size.Memory()); err != nil {
			return err
		}
		if d.fold.Add(e); each || endsTurn(e) {
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
	if d.fold.Seq() <= d.After {
		return nil
	}
	return d.send(ctx, d.fold.Seq(), func(own bool) (p payload, err error) {
		task, err := d.fold.Task()
		if err != nil {
			return p, err
		}
		if p.own, err = ownContent(task); err != nil {
			return p, err
		}
		if p.own > 0 && !own {
			leaveOwn(task)
			p.own = 0
		}
		tasklog.Cut(task, tasklog.Size{Bytes: maxTaskBytes, Values: tasklog.MaxValues})
		tasklog.JoinTexts(task)
		data, err := a2a03.EncodeTask(task)
		if err != nil {
			return p, err
		}
		p.add(data)
		return p, nil
	})
}

// endsTurn reports whether the event has a final state.
func endsTurn(e tasklog.Event) bool {
	if !bytes.Contains(e.JSON, []byte("TASK_STATE_")) {
		return false
	}
	event, _ := tasklog.Decode(e.JSON) // the fold reports the error
	switch e := event.(type) {
	case *a2a.TaskStatusUpdateEvent:
		return tasklog.Final(e.Status.State)
	case *a2a.Task:
		return tasklog.Final(e.Status.State)
	}
	return false
}
