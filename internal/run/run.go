// Package run runs an executor for one turn of a task, from an accepted message to the end of the turn, within one invocation, and
// writes its events to the task's log. Nothing of a run outlives [Run.Wait].
package run

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
)

const (
	// gatherGap is the least time between two appends of a run whose events nobody waits for.
	gatherGap = time.Second

	// reserve is how long before its deadline an invocation stops the executor: enough to put the outcome into the log, and to
	// hand the task over.
	reserve = 5 * time.Second

	// grace is how long an executor may take to notice that its context is done. Then it is left to itself.
	grace = 2 * time.Second
)

// What a client is told when a run ends without the executor having said how. The causes are logged.
const (
	textFailed      = "The agent failed to process this message."
	textUnfinished  = "The agent stopped before the task was finished."
	textOutOfTime   = "The agent ran out of time."
	textInterrupted = "The agent was interrupted and cannot resume."
)

// The causes for which an executor's context ends.
var (
	errOutOfTime = errors.New("the invocation is about to end")
	errCanceled  = errors.New("the task is to be canceled")
	errLeaseLost = errors.New("the lease is lost")
)

// Resumer is an executor that can go on with a task in the middle of a turn, after the run that began it was cut off: by the
// death of its instance, or by the end of its invocation.
type Resumer interface {
	a2asrv.AgentExecutor

	// Resume is Execute for a task some of whose events are in the log: ec.StoredTask is the task as of the last.
	Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error]
}

// Runner runs an executor. All fields are required, but that who only sweeps needs no executor.
type Runner struct {
	Log      tasklog.Log
	Executor a2asrv.AgentExecutor
	// Gap is the least time between two appends, but for a short burst. See [tasklog.AppenderConfig].
	Gap    time.Duration
	Logger *slog.Logger
	// Invoke asks for another invocation that calls [Runner.Work] for the task. It may be lost: then the sweeper asks
	// again.
	Invoke func(context.Context, a2a.TaskID) error
}

// resumer returns the executor if it can resume, or nil.
func (r *Runner) resumer() Resumer {
	x, _ := r.Executor.(Resumer)
	return x
}

// Turn is an accepted message: it is in the log, and its writer holds the lease.
type Turn struct {
	Head   tasklog.Head
	Writer string
	Until  time.Time // the end of the lease
	// Fold is the fold over the log. The run goes on with it.
	Fold *tasklog.Fold
	// Size is that of the log.
	Size tasklog.Size
	// Context is what the executor gets.
	Context *a2asrv.ExecutorContext
	// Watched says that the events are read here, at [Run.Tap]; Gather that the client awaits only the outcome, so that events
	// may gather for longer.
	Watched, Gather bool

	// Exactly one of the executor's methods is called; the zero value stands for Execute.
	resume, cancel bool

	recovered bool             // the run before this was cut off
	usage     *telemetry.Usage // what this turn has cost so far; may be nil
}

// Run is a running turn.
type Run struct {
	// Tap shows the events of the turn as they are in the log. It is nil if the turn is not watched. It does not end with the
	// run: who watches may go on with it.
	Tap *tasklog.Tap

	runner   *Runner
	turn     Turn
	lease    lease
	appender *tasklog.Appender
	push     atomic.Bool             // the task has got push notifications since its head was read
	stop     context.CancelCauseFunc // ends all of the run: it may not append any more

	mu        sync.Mutex
	started   bool                    // the executor has yielded an event
	state     a2a.TaskState           // the last that this run has brought, or ""
	size      tasklog.Size            // of the log with what was added
	count     int64                   // of its events
	artifacts map[a2a.ArtifactID]bool // which there are in the log

	seen observation

	done chan struct{}
	err  error // set before done is closed
}

// Start starts the turn. It goes on when ctx is cancelled, since the client of a run may go away, but not beyond ctx's
// deadline. The caller must call [Run.Wait].
func (r *Runner) Start(ctx context.Context, t Turn) *Run {
	run := &Run{runner: r, turn: t, done: make(chan struct{}), artifacts: artifactsOf(t.Context.StoredTask)}
	if run.turn.usage == nil {
		run.turn.usage = new(telemetry.Usage)
	}
	run.size, run.count = t.Size, t.Fold.Seq()
	run.seen.begin(t.Fold.Seq())
	run.lease.set(t.Until)
	if t.Watched {
		run.Tap = tasklog.NewTap(ctx, r.Log, t.Head.ID, t.Fold.Seq())
	}
	go run.run(ctx)
	return run
}

// Wait waits for the end of the run. It returns an error if the log could not be written to the end: then the task is as the
// log has it.
func (r *Run) Wait() error {
	<-r.done
	return r.err
}

// Over reports whether the run has brought its turn to an end; else the turn goes on elsewhere. The run must have ended.
func (r *Run) Over() bool {
	<-r.done
	return r.err == nil && tasklog.Final(r.reached())
}

// Task returns the task as the run left it. The run must have ended.
func (r *Run) Task() (*a2a.Task, error) {
	<-r.done
	return r.turn.Fold.Task()
}

func (r *Run) run(ctx context.Context) {
	defer close(r.done)
	deadline, limited := ctx.Deadline()
	ctx, r.stop = context.WithCancelCause(telemetry.With(context.WithoutCancel(ctx), r.turn.usage))
	defer r.report(ctx)
	defer r.stop(nil)
	running, interrupt := context.WithCancelCause(ctx) // the executor's context
	defer interrupt(nil)
	if limited {
		timer := time.AfterFunc(time.Until(deadline)-reserve, func() { interrupt(errOutOfTime) })
		defer timer.Stop()
	}
	r.open(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { r.keepLease(ctx, interrupt) })

	var err error
	cause := errCanceled
	if !r.turn.cancel {
		err = r.execute(running)
		cause = context.Cause(running)
	}
	handOver := false
	switch {
	case tasklog.Final(r.reached()) || ctx.Err() != nil:
	case cause == errCanceled:
		r.seen.end = "canceled"
		r.cancelTask(ctx)
	case cause == errOutOfTime && r.runner.resumer() != nil:
		handOver, r.seen.end = true, "handed over"
	case cause == errOutOfTime:
		r.seen.end = "out of time"
		r.fail(ctx, textOutOfTime, err)
	case err == nil:
		r.seen.end = "unfinished"
		r.fail(ctx, textUnfinished, err)
	default:
		r.seen.end = "failed"
		r.fail(ctx, textFailed, err)
	}
	r.err = r.appender.Close()
	lost := context.Cause(ctx)
	r.stop(nil)
	keeper.Wait()
	switch {
	case r.err == nil && lost != nil && !tasklog.Final(r.reached()):
		r.err = lost
	case r.err == nil && handOver:
		r.handOver(context.WithoutCancel(ctx))
	case r.err != errLeaseLost && errors.Is(r.err, errLeaseLost): // nobody is told but the log: others go on with the task
		r.runner.Logger.ErrorContext(ctx, "lease lost while the log could not be written", "task", r.turn.Head.ID, "error", r.err)
	}
	r.cleanup(context.WithoutCancel(ctx), err)
}

// open makes an appender that goes on where the log is.
func (r *Run) open(ctx context.Context) {
	gap := r.runner.Gap
	if r.turn.Gather && gap > 0 {
		gap = gatherGap
	}
	a := tasklog.NewAppender(ctx, tasklog.AppenderConfig{
		Log: r.runner.Log, Head: r.turn.Head, Writer: r.turn.Writer, Fold: r.turn.Fold,
		Size: r.size, Gap: gap, Tap: r.Tap, Check: r.lease.check, Push: r.push.Load,
	})
	context.AfterFunc(a.Failed(), func() { r.stop(context.Cause(a.Failed())) })
	r.appender = a
}

// reached returns the last state that the run has brought.
func (r *Run) reached() a2a.TaskState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}
