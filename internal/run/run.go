package run

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/memory"
	"a2alambda/internal/peer"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
)

const (
	// gatherGap is the least time between two appends of a run whose events nobody waits for.
	gatherGap = time.Second

	// reserve is how long before its deadline an invocation stops the executor: enough to put the
	// outcome into the log, and to hand the task over.
	reserve = 5 * time.Second

	// grace is how long an executor may take to notice that its context is done, before the run
	// abandons it.
	grace = 2 * time.Second
)

// What a client is told when a run ends and the executor has not said how. The log has the causes.
const (
	textFailed      = "The agent failed to process this message."
	textUnfinished  = "The agent stopped before the task was finished."
	textOutOfTime   = "The agent ran out of time."
	textInterrupted = "The agent was interrupted and cannot resume."
)

// The causes for which an executor's context ends.
var (
	errOutOfTime  = errors.New("the invocation is about to end")
	errCanceled   = errors.New("the task is to be canceled")
	errSuperseded = errors.New("the lease is lost")
)

// Resumer is an executor that can go on with a task in the middle of a turn, after the run that
// began it was cut off: by the death of its instance, or by the end of its invocation.
type Resumer interface {
	a2asrv.AgentExecutor

	// Resume is Execute for a task that has events of this turn in the log. ec.StoredTask is the
	// task as of the last event.
	Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error]
}

// Config is what a runner needs. A runner that only sweeps needs all fields except Executor.
type Config struct {
	Store    tasklog.Store
	Executor a2asrv.AgentExecutor
	// Gap is the least time between two appends, short bursts excepted. See
	// [tasklog.AppenderConfig].
	Gap    time.Duration
	Logger *slog.Logger
	// Invoke asks for another invocation that calls [Runner.Work] for the task. It may be lost:
	// then the sweeper asks again.
	Invoke func(context.Context, a2a.TaskID) error
	// LivesOn says that the process goes on working when a request has been answered, as that of a Lambda
	// function with many requests at once does. Then the runner takes over a task that nobody runs when
	// somebody follows it here, and is a worker where none can be had. Invoke must reach other processes.
	LivesOn bool
	// Later asks for an invocation that calls [Runner.LookLater] for the task. A process that ends asks
	// for it instead of a worker, if it has clients that follow the task: whoever they come back to takes
	// it over. It may be nil, where nobody does.
	Later func(context.Context, a2a.TaskID) error
	// Alone says that the store is this process's own: nobody can go on with a task after it.
	Alone bool
	// Callbacks is the base URL of callbacks, "" if they come in nowhere. See [callback.URL].
	Callbacks string
	// Peers are the agents that a durable agent may call.
	Peers peer.Set
	// Journal is for durable agents. Its zero value is good.
	Journal JournalConfig
}

// Runner runs an executor.
type Runner struct {
	Config
	// Followers has the followers of tasks in this process.
	Followers *tasklog.Followers
	running   running
	sightings sightings
	doubts    doubts
	signs     signs
	ending    ending
	process   string // see [tasklog.NewProcess]
	slow      slowness
}

// New returns a runner. It panics if something is missing.
func New(c Config) *Runner {
	if c.Store == nil || c.Logger == nil || c.Invoke == nil {
		panic("run: a runner needs a store, a logger, and a way to ask for a worker")
	}
	r := &Runner{Config: c, ending: newEnding(), process: tasklog.NewProcess()}
	if c.LivesOn && c.Executor != nil {
		r.Invoke = r.orHere(c.Invoke)
	}
	r.Followers = tasklog.NewFollowers(c.Store, r.orphaned)
	r.Followers.Watch = r.watch
	return r
}

// Writer returns a new name for the holder of a lease, as a [tasklog.Claim] has it.
func (r *Runner) Writer() string { return tasklog.NewWriter(r.process) }

// Mode says which of an executor's methods a turn calls.
type Mode int

const (
	Execute Mode = iota
	Resume
	Cancel
)

// Turn is an accepted message: it is in the log, and the run has a lease. It does not change.
type Turn struct {
	Head    tasklog.Head
	Request tasklog.Request
	Lease   tasklog.Lease
	Until   time.Time // the end of the lease
	// Fold is the fold over the log. The run adds its events to it.
	Fold *tasklog.Fold
	// Size is the size of the log.
	Size tasklog.Size
	// Context is what the executor gets.
	Context *a2asrv.ExecutorContext
	Mode    Mode

	// First is the request that began the task, Steps the journal, and Woken how often the task was
	// woken before Steps and the log were read. Only durable agents need them.
	First tasklog.Request
	Steps []tasklog.Step
	Woken int64

	recovered bool             // the holder before crashed
	usage     *telemetry.Usage // what this turn has cost so far; may be nil
}

// Audience says who waits for a run's events.
type Audience int

const (
	// Nobody waits, or somebody who reads the log.
	Nobody Audience = iota
	// Reader reads the events at [Run.Tap].
	Reader
	// Outcome is a client that awaits the end of the turn: events may gather for longer.
	Outcome
)

// Run is a running turn.
type Run struct {
	// Tap shows the events of the turn once they are in the log. It is nil without a [Reader]. It
	// does not end with the run: its reader may continue with it.
	Tap *tasklog.Tap

	runner   *Runner
	turn     Turn
	reads    func() bool // somebody reads Tap, or may
	deadline time.Time   // of its invocation; zero if it has none
	lease    until
	gap      time.Duration
	usage    *telemetry.Usage
	appender *tasklog.Appender
	stop     context.CancelCauseFunc // ends everything: the run may append no more

	mu        sync.Mutex
	started   bool                    // the executor has yielded an event
	state     a2a.TaskState           // the last that this run has reached, or ""
	size      tasklog.Size            // of the log and what waits for it
	count     int64                   // of those events
	charged   int64                   // what of memory it has, beside [memory.Stream]
	artifacts map[a2a.ArtifactID]bool // those in the log

	seen observation

	keeper keeper

	asking    chan struct{} // holds a token while the lease is renewed, asked or suspended
	suspended bool          // the run has suspended the task; whoever has the token may look

	done chan struct{}
	err  error  // set before done is closed
	then func() // is called once done is closed; guarded by mu
	over bool   // done is closed, or about to be; guarded by mu
}

// Start starts the turn. The run goes on when ctx is cancelled, since its client may go away, but
// not beyond the deadline of ctx. The caller must call [Run.Wait].
func (r *Runner) Start(ctx context.Context, t Turn, a Audience) *Run {
	run := r.newRun(t)
	switch {
	case a == Reader:
		run.reads = func() bool { return ctx.Err() == nil }
		run.Tap = tasklog.NewTap(ctx, r.Store, t.Head.ID, t.Fold.Seq())
	case a == Outcome && r.Gap > 0:
		run.gap = gatherGap
	}
	go run.run(ctx)
	return run
}

// newRun returns the run of a turn, before its start.
func (r *Runner) newRun(t Turn) *Run {
	run := &Run{
		runner: r, turn: t, gap: r.Gap, usage: t.usage, done: make(chan struct{}),
		asking: make(chan struct{}, 1),
		size:   t.Size, count: t.Fold.Seq(), artifacts: artifactsOf(t.Context.StoredTask),
	}
	if run.usage == nil {
		run.usage = new(telemetry.Usage)
	}
	run.seen.begin(t.Fold.Seq())
	run.lease.set(t.Until)
	run.keeper.run = run
	return run
}

// Wait waits for the end of the run. It returns an error if the run could not write the log to the
// end: then the log says what the task is.
func (r *Run) Wait() error {
	<-r.done
	return r.err
}

// Then has f called, once, in a goroutine, when the run has ended: nobody needs to wait for it.
func (r *Run) Then(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		go f()
		return
	}
	r.then = f
}

// finish tells everybody that the run has ended.
func (r *Run) finish() {
	r.mu.Lock()
	r.over = true
	f := r.then
	r.mu.Unlock()
	close(r.done)
	if f != nil {
		f()
	}
}

// Over reports whether the run has ended its turn. Otherwise the turn goes on elsewhere. The run
// must have ended.
func (r *Run) Over() bool {
	<-r.done
	return r.err == nil && tasklog.Final(r.reached())
}

// Suspended reports whether the run has suspended its task. The run must have ended.
func (r *Run) Suspended() bool {
	<-r.done
	return r.err == nil && r.suspended
}

// Task returns the task as the run left it. The run must have ended.
func (r *Run) Task() (*a2a.Task, error) {
	<-r.done
	return r.turn.Fold.Task()
}

func (r *Run) run(ctx context.Context) {
	defer r.finish()
	defer r.runner.running.add(r, r.runner.attend)()
	elsewhere := r.runner.Followers.Running(r.turn.Head.ID, r.turn.Fold.Seq())
	defer elsewhere()
	deadline, limited := ctx.Deadline()
	r.deadline = deadline
	ctx, r.stop = context.WithCancelCause(telemetry.With(context.WithoutCancel(ctx), r.usage))
	defer r.report(ctx)
	defer r.stop(nil)
	defer onceSuperseded(ctx, elsewhere)()             // also if the executor does not stop
	running, interrupt := context.WithCancelCause(ctx) // the executor's context
	defer interrupt(nil)
	if limited {
		var release context.CancelFunc
		running, release = context.WithDeadlineCause(running, deadline.Add(-reserve), errOutOfTime)
		defer release()
		defer time.AfterFunc(time.Until(r.writeUntil()), func() { r.stop(tasklog.ErrLate) }).Stop()
	}
	r.open(ctx)
	heard := func(a tasklog.Asked) {
		if a.Cancel {
			interrupt(errCanceled)
		}
	}
	d := r.durable(ctx, running)
	if d != nil {
		heard = d.heard
	}
	defer r.endWithProcess(interrupt, d)()
	r.keeper.start(ctx, heard)

	var err error
	cause := errCanceled
	handOver := false
	switch {
	case d != nil:
		handOver, err = d.run(ctx, running)
		cause = nil
	case r.turn.Mode != Cancel:
		err = r.execute(running)
		cause = context.Cause(running)
	}
	switch {
	case handOver && r.runner.Alone:
		handOver, r.seen.end = false, "interrupted"
		r.fail(ctx, textInterrupted, err)
	case d != nil:
	case tasklog.Final(r.reached()) || ctx.Err() != nil:
	case errors.Is(cause, errCanceled):
		r.seen.end = "canceled"
		r.cancelTask(ctx)
	case cutOff(cause) && r.handsOver():
		handOver, r.seen.end = true, "handed over"
	case errors.Is(cause, errOutOfTime):
		r.seen.end = "out of time"
		r.fail(ctx, textOutOfTime, err)
	case cutOff(cause):
		r.seen.end = "interrupted"
		r.fail(ctx, textInterrupted, err)
	case err == nil:
		r.seen.end = "unfinished"
		r.fail(ctx, textUnfinished, err)
	default:
		r.seen.end = "failed"
		r.fail(ctx, textFailed, err)
	}
	r.err = r.appender.Close()
	lost := context.Cause(ctx)
	if errors.Is(lost, memory.ErrFull) {
		handOver, r.seen.end, lost = true, "handed over", nil
	}
	r.stop(nil)
	r.keeper.stop()
	if r.err == nil && lost != nil && !tasklog.Final(r.reached()) {
		r.err = lost
	}
	ctx = context.WithoutCancel(ctx)
	if handOver && r.err == nil {
		r.handOver(ctx)
	}
	closeLease(ctx, r.turn.Lease, deadline)
	if errors.Is(r.err, tasklog.ErrLate) {
		r.leaveLate(ctx)
	}
	if joined := (interface{ Unwrap() []error })(nil); errors.Is(r.err, errSuperseded) && errors.As(r.err, &joined) {
		// The caller gets no error, since others go on with the task: only the log has the cause.
		r.runner.Logger.ErrorContext(ctx, "lease lost while the log could not be written", "task", r.turn.Head.ID, "error", r.err)
	}
	r.cleanup(ctx, err)
}

// onceSuperseded has f called once ctx has ended because the run was superseded, until stop is called.
func onceSuperseded(ctx context.Context, f func()) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		if Superseded(context.Cause(ctx)) {
			f()
		}
	})
}

// open makes an appender that goes on where the log is.
func (r *Run) open(ctx context.Context) {
	a := tasklog.NewAppender(ctx, tasklog.AppenderConfig{
		Lease: r.turn.Lease, Fold: r.turn.Fold, Gap: r.gap, Check: r.lease.check, Until: r.writeUntil(),
		Appended: func(events []tasklog.Event) {
			r.Tap.Publish(events)
			r.runner.Followers.Appended(r.turn.Head.ID, events)
		},
	})
	context.AfterFunc(a.Failed(), func() { r.stop(context.Cause(a.Failed())) })
	r.appender = a
}

// reached returns the last state that the run has put into the log, or "".
func (r *Run) reached() a2a.TaskState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}
