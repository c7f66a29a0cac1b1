// Package run runs an executor over the log of a task: one turn, from an accepted message to a final state, within one
// invocation. Nothing of a run outlives [Run.Wait].
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/tasklog"
)

const (
	// unwatchedGap is the least time between two appends of a run that nobody in this process watches.
	unwatchedGap = time.Second

	// reserve is how long before its deadline an invocation stops the executor: enough to put the outcome into the log.
	reserve = 5 * time.Second
)

// What a client is told when a run ends without the executor having said how. The causes are logged.
const (
	textFailed     = "The agent failed to process this message."
	textUnfinished = "The agent stopped before the task was finished."
	textOutOfTime  = "The agent ran out of time."
)

// errOutOfTime is the cause of an executor's context that ended because its invocation is about to.
var errOutOfTime = errors.New("the invocation is about to end")

// Runner runs an executor. All fields are required.
type Runner struct {
	Log      tasklog.Log
	Executor a2asrv.AgentExecutor
	// Gap is the least time between two appends of a run that is watched, but for a short burst. See
	// [tasklog.AppenderConfig].
	Gap    time.Duration
	Logger *slog.Logger
}

// Turn is an accepted message: it is in the log, and its writer is who appends next.
type Turn struct {
	Head   tasklog.Head
	Writer string
	// Fold is the fold over the log. The run goes on with it.
	Fold *tasklog.Fold
	// Context is what the executor gets.
	Context *a2asrv.ExecutorContext
	// Watched says that the events are awaited one by one, at [Run.Tap].
	Watched bool
}

// Run is a running turn.
type Run struct {
	// Tap shows the events of the turn as they are in the log. It is nil if the turn is not watched.
	Tap *tasklog.Tap

	runner   *Runner
	turn     Turn
	appender *tasklog.Appender
	ended    bool // the task has reached a final state; only the executing goroutine uses it
	started  bool // the executor has yielded an event; likewise

	done chan struct{}
	err  error // set before done is closed
}

// Start starts the turn. It goes on when ctx is cancelled, since the client of a run may go away, but not beyond ctx's
// deadline. The caller must call [Run.Wait].
func (r *Runner) Start(ctx context.Context, t Turn) *Run {
	run := &Run{runner: r, turn: t, done: make(chan struct{})}
	gap := unwatchedGap
	if t.Watched {
		gap = r.Gap
		run.Tap = tasklog.NewTap(r.Log, t.Head.ID, t.Fold.Seq())
	}
	if r.Gap == 0 {
		gap = 0
	}
	run.appender = tasklog.NewAppender(ctx, tasklog.AppenderConfig{
		Log: r.Log, Head: t.Head, Writer: t.Writer, Fold: t.Fold, Gap: gap, Tap: run.Tap,
	})
	go run.run(ctx)
	return run
}

// Wait waits for the end of the run. It returns an error if the log could not be written to the end: then the task is as the
// log has it.
func (r *Run) Wait() error {
	<-r.done
	return r.err
}

// Task returns the task as the run left it. The run must have ended.
func (r *Run) Task() (*a2a.Task, error) {
	<-r.done
	return r.turn.Fold.Task()
}

func (r *Run) run(ctx context.Context) {
	defer close(r.done)
	if r.Tap != nil {
		defer r.Tap.End()
	}
	deadline, limited := ctx.Deadline()
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	if limited {
		timer := time.AfterFunc(time.Until(deadline)-reserve, func() { cancel(errOutOfTime) })
		defer timer.Stop()
	}
	defer context.AfterFunc(r.appender.Failed(), func() { cancel(context.Cause(r.appender.Failed())) })()

	err := r.execute(ctx)
	if !r.ended {
		r.end(ctx, err)
	}
	r.err = r.appender.Close()
	r.cleanup(ctx, err)
}

// execute puts what the executor yields into the log, up to a final state. Its error says why there is none.
func (r *Run) execute(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	for event, err := range r.runner.Executor.Execute(ctx, r.turn.Context) {
		if err != nil {
			return err
		}
		if err := r.add(event); err != nil {
			return err
		}
		if r.ended {
			return nil
		}
	}
	return context.Cause(ctx)
}

func (r *Run) add(event a2a.Event) error {
	event, err := r.check(event)
	if err != nil || event == nil {
		return err
	}
	data, err := tasklog.Encode(event)
	if err != nil {
		return err
	}
	state := stateOf(event)
	r.ended = tasklog.Final(state)
	return r.appender.Add(data, state)
}

// end brings a task that the executor has left unfinished to an end.
func (r *Run) end(ctx context.Context, err error) {
	text := textFailed
	switch {
	case r.appender.Failed().Err() != nil:
		return // there is no log to write to
	case context.Cause(ctx) == errOutOfTime:
		text = textOutOfTime
	case err == nil:
		text = textUnfinished
	}
	info := r.turn.Context.TaskInfo()
	r.runner.Logger.ErrorContext(ctx, "run failed", "task", info.TaskID, "outcome", text, "error", err)
	m := a2a.NewMessageForTask(a2a.MessageRoleAgent, info, a2a.NewTextPart(text))
	_ = r.add(a2a.NewStatusUpdateEvent(info, a2a.TaskStateFailed, m)) // Close tells
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
