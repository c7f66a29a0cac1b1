package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

const (
	// firstBytes is how many bytes the first request has at most, unless its headers alone have about
	// as many. againBytes is how many its body has when it is sent again.
	firstBytes = 4 << 10
	againBytes = 1 << 10

	// strangersPerMinute is how many first requests a process sends to a host in a minute, unless
	// somebody there has agreed.
	strangersPerMinute = 20
)

// errNoRoom means that nothing more may go out for the task to a webhook that has not agreed.
var errNoRoom = errors.New("the webhook has not agreed, and no more may be sent to it")

// ask sends the first request of a configuration, for an event: the event, if it is short, or else
// the Task, without anything that people or agents say. A 2xx in the time of the first try is the
// agreement. It reports whether the webhook has got the event. Until the agreement there is one
// request each time that the configuration is due.
func (d *delivery) ask(
	ctx context.Context, seq int64, encode func(own bool) (payload, error),
) (delivered bool, err error) {
	if err := d.ready(ctx); err != nil {
		return false, err
	}
	if wait := d.host.strange(); wait > 0 {
		return false, &pause{bound: "host", wait: wait}
	}
	body, err := d.encode(true, encode)
	if err != nil {
		return false, err
	}
	id, most := seq, firstBytes-d.headers()
	if d.Failures > 0 {
		most = min(most, againBytes)
	}
	room := false
	if body.size <= most {
		if room, err = d.take(ctx, seq, body.size+d.headers()); err != nil {
			return false, err
		}
	}
	if !room {
		// The number is that of an event that needs no delivery: the event itself comes later.
		id = d.After
		if body, err = d.introduction(seq); err != nil {
			return false, err
		}
		room, err = d.take(ctx, seq, body.size+d.headers())
		if err == nil && !room {
			err = errNoRoom
		}
		if err != nil {
			return false, err
		}
	}
	d.hour(time.Now())
	if err := d.post(ctx, id, body); err != nil {
		return false, err
	}
	d.Agreed, d.Failures, d.Since = true, 0, time.Time{}
	d.host.agree()
	if id == seq {
		return true, d.accepted(ctx, seq, true)
	}
	return false, d.save(ctx)
}

// introduction returns the Task with its id, context and state as of an event, which is one of
// those that were read last.
func (d *delivery) introduction(seq int64) (payload, error) {
	if d.state != nil {
		return d.state.bare()
	}
	var upTo []tasklog.Event
	for _, e := range d.events {
		if e.Seq <= seq {
			upTo = append(upTo, e)
		}
	}
	contextID, err := contextOf(upTo[len(upTo)-1])
	if err != nil {
		return payload{}, err
	}
	state, _ := tasklog.LastStatus(upTo)
	// A former version has stored no state. The task of an event without a state is at work.
	state = cmp.Or(state, d.State, a2a.TaskStateWorking)
	left := []string{"history"}
	if d.After > 0 {
		left = append(left, "artifacts") // if there are any
	}
	data, err := tasklog.Encode(&a2a.Task{
		ID: d.TaskID, ContextID: contextID, Status: a2a.TaskStatus{State: state}, Metadata: tasklog.AddCut(nil, left...),
	})
	var p payload
	p.add(data)
	return p, err
}

// contextOf returns the context of an event's task.
func contextOf(e tasklog.Event) (string, error) {
	type about struct {
		ContextID string `json:"contextId"`
	}
	var event struct {
		Task           about `json:"task"`
		StatusUpdate   about `json:"statusUpdate"`
		ArtifactUpdate about `json:"artifactUpdate"`
	}
	err := json.Unmarshal(e.JSON, &event)
	return cmp.Or(event.Task.ContextID, event.StatusUpdate.ContextID, event.ArtifactUpdate.ContextID), err
}
