package durable

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// inPlace is the longest wait for which a run stays. For a longer one the task is suspended.
	inPlace = time.Minute

	// grace is how long steps may take to notice that their context is done, before the run leaves
	// them to themselves.
	grace = 2 * time.Second

	// undo is how long a function may take to undo what it did, after the task is to be canceled.
	// A run that begins after a crash has undoAgain at least.
	undo      = 30 * time.Second
	undoAgain = 10 * time.Second
)

// errEnded is what durable calls return after the function has emitted a final state.
var errEnded = errors.New("durable: the task has ended")

// Run is one run of a durable agent.
type Run struct{ *engine }

// engine is a run. Its fields are guarded by mu, unless they never change.
type engine struct {
	Config
	agent *Agent
	ctx   context.Context // of the function; it ends with over
	stop  context.CancelCauseFunc
	begun time.Time
	root  *branch

	mu       sync.Mutex
	cond     sync.Cond // on mu: deciding or flights has changed
	past     past
	branches map[string]*branch // that have been started in this run, by path
	used     map[string]bool    // names, by full name
	next     int64              // the place of the next entry
	size     int                // of the journal, in bytes
	fresh    int                // entries that this run has recorded, or is about to
	waited   bool               // this run has waited in place, which the next one need not
	order    int                // of the next branch

	over    error         // what durable calls return once the run is over
	gone    chan struct{} // closed with over
	outcome Outcome       // valid with over
	sealed  bool          // nothing may be recorded any more

	live     int             // branches that don't wait
	parked   map[*call]*wait // calls that wait
	flights  map[*call]*attempt
	deciding bool          // the run is being suspended: nobody may go on
	woken    int64         // how often the task was woken, as far as the run knows
	again    chan struct{} // closed when parked calls must look again
	quiet    chan struct{} // holds one token when no branch is live
	finals   map[*call]func(context.Context)

	open map[string]*Callback // callbacks that wait, by full name; nil for those of earlier runs

	leaving    bool      // the process is about to end: see Leave
	canceling  bool      // the task is to be canceled
	canceled   bool      // some call has returned ErrCanceled, or is about to
	undoneWhen time.Time // when the time to undo is over
	onFinal    []func(context.Context)

	queue     []*recording
	recording bool

	emit emitter
}

// NewRun returns a run of the agent, to be run by Run. It returns a mismatch as an error if the
// journal cannot be read.
func NewRun(ctx context.Context, a *Agent, c Config) (*Run, error) {
	c.MaxEntries = min(cmp.Or(c.MaxEntries, DefaultEntries), MaxEntries)
	e := &engine{
		Config: c, agent: a, begun: time.Now(),
		branches: map[string]*branch{}, used: map[string]bool{},
		gone: make(chan struct{}), again: make(chan struct{}), quiet: make(chan struct{}, 1),
		parked: map[*call]*wait{}, flights: map[*call]*attempt{}, finals: map[*call]func(context.Context){},
		woken: c.Woken, live: 1,
	}
	e.cond.L = &e.mu
	if err := e.load(ctx); err != nil {
		return nil, err
	}
	e.ctx, e.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	if !c.Deadline.IsZero() {
		var release context.CancelFunc
		e.ctx, release = context.WithDeadlineCause(e.ctx, c.Deadline, ErrSuspended)
		stop := e.stop
		e.stop = func(cause error) { stop(cause); release() }
	}
	e.root = e.start("", nil, nil)
	return &Run{e}, nil
}

// Run runs the function, from its first line to the end of the run. It ends early when ctx is done:
// if its cause is that the lease is lost, the host must say so by Held.
func (r *Run) Run(ctx context.Context) Outcome {
	e := r.engine
	defer e.stop(ErrSuspended)
	defer context.AfterFunc(ctx, func() { e.finish(Outcome{End: HandedOver, Err: context.Cause(ctx)}) })()
	if e.Cancel {
		r.RequestCancel()
	}
	returned := make(chan error, 1)
	go func() {
		err := errors.New("the agent's function ended its goroutine")
		defer func() { returned <- err }()
		err = e.call()
	}()
	go e.watch()
	var err error
	select {
	case err = <-returned:
		e.mu.Lock()
		e.live-- // the root has returned, and waits for the branches that nobody waits for
		e.root.ended = true
		e.cond.Broadcast()
		e.settle()
		for e.over == nil && e.branchesLeft() {
			e.cond.Wait()
		}
		e.finishLocked(e.returned(err))
		e.mu.Unlock()
	case <-e.gone:
		limited, cancel := e.patience(ctx)
		defer cancel()
		select {
		case <-returned:
		case <-limited.Done():
			e.Logger.ErrorContext(ctx, "the agent ignores the end of its context and is left to itself", "task", e.Task.ID)
		}
	}
	e.land(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sealed = true
	o := e.outcome
	o.Place, o.Parked = e.next-1, e.past.parked
	if e.fresh > 0 {
		o.Parked = nil
	}
	return o
}

// returned is the outcome of a function that has returned. e.mu is held. An error of a task that is
// to be canceled is taken for what canceling it did: a step with Once that it has cut off returns
// ErrInterrupted.
func (e *engine) returned(err error) Outcome {
	if e.canceled || e.canceling && err != nil {
		return Outcome{End: Undone, Err: err}
	}
	return Outcome{End: Returned, Err: err}
}

// branchesLeft reports whether branches besides the root have not returned. e.mu is held.
func (e *engine) branchesLeft() bool {
	for _, b := range e.branches {
		if b != e.root && !b.ended {
			return true
		}
	}
	return false
}

// call calls the function.
func (e *engine) call() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return e.agent.f(withFrame(e.ctx, &frame{engine: e, branch: e.root}), e.Task)
}

// finish ends the run, unless it is over.
func (e *engine) finish(o Outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.finishLocked(o)
}

// finishLocked is finish. e.mu is held.
func (e *engine) finishLocked(o Outcome) {
	if e.over != nil {
		return
	}
	if o.End == HandedOver && !e.Host.Held() {
		o.End = Lost
	}
	e.over, e.outcome = ErrSuspended, o
	switch o.End {
	case Returned, Undone:
		e.over = errEnded
	case Ended:
		if !o.asked {
			e.over = errEnded
		}
	}
	if e.over == errEnded {
		if o.End != Undone {
			e.warnOfUnreached()
		}
		for _, f := range e.finals {
			e.onFinal = append(e.onFinal, f)
		}
		e.onFinal = append(e.onFinal, e.closeAll)
	}
	close(e.gone)
	e.stop(e.over)
	e.emit.shut(e.over)
	e.cond.Broadcast()
}

// patience returns a context that is done after grace, or when the process is about to end.
func (e *engine) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	if e.Late == nil {
		return limited, cancel
	}
	forget := context.AfterFunc(e.Late, cancel)
	return limited, func() { forget(); cancel() }
}

// land waits until the steps under way have returned, and notes which of them were cut off. It
// leaves those to themselves that don't return.
func (e *engine) land(ctx context.Context) {
	limited, cancel := e.patience(ctx)
	defer cancel()
	var last sync.WaitGroup
	for _, f := range e.onFinal { // finishLocked has set it
		last.Go(func() { f(limited) })
	}
	defer context.AfterFunc(limited, e.cond.Broadcast)()
	e.mu.Lock()
	for (len(e.flights) > 0 || e.recording) && limited.Err() == nil {
		e.cond.Wait()
	}
	var left []*Entry
	if e.outcome.End == HandedOver || e.outcome.End == Mismatched {
		for c, a := range e.flights {
			e.Logger.ErrorContext(ctx, "a step ignores the end of its context and is left to itself", "task", e.Task.ID, "step", c.full)
			if c.typ != TypeOnce {
				left = append(left, c.entry(Entry{Kind: Cut, Attempt: a.number}))
			}
		}
	}
	e.mu.Unlock()
	if len(left) > 0 {
		_ = e.write(left) // otherwise the attempt is not counted
	}
	last.Wait()
}

// RequestCancel has the function undo what it did, and the task be canceled. A task that has begun
// nothing is canceled at once.
func (r *Run) RequestCancel() {
	e := r.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.canceling || e.over != nil {
		return
	}
	e.canceling = true
	if e.next == 1 && !e.recording && len(e.flights) == 0 && len(e.parked) == 0 {
		e.finishLocked(Outcome{End: Undone})
		return
	}
	now := time.Now()
	e.undoneWhen = now.Add(undo)
	if at := e.past.undoneWhen; !at.IsZero() {
		e.undoneWhen = at
		if again := now.Add(undoAgain); at.Before(again) {
			e.undoneWhen = again
		}
	}
	time.AfterFunc(time.Until(e.undoneWhen), func() { e.finish(Outcome{End: Undone}) })
	if e.canceled {
		return // by an earlier run: its entries say which calls return it
	}
	for _, b := range e.branches {
		if b.busy != nil {
			b.busy.struck = true
		}
	}
	for _, a := range e.flights {
		a.stop(ErrCanceled)
	}
	e.lookAgain()
}

// Woken tells the run how often the task was woken. Calls that wait look again.
func (r *Run) Woken(n int64) {
	e := r.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if n > e.woken {
		e.woken = n
		e.lookAgain()
	}
}

// lookAgain has parked calls look again. e.mu is held.
func (e *engine) lookAgain() {
	close(e.again)
	e.again = make(chan struct{})
}

// use takes a full name. e.mu is held.
func (e *engine) use(full string) error {
	if e.used[full] {
		return fmt.Errorf("durable: the name %q is used twice: a name finds what was recorded, so it is used once in its scope", full)
	}
	e.used[full] = true
	return nil
}

// mismatch ends the run because the code does not do what the journal says. e.mu is held. It
// returns what the call returns.
func (e *engine) mismatch(step, expected, got string) error {
	e.finishLocked(Outcome{End: Mismatched, Mismatch: &Mismatch{Step: step, Expected: expected, Got: got, Code: e.Code}})
	return e.over
}
