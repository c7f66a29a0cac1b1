package run

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/durable"
	"a2alambda/internal/protojson"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
)

// JournalConfig says how the journals of durable agents are kept.
type JournalConfig struct {
	// MaxEntries is the most entries of a task's journal. 0 is durable.DefaultEntries.
	MaxEntries int
	// Code is the version of the code, for people.
	Code string
	// FailOnMismatch fails tasks whose code has changed. Otherwise they are parked.
	FailOnMismatch bool
}

var errSuspended = errors.New("the task is suspended")

// Durable reports whether the executor is a durable agent.
func (r *Runner) Durable() bool { return r.agent() != nil }

func (r *Runner) agent() *durable.Agent {
	a, _ := r.Executor.(*durable.Agent)
	return a
}

// Claim completes a claim for the lease of an existing task. If the executor is a durable agent, it
// reads the task's journal, for [Turn], and the claim says so. The snapshot that the caller acquires
// must not be newer than that.
func (r *Runner) Claim(ctx context.Context, id a2a.TaskID, c tasklog.Claim) (tasklog.Claim, []tasklog.Step, error) {
	if !r.Durable() {
		return c, nil, nil
	}
	var steps []tasklog.Step
	for stale := true; ; { // entries never change: only the end must be read strongly consistent
		some, more, err := r.Store.Steps(ctx, id, int64(len(steps)), stale)
		if err != nil {
			return c, nil, err
		}
		steps = append(steps, some...)
		if !more && !stale {
			break
		}
		stale = stale && more
	}
	c.Records, c.Place = true, int64(len(steps))
	return c, steps, nil
}

// durableRun is a run of a durable agent. It is its host.
type durableRun struct {
	*Run
	ctx    context.Context // of everything, as long as the run may write
	engine *durable.Run    // nil if it cannot begin
	begun  error           // why not
}

// durable returns the run of a durable agent, or nil if the executor is another one. ctx ends when
// the run may append no more.
func (r *Run) durable(ctx, running context.Context) *durableRun {
	agent := r.runner.agent()
	if agent == nil {
		return nil
	}
	d := &durableRun{Run: r, ctx: ctx}
	d.engine, d.begun = d.begin(ctx, running, agent)
	return d
}

func (d *durableRun) begin(ctx, running context.Context, agent *durable.Agent) (*durable.Run, error) {
	t := &d.turn
	stored, err := t.Fold.Task()
	if err == nil && t.Mode == Cancel && len(t.Steps) > 0 && tasklog.Final(stored.Status.State) {
		stored, err = d.works(ctx)
	}
	if err != nil {
		return nil, err
	}
	task := &durable.Task{
		ID: t.Head.ID, ContextID: t.Head.ContextID, Tenant: t.Head.Scope.Tenant, User: User(t.Head.Scope.Owner),
	}
	for _, m := range stored.History { // as it is in the log, in every run
		if m.Role == a2a.MessageRoleUser {
			if task.Message, err = copied(m); err != nil {
				return nil, err
			}
			break
		}
	}
	if t.First.Metadata != nil {
		if task.Metadata, err = protojson.Metadata(t.First.Metadata); err != nil {
			return nil, fmt.Errorf("metadata of the request: %w", err)
		}
	}
	deadline, _ := running.Deadline()
	options := d.runner.Journal
	return durable.NewRun(d.callContext(ctx), agent, durable.Config{
		Host: d, Logger: d.runner.Logger, Task: task, Stored: stored, Seq: t.Fold.Seq(), Journal: t.Steps,
		Events: d.events, Woken: t.Woken, Crashed: t.recovered, Cancel: t.Mode == Cancel,
		Deadline: deadline, Late: d.runner.ending.late, Expires: t.Head.Expires,
		MaxEntries: options.MaxEntries, Code: options.Code, Callbacks: d.runner.Callbacks, Peers: d.runner.Peers,
	})
}

// copied returns a message that the agent may change: others have this one, too.
func copied(m *a2a.Message) (*a2a.Message, error) {
	data, err := tasklog.Encode(&a2a.TaskStatusUpdateEvent{Status: a2a.TaskStatus{Message: m}})
	if err != nil {
		return nil, err
	}
	event, err := tasklog.Decode(data)
	if err != nil {
		return nil, err
	}
	return event.(*a2a.TaskStatusUpdateEvent).Status.Message, nil
}

// works says that a task is at work which asks something and is to be canceled: while the agent
// undoes what it did, somebody else must go on if this run is cut off.
func (d *durableRun) works(ctx context.Context) (*a2a.Task, error) {
	if _, err := d.put(ctx, a2a.NewStatusUpdateEvent(d.turn.Context, a2a.TaskStateWorking, nil), "", false); err != nil {
		return nil, err
	}
	if err := d.appender.Flush(ctx); err != nil {
		return nil, err
	}
	return d.turn.Fold.Task()
}

// callContext returns ctx with what the SDK's own server puts into it, as it was in the request that
// began the task.
func (d *durableRun) callContext(ctx context.Context) context.Context {
	ctx = context.WithValue(ctx, runKey{}, d.Run)
	ctx, call := a2asrv.NewCallContext(ctx, paramsOf(d.turn.First))
	call.User = User(d.turn.Head.Scope.Owner)
	for _, uri := range d.turn.First.Extensions {
		call.Extensions().Activate(&a2a.AgentExtension{URI: uri})
	}
	return ctx
}

// events reads the log after an event, up to the beginning of the run.
func (d *durableRun) events(ctx context.Context, after int64) (events []tasklog.Event, err error) {
	for last := d.turn.Fold.Seq(); after < last; {
		some, _, err := d.runner.Store.Read(ctx, d.turn.Head.ID, after, int(min(last-after, 1000)))
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			return nil, errors.New("the log is shorter than it was")
		}
		events = append(events, some...)
		after = some[len(some)-1].Seq
	}
	return events, nil
}

// heard tells the agent what is asked of the run.
func (d *durableRun) heard(a tasklog.Asked) {
	if d.engine == nil {
		return
	}
	d.engine.Woken(a.Woken)
	if a.Cancel {
		d.engine.RequestCancel()
	}
}

// leave has the agent leave the run as soon as no step is under way.
func (d *durableRun) leave() {
	if d.engine != nil {
		d.engine.Leave()
	}
}

// run runs the agent, and puts the end of its turn into the log, if it has ended. HandOver says that
// the task is to be handed over. err is for the log line only.
func (d *durableRun) run(ctx, running context.Context) (handOver bool, err error) {
	o := durable.Outcome{Place: int64(len(d.turn.Steps))}
	if mismatch := (*durable.Mismatch)(nil); errors.As(d.begun, &mismatch) {
		o.End, o.Mismatch = durable.Mismatched, mismatch
	} else if d.begun != nil {
		o.End, o.Err = durable.Lost, d.begun
	} else {
		o = d.engine.Run(running)
	}
	if ctx.Err() != nil || tasklog.Final(d.reached()) {
		return false, o.Err
	}
	switch o.End {
	case durable.Returned:
		if o.Err == nil {
			d.end(ctx, a2a.NewStatusUpdateEvent(d.turn.Context, a2a.TaskStateCompleted, nil))
			break
		}
		d.seen.end = "failed"
		d.fail(ctx, textFailed, o.Err)
	case durable.Undone:
		d.seen.end = "canceled"
		if o.Err != nil && !errors.Is(o.Err, durable.ErrCanceled) {
			d.runner.Logger.ErrorContext(ctx, "the agent failed to undo what it did", "task", d.turn.Head.ID, "error", o.Err)
		}
		d.end(ctx, a2a.NewStatusUpdateEvent(d.turn.Context, a2a.TaskStateCanceled, nil))
	case durable.Suspended:
		d.seen.end = "suspended"
	case durable.HandedOver:
		d.seen.end = "handed over"
		return true, nil
	case durable.Mismatched:
		return false, d.park(ctx, o)
	case durable.Lost:
		if o.Err == nil {
			o.Err = errSuperseded
		}
		d.stop(o.Err)
	}
	return false, o.Err
}

// Put implements [durable.Host].
func (d *durableRun) Put(_ context.Context, e a2a.Event, owner string) error {
	_, err := d.put(d.ctx, e, owner, true)
	return err
}

// Check implements [durable.Host].
func (d *durableRun) Check(e a2a.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, err := d.check(e)
	if err != nil {
		return err
	}
	data, err := tasklog.Encode(e)
	if err != nil {
		return err
	}
	return tooMuch(len(data), tasklog.Size{}, 0)
}

// Flush implements [durable.Host].
func (d *durableRun) Flush(context.Context) error { return d.appender.Flush(d.ctx) }

const (
	// One try to record entries may take recordWithin. A failed one is repeated for recordFor, a
	// throttled one for recordThrottled, as appends are.
	recordWithin    = 6 * time.Second
	recordFor       = 20 * time.Second
	recordThrottled = time.Minute
	recordFirst     = 50 * time.Millisecond
	recordMost      = time.Second
)

// Record implements [durable.Host].
func (d *durableRun) Record(_ context.Context, first int64, entries [][]byte) error {
	begun, wait := time.Now(), recordFirst
	var err error
	for {
		if !d.Held() {
			return errors.Join(errSuperseded, err)
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), recordWithin)
		err = d.turn.Lease.Record(ctx, first, entries)
		cancel()
		within := recordFor
		if errors.Is(err, tasklog.ErrThrottled) {
			within = recordThrottled
		}
		pause := wait/2 + rand.N(wait)
		if err == nil || errors.Is(err, tasklog.ErrConflict) || errors.Is(err, tasklog.ErrNotFound) || time.Since(begun)+pause > within {
			return err
		}
		time.Sleep(pause)
		wait = min(2*wait, recordMost)
	}
}

// Held implements [durable.Host].
func (d *durableRun) Held() bool { return d.ctx.Err() == nil && d.lease.check() == nil }

// Suspend implements [durable.Host].
func (d *durableRun) Suspend(_ context.Context, due time.Time, woken int64) (bool, error) {
	if err := d.appender.Flush(d.ctx); err != nil {
		return false, err
	}
	d.asking <- struct{}{}
	defer func() { <-d.asking }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.ctx), renewWithin)
	defer cancel()
	suspended, err := d.turn.Lease.Suspend(ctx, due, woken)
	if errors.Is(err, tasklog.ErrConflict) || errors.Is(err, tasklog.ErrNotFound) {
		d.stop(errSuperseded)
	}
	d.suspended = suspended && err == nil
	return d.suspended, err
}

// Asked implements [durable.Host].
func (d *durableRun) Asked(ctx context.Context) (tasklog.Asked, error) {
	return d.renew(ctx, renewWithin)
}

// OpenWait implements [durable.Host].
func (d *durableRun) OpenWait(ctx context.Context, name, memo string) error {
	return d.runner.Store.OpenWait(ctx, d.turn.Head, name, memo)
}

// Wait implements [durable.Host].
func (d *durableRun) Wait(ctx context.Context, name string) (tasklog.Wait, error) {
	return d.runner.Store.Wait(ctx, d.turn.Head.ID, name)
}

// CloseWait implements [durable.Host].
func (d *durableRun) CloseWait(ctx context.Context, name string) (tasklog.Wait, error) {
	return d.runner.Store.CloseWait(ctx, d.turn.Head.ID, name)
}

// Secret implements [durable.Host].
func (d *durableRun) Secret(ctx context.Context) ([]byte, error) { return d.runner.Store.Secret(ctx) }

// Took implements [durable.Host].
func (d *durableRun) Took(ctx context.Context, r durable.Report) {
	line := new(telemetry.Line)
	line.Task(d.turn.Head.ID, d.turn.Head.ContextID, d.turn.Request.Trace)
	line.Text("step", r.Name)
	line.Text("type", string(r.Type))
	line.Text("outcome", string(r.Outcome))
	line.Count("attempts", int64(r.Attempts))
	line.Count("bytes", int64(r.Bytes))
	line.Took("stepMs", r.Took)
	line.Count("steps", 1)
	if r.Outcome == durable.Failed {
		line.Count("stepFailures", 1)
	}
	line.Log(context.WithoutCancel(ctx), d.runner.Logger, telemetry.Step)
}
