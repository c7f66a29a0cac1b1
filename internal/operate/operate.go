// Package operate is for those who operate a deployment: it reads what a task has done, and steps in.
// Each command takes the task's lease as a run does, so it is refused while somebody runs the task,
// and leaves an entry in the journal that says who, when, and what it replaces.
package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
)

// Operator steps in. Its methods return a sentence for people: what happens next, or an error.
type Operator struct {
	Store tasklog.Store
	// Invoke asks for a worker. It may be nil: then a sweep finds the task, within a minute or two.
	Invoke func(ctx context.Context, id a2a.TaskID) error
	// By is who steps in.
	By string
}

// Task is what is known of a task.
type Task struct {
	*tasklog.Snapshot
	// Steps are the task's steps as they stand, and Journal what else its journal says.
	Steps   []durable.StepInfo
	Journal *durable.Steps

	now durable.Now
}

// Read reads a task and its journal.
func (o *Operator) Read(ctx context.Context, id a2a.TaskID) (*Task, error) {
	s, err := o.Store.Peek(ctx, id, tasklog.Want{Lease: true, Requests: true})
	if errors.Is(err, tasklog.ErrNotFound) {
		return nil, fmt.Errorf("there is no task %s: it never was, or has expired", id)
	}
	if err != nil {
		return nil, err
	}
	t := &Task{Snapshot: s, Journal: new(durable.Steps), now: durable.Now{State: s.Task.Status.State, Held: s.Busy()}}
	for more := true; more; {
		var some []tasklog.Step
		if some, more, err = o.Store.Steps(ctx, id, t.Journal.Last, false); err != nil {
			return nil, err
		}
		for _, step := range some {
			t.Journal.Add(step)
		}
		more = more && len(some) > 0
	}
	if t.records() && t.now.NeedsLast() {
		last, _, err := o.Store.Read(ctx, id, s.Seq-1, 1)
		if err != nil {
			return nil, err
		}
		if len(last) > 0 {
			t.now.Last = &last[0]
		}
	}
	t.Steps = t.Journal.At(t.now, 0)
	return t, nil
}

// Wake has a suspended or parked task go on now.
func (o *Operator) Wake(ctx context.Context, id a2a.TaskID) (next string, err error) {
	h, err := o.hold(ctx, id, func(t *Task) error {
		switch {
		case tasklog.Final(t.now.State):
			return errors.New("the task waits for its user: only an answer has it go on")
		case !t.records():
			return errPlain // who held its lease would be taken for a run of it
		}
		return t.settled()
	})
	switch {
	case errors.Is(err, errPlain):
		return o.ask(ctx, id)
	case err != nil:
		return "", err
	}
	return h.end(h.operated("wake", "", 0))
}

// errPlain is for a task whose agent keeps no journal.
var errPlain = errors.New("the task's agent keeps no journal")

// records reports whether the task's agent keeps a journal.
func (t *Task) records() bool { return t.Lease.Records || t.Journal.Last > 0 }

// Retry takes a recorded error of a step back, so that the step is made anew. It refuses to if the
// code has gone on after the error, unless anyway is set: then it may no longer do what the journal
// says, and the task is parked.
func (o *Operator) Retry(ctx context.Context, id a2a.TaskID, step string, anyway bool) (next string, err error) {
	var info durable.StepInfo
	h, err := o.hold(ctx, id, func(t *Task) (err error) {
		var next string
		info, next, err = t.find(step)
		switch {
		case err != nil:
			return err
		case info.State != durable.StepFailed && info.State != durable.StepInterrupted || info.Error == nil:
			return fmt.Errorf("the step %q has no recorded error: it is %s", step, info.State)
		case info.Delivers():
			return fmt.Errorf("the callback %q is over, and cannot be waited for again", step)
		case next != "" && !anyway:
			return goneOn(step, next)
		}
		return t.settled()
	})
	if err != nil {
		return "", err
	}
	return h.end(h.record(info.Entry(durable.Again, o.By, nil)))
}

// Fail fails a task, with a text for its user, which may be empty.
func (o *Operator) Fail(ctx context.Context, id a2a.TaskID, text string) (next string, err error) {
	h, err := o.hold(ctx, id, func(*Task) error { return nil })
	if err != nil {
		return "", err
	}
	if text == "" {
		text = "An operator has ended this task."
	}
	ctx = context.WithoutCancel(ctx)
	defer h.lease.Close(ctx)
	if err := h.operated("fail", "", 0); err != nil {
		return "", err
	}
	m := a2a.NewMessageForTask(a2a.MessageRoleAgent, h.Task.Snapshot.Task, a2a.NewTextPart(text))
	if err := h.append(a2a.NewStatusUpdateEvent(h.Task.Snapshot.Task, a2a.TaskStateFailed, m)); err != nil {
		return "", err
	}
	open, err := o.Store.OpenWaits(ctx, id)
	for _, w := range open { // so that nobody delivers in vain
		_, closing := o.Store.CloseWait(ctx, id, w.Name)
		err = errors.Join(err, closing)
	}
	if err != nil {
		return "", fmt.Errorf("the task has failed, but not all of its callbacks are closed: %w", err)
	}
	return "The task has failed.", nil
}

// settled returns an error if the task's last run was cut off: how that was must be seen first.
func (t *Task) settled() error {
	if l := t.Lease; l.Holder != "" && !l.Released && !tasklog.Final(t.now.State) {
		return errors.New("the task's last run was cut off: a worker goes on with it within a minute or two, try again then")
	}
	if t.Journal.Unreadable > 0 {
		return fmt.Errorf("this version of the code cannot read %d entries of the task's journal: use the one that wrote them", t.Journal.Unreadable)
	}
	return nil
}

func (t *Task) find(step string) (info durable.StepInfo, next string, err error) {
	info, next, ok := t.Journal.Find(step)
	if !ok {
		return info, "", fmt.Errorf("the task's journal has no step %q: task steps %s shows its names", step, t.Head.ID)
	}
	if i := slices.IndexFunc(t.Steps, func(i durable.StepInfo) bool { return i.Name == step }); i >= 0 && info.State != durable.StepParked {
		info.State = t.Steps[i].State
	}
	return info, next, nil
}

func goneOn(step, next string) error {
	return fmt.Errorf("the code has gone on after %q, to %q: with another outcome it may do something else, "+
		"and then the task is parked; -anyway does it nevertheless", step, next)
}

// held is a task whose lease an operator holds.
type held struct {
	*Task
	operator *Operator
	ctx      context.Context // without cancellation: nothing must be left halfway
	lease    tasklog.Lease
	records  bool
}

// hold takes the lease of a task that nobody runs, if check does not refuse.
func (o *Operator) hold(ctx context.Context, id a2a.TaskID, check func(*Task) error) (h *held, err error) {
	t, err := o.Read(ctx, id)
	if err == nil && t.Busy() && o.overtakes(ctx, t.Snapshot) {
		defer func() {
			if err != nil { // nobody has the task now, and others may wait for it
				_, _ = o.ask(context.WithoutCancel(ctx), id)
			}
		}()
		t, err = o.Read(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case t.now.State.Terminal():
		return nil, fmt.Errorf("the task has ended: it is %s", Name(t.now.State))
	case t.Busy():
		return nil, errors.New("a run holds the task now: try again once it has ended or is suspended")
	}
	if err := check(t); err != nil {
		return nil, err
	}
	records := t.records() // nothing is written to a journal that nobody keeps
	lease, err := o.Store.Acquire(ctx, t.Snapshot, tasklog.Claim{
		Writer: a2a.NewMessageID(), Until: time.Now().Add(run.LeaseTime), Request: t.Last,
		Records: records, Place: t.Journal.Last,
	})
	if errors.Is(err, tasklog.ErrConflict) {
		return nil, errors.New("somebody else has just taken the task: try again once that run has ended")
	}
	if err != nil {
		return nil, err
	}
	return &held{t, o, context.WithoutCancel(ctx), lease, records}, nil
}

// overtakes reports whether the holder of the task was found dead.
func (o *Operator) overtakes(ctx context.Context, s *tasklog.Snapshot) bool {
	r := run.New(run.Config{
		Store: o.Store, Logger: slog.New(slog.DiscardHandler), Invoke: func(context.Context, a2a.TaskID) error { return nil },
	})
	return r.Overtake(ctx, s)
}

// operated records a command that gives no call an outcome.
func (h *held) operated(command, step string, replaces int64) error {
	memo, err := json.Marshal(command)
	if err != nil {
		return err
	}
	return h.record(durable.Entry{
		Kind: durable.Operated, Name: step, Time: time.Now().UnixMilli(), By: h.operator.By, Memo: memo, Replaces: replaces,
	})
}

func (h *held) record(e durable.Entry) error {
	if !h.records {
		return nil
	}
	data, err := e.Encode()
	if err != nil {
		return err
	}
	return h.lease.Record(h.ctx, h.Journal.Last+1, [][]byte{data})
}

func (h *held) append(e a2a.Event) error {
	data, err := tasklog.Encode(e)
	if err != nil {
		return err
	}
	h.Seq++
	return h.lease.Append(h.ctx, h.Seq, []tasklog.Entry{tasklog.NewEntry(e, data)})
}

// end gives the lease back: the task is due now. It returns err if that is not nil.
func (h *held) end(err error) (next string, _ error) {
	defer h.lease.Close(h.ctx)
	asks, due := tasklog.Final(h.now.State), false
	if !asks {
		var failed error
		due, failed = h.lease.Suspend(h.ctx, time.Now(), h.Lease.Woken)
		err = errors.Join(err, failed)
	}
	if !due { // its user must answer, or something has come meanwhile
		err = errors.Join(err, h.lease.Release(h.ctx))
	}
	switch {
	case err != nil:
		return "", err
	case asks:
		return "The task goes on once its user has answered its question.", nil
	}
	return h.operator.ask(h.ctx, h.Head.ID)
}

// ask asks for a worker for a task that is due.
func (o *Operator) ask(ctx context.Context, id a2a.TaskID) (next string, err error) {
	if o.Invoke == nil {
		return "The task is due: it goes on within a minute or two.", nil
	}
	if err := o.Invoke(ctx, id); err != nil {
		return "", fmt.Errorf("the task is due, and goes on within a minute or two, but no worker could be asked: %w", err)
	}
	return "A worker was asked to go on with the task.", nil
}

// Name is a state as people write it.
func Name(s a2a.TaskState) string { return stateNames[s] }

var stateNames = map[a2a.TaskState]string{
	a2a.TaskStateSubmitted: "submitted", a2a.TaskStateWorking: "working", a2a.TaskStateInputRequired: "input-required",
	a2a.TaskStateAuthRequired: "auth-required", a2a.TaskStateCompleted: "completed", a2a.TaskStateFailed: "failed",
	a2a.TaskStateCanceled: "canceled", a2a.TaskStateRejected: "rejected",
}
