package run

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/tasklog"
)

// method is a method of an executor.
type method = func(context.Context, *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error]

// execute has the executor work on the turn, up to a final state. Its error says why there is none.
func (r *Run) execute(ctx context.Context) error {
	if ctx.Err() != nil { // the executor need not begin
		return context.Cause(ctx)
	}
	m := r.runner.Executor.Execute
	if r.turn.Mode == Resume {
		m = r.runner.resumer().Resume
	}
	return r.call(ctx, m, r.turn.Context)
}

// call calls drive in a goroutine of its own. If the method ignores the end of ctx, call abandons
// the goroutine.
func (r *Run) call(ctx context.Context, m method, ec *a2asrv.ExecutorContext) error {
	result := make(chan error, 1)
	ctx = r.callContext(ctx)
	go func() {
		err := errors.New("the executor has ended its goroutine")
		defer func() { result <- err }()
		err = r.drive(ctx, m, ec)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-result:
		return err
	case <-time.After(grace):
	case <-r.runner.ending.late.Done():
	}
	select {
	case err := <-result:
		return err
	default:
		r.runner.Logger.ErrorContext(ctx, "the executor ignores the end of its context and is left to itself", "task", r.turn.Head.ID)
		return context.Cause(ctx)
	}
}

// callContext returns ctx with what the SDK's own server puts into it, and the run, for [Earlier].
func (r *Run) callContext(ctx context.Context) context.Context {
	ctx = context.WithValue(ctx, runKey{}, r)
	ctx, call := a2asrv.NewCallContext(ctx, r.turn.Context.ServiceParams)
	call.User = r.turn.Context.User
	for _, uri := range r.turn.Request.Extensions {
		call.Extensions().Activate(&a2a.AgentExtension{URI: uri})
	}
	return ctx
}

// User returns what an executor learns about the owner of a task: the name and, as an attribute,
// its issuer. Without an owner, it is an unauthenticated user.
func User(owner string) *a2asrv.User {
	if owner == "" {
		return new(a2asrv.User)
	}
	name, issuer := tasklog.Subject(owner)
	if issuer == "" {
		return a2asrv.NewAuthenticatedUser(name, nil)
	}
	return a2asrv.NewAuthenticatedUser(name, map[string]any{"issuer": issuer})
}

// drive puts what a method of the executor yields into the log, to a final state or the end of ctx.
func (r *Run) drive(ctx context.Context, m method, ec *a2asrv.ExecutorContext) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	for event, err := range m(ctx, ec) {
		if err != nil {
			return err
		}
		if ended, err := r.add(ctx, event); ended || err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// add puts an event of the executor into the log, unless ctx is done: after that, the task takes
// nothing from its executor.
func (r *Run) add(ctx context.Context, event a2a.Event) (ended bool, err error) {
	return r.put(ctx, event, "", true)
}

// end puts the run's own last event into the log. A full log has room for it, too.
func (r *Run) end(ctx context.Context, event a2a.Event) { _, _ = r.put(ctx, event, "", false) } // Close returns its error

func (r *Run) put(ctx context.Context, event a2a.Event, owner string, bounded bool) (ended bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	event, err = r.check(event)
	if err != nil || event == nil {
		return false, err
	}
	data, err := tasklog.Encode(event)
	if err != nil {
		return false, err
	}
	entry := tasklog.NewEntry(event, data)
	entry.Owner = owner
	size := r.size.Plus(entry.Size())
	if bounded {
		if err := tooMuch(len(data), size, r.count+1); err != nil {
			return false, err
		}
		if err := r.grow(ctx, size); err != nil {
			return false, err
		}
	}
	if err := r.appender.Add(entry); err != nil {
		return false, err
	}
	r.added(event)
	r.size, r.count = size, r.count+1
	if entry.State != "" {
		r.state = entry.State
	}
	return tasklog.Final(entry.State), nil
}

// tooMuch returns an error if an event of this many bytes may not be added. Size and events are
// those of the log with it.
func tooMuch(event int, size tasklog.Size, events int64) error {
	text := ""
	switch {
	case event > tasklog.MaxEventBytes:
		text = fmt.Sprintf("one event may have %d MB", tasklog.MaxEventBytes>>20)
	case size.Bytes > tasklog.MaxBytes:
		text = fmt.Sprintf("the events of a task may have %d MB together", tasklog.MaxBytes>>20)
	case events > tasklog.MaxEvents:
		text = fmt.Sprintf("a task may have %d events", tasklog.MaxEvents)
	case size.Values > tasklog.MaxValues:
		text = fmt.Sprintf("the events of a task may have %d values together", tasklog.MaxValues)
	default:
		return nil
	}
	text = "The agent said more than a task may hold: " + text + "."
	return &Failure{Text: text, Err: fmt.Errorf("an event of %d bytes: %s", event, text)}
}

// Failure is an error of an executor that fails the task with a text for the client. The text of
// other errors is only logged.
type Failure struct {
	Text string
	Err  error // the cause, which is logged
}

func (f *Failure) Error() string { return f.Err.Error() }

func (f *Failure) Unwrap() error { return f.Err }

// fail ends a task that the executor has left unfinished.
func (r *Run) fail(ctx context.Context, text string, err error) {
	if f := (*Failure)(nil); text == textFailed && errors.As(err, &f) {
		text = f.Text
	}
	r.runner.Logger.ErrorContext(ctx, "run failed", "task", r.turn.Head.ID, "outcome", text, "error", err)
	r.end(ctx, failed(r.turn.Context, text))
}

// failed returns the event that fails a task.
func failed(info a2a.TaskInfoProvider, text string) a2a.Event {
	return a2a.NewStatusUpdateEvent(info, a2a.TaskStateFailed, a2a.NewMessageForTask(a2a.MessageRoleAgent, info, a2a.NewTextPart(text)))
}

// cancelTask has the executor cancel the task, or else cancels it itself.
func (r *Run) cancelTask(ctx context.Context) {
	// The executor gets the current task, so the pending events must be in the log.
	if r.appender.Close() != nil {
		return
	}
	task, err := r.turn.Fold.Task()
	if err != nil {
		r.stop(err)
		return
	}
	r.open(ctx)
	ec := *r.turn.Context
	ec.Message, ec.StoredTask = nil, task
	limited, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	defer context.AfterFunc(r.runner.ending.late, cancel)()
	if err := r.call(limited, r.runner.Executor.Cancel, &ec); err != nil {
		r.runner.Logger.ErrorContext(ctx, "executor failed to cancel", "task", r.turn.Head.ID, "error", err)
	}
	if !r.reached().Terminal() {
		r.end(ctx, a2a.NewStatusUpdateEvent(r.turn.Context, a2a.TaskStateCanceled, nil))
	}
}

// cleanup keeps the SDK's promise to executors that have something to tidy up.
func (r *Run) cleanup(ctx context.Context, err error) {
	cleaner, ok := r.runner.Executor.(a2asrv.AgentExecutionCleaner)
	if !ok {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			r.runner.Logger.ErrorContext(ctx, "cleanup panicked", "task", r.turn.Head.ID, "error", p)
		}
	}()
	task, foldErr := r.turn.Fold.Task()
	if foldErr != nil {
		r.runner.Logger.ErrorContext(ctx, "cleanup without a task", "task", r.turn.Head.ID, "error", foldErr)
		return
	}
	cleaner.Cleanup(ctx, r.turn.Context, task, errors.Join(err, r.err))
}
