package durable

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// call is a durable call under way. This is how one is made:
//
//	c, err := begin(ctx, TypeSleep, name)
//	if err != nil {
//		return err
//	}
//	defer c.end()
//	if _, err, ok := replayed[T](c); ok {
//		return err
//	}
//	… c.record(Entry{…}), c.park(wait{…}), c.attempt(…)
//	return finished(c, value), or c.failed(err)
//
// Its methods are called by the goroutine that began it. They return ErrSuspended, or another error
// of that kind, once the run is over: the call returns that at once.
type call struct {
	ctx    context.Context // the author's
	engine *engine
	frame  *frame
	branch *branch
	typ    Type
	full   string
	past   *record // what earlier runs have recorded of it, never nil
	at     Position
	begun  time.Time

	first  bool // the next entry is the first of the call; engine.mu guards it
	struck bool // it was under way when the task was to be canceled; engine.mu guards it
	tries  int  // for the report

	frontier bool // the run before may have been at it when it ended
}

// begin begins the durable call of a name: it checks the name, and looks into the journal. It
// returns an error if the call cannot be made here, if the run is over, or if the code has changed.
// If the call is the one that is to return ErrCanceled, begin does.
func begin(ctx context.Context, typ Type, name string) (*call, error) {
	c, err := newCall(ctx, typ, name)
	if err != nil {
		return nil, err
	}
	if c.takesCancel() {
		defer c.end()
		return nil, c.cancel()
	}
	return c, nil
}

func newCall(ctx context.Context, typ Type, name string) (*call, error) {
	f, err := frameOf(ctx)
	if err != nil {
		return nil, err
	}
	e, b := f.engine, f.branch
	switch {
	case f.err != nil:
		return nil, f.err
	case f.step != nil:
		return nil, fmt.Errorf("durable: %q is called inside of the step %q: a step cannot have durable calls inside", name, f.step.call.full)
	}
	full, err := f.full(name)
	if err != nil {
		return nil, err
	}
	at := e.emit.position(b)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.over != nil:
		return nil, e.over
	case b.waitsFor != nil || b.ended:
		return nil, fmt.Errorf("durable: %q is called in a branch that waits for others or has returned: the branches of a Group use the context that they get", full)
	case b.busy != nil:
		return nil, fmt.Errorf("durable: %q is called while its branch is in %q: start goroutines with Group.Go, and inside of a step use the step's context", full, b.busy.full)
	}
	if err := e.use(full); err != nil {
		return nil, err
	}
	c := &call{ctx: ctx, engine: e, frame: f, branch: b, typ: typ, full: full, past: e.past.calls[full], at: at, begun: time.Now()}
	if c.past == nil {
		if err := c.hold(); err != nil {
			return nil, err
		}
	}
	switch {
	case c.past == nil && typ != TypeVersion && e.unreached(b) > 0:
		return nil, e.mismatch(full, fmt.Sprintf("other calls, such as %q", e.unreachedNames()), "this call, which it lacks")
	case c.past == nil && e.next > e.most():
		return nil, fmt.Errorf("durable: the journal of a task has %d entries at most: %q has no room", e.MaxEntries, full)
	case c.past == nil && e.size > MaxJournalBytes && !e.canceling:
		return nil, fmt.Errorf("durable: the journal of a task has %d MB at most: %q has no room", MaxJournalBytes>>20, full)
	case c.past == nil:
		c.past, c.first = &record{typ: typ, branch: b.path}, true
	default:
		c.past.reached = true
		b.unreached--
		e.cond.Broadcast()
		switch {
		case c.past.typ != typ:
			return nil, e.mismatch(full, string(c.past.typ), string(typ))
		case c.past.branch != b.path:
			return nil, e.mismatch(full, fmt.Sprintf("branch %q", c.past.branch), fmt.Sprintf("branch %q", b.path))
		case c.past.at != c.at:
			return nil, e.mismatch(full, fmt.Sprintf("%d events before it", c.past.at.Count), fmt.Sprintf("%d events, or others", c.at.Count))
		}
	}
	b.busy = c
	// Only the first call that the runs before have not finished can have been cut off by a crash.
	c.frontier = !b.beyond
	b.beyond = b.beyond || c.first || c.past.final() == nil && c.past.last(Waits) == nil
	return c, nil
}

// most is how many entries there may be before the first of another call. e.mu is held.
func (e *engine) most() int64 {
	if e.canceling {
		return int64(e.MaxEntries) + undoEntries
	}
	return int64(e.MaxEntries)
}

// end ends the call.
func (c *call) end() {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	if c.branch.busy == c {
		c.branch.busy = nil
	}
	delete(c.engine.finals, c)
}

// key returns the key of the call: see [Key].
func (c *call) key() string { return keyOf(c.engine.Task.ID, c.full) }

// onFinal has f called if the run is about to write a final state of the task while the call is
// under way: within grace.
func (c *call) onFinal(f func(context.Context)) {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	c.engine.finals[c] = f
}

// entry returns x as an entry of the call. engine.mu is held.
func (c *call) entry(x Entry) *Entry {
	x.Type, x.Branch, x.Name = c.typ, c.branch.path, c.full
	if x.Time == 0 {
		x.Time = time.Now().UnixMilli()
	}
	if c.first {
		x.At, c.first = c.at, false
	}
	return &x
}

// record records an entry of the call, of which only Kind, Attempt, Took, Due, Result, Loose, Error
// and Memo need to be set. It returns once everything that was emitted before and then the entry are
// in the store. After that, the entry is in c.past.
func (c *call) record(x Entry) error {
	c.engine.mu.Lock()
	full := c.entry(x)
	c.engine.mu.Unlock()
	if err := c.engine.write([]*Entry{full}); err != nil {
		return err
	}
	c.past.entries = append(c.past.entries, *full)
	return nil
}

// takesCancel reports whether the call is to return ErrCanceled before it does anything: because
// it was under way in the run before, or because it is the next one and no other call was. A step
// with Once that was cut off is interrupted instead.
func (c *call) takesCancel() bool {
	e := c.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case !e.canceling || e.past.canceled || e.over != nil,
		c.typ == TypeVersion || c.past.final() != nil || e.unreached(c.branch) > 0,
		c.typ == TypeOnce && c.past.last(Began) != nil,
		e.canceled && len(c.past.entries) == 0:
		return false
	}
	e.canceled = true
	return true
}

// cancel records that the call returns ErrCanceled, and returns that.
func (c *call) cancel() error {
	c.engine.mu.Lock()
	c.engine.canceled = true
	due := c.engine.undoneWhen
	c.engine.mu.Unlock()
	x := Entry{Kind: Canceled, Due: due.UnixMilli()}
	if err := c.record(x); err != nil {
		return err
	}
	c.report(Canceled, 0)
	return c.error(Recorded{ErrCanceled.Error(), CauseCanceled})
}

// error returns a recorded error of the call.
func (c *call) error(r Recorded) error {
	return &StepError{Step: c.full, Key: c.key(), Text: r.Text, cause: r.Cause}
}

// failed records an error as the outcome of the call, and returns what was recorded.
func (c *call) failed(err error) error { return c.fail(Entry{Error: recorded(err)}) }

func (c *call) fail(x Entry) error {
	x.Kind = Failed
	if err := c.record(x); err != nil {
		return err
	}
	c.report(Failed, 0)
	return c.error(*x.Error)
}

// replayed returns the outcome of the call if the journal has it. A result that is not of type T
// ends the run: the code has changed.
func replayed[T any](c *call) (value T, err error, ok bool) {
	x := c.past.final()
	if x == nil {
		return value, nil, false
	}
	switch x.Kind {
	case Failed:
		return value, c.error(*x.Error), true
	case Canceled:
		return value, c.error(Recorded{ErrCanceled.Error(), CauseCanceled}), true
	}
	if value, err = decode[T](x); err != nil {
		c.engine.mu.Lock()
		defer c.engine.mu.Unlock()
		return value, c.engine.mismatch(c.full, "a result of another type", fmt.Sprintf("%T: %v", value, err)), true
	}
	return value, nil, true
}

// finished records the result of the call, and returns it as it is recorded.
func finished[T any](c *call, v T) (T, error) {
	var none T
	x, err := encode(v)
	if err != nil {
		return none, c.failed(err)
	}
	if err := c.done(x); err != nil {
		return none, err
	}
	return decode[T](&x)
}

// done records x, which has the result, as the outcome of the call.
func (c *call) done(x Entry) error {
	if len(x.Result) > MaxResult {
		x.Error = &Recorded{fmt.Sprintf("the result has %d bytes as JSON: at most %d can be recorded", len(x.Result), MaxResult), CauseTooLarge}
		x.Result, x.Loose = nil, false
		return c.fail(x)
	}
	x.Kind = Done
	if err := c.record(x); err != nil {
		return err
	}
	c.report(Done, len(x.Result))
	return nil
}

// report tells the host how the call went.
func (c *call) report(k Kind, size int) {
	c.engine.Host.Took(c.engine.ctx, Report{
		Name: c.full, Type: c.typ, Outcome: k, Attempts: c.tries, Took: time.Since(c.begun), Bytes: size,
	})
}

// encode returns an entry with the result v.
func encode[T any](v T) (x Entry, err error) {
	if x.Result, err = json.Marshal(v); err != nil {
		return x, fmt.Errorf("the result cannot be recorded: %w", err)
	}
	back, err := decode[T](&Entry{Result: x.Result, Loose: true})
	if err != nil {
		return x, fmt.Errorf("the result cannot be read again once it is recorded: %w", err)
	}
	again, err := json.Marshal(back)
	x.Loose = err != nil || !bytes.Equal(again, x.Result)
	return x, nil
}

// decode returns the result in an entry. It is strict: the result must have the JSON that a value of
// type T has.
func decode[T any](x *Entry) (v T, err error) {
	if err = json.Unmarshal(x.Result, &v); err != nil || x.Loose {
		return v, err
	}
	again, err := json.Marshal(v)
	if err == nil && !bytes.Equal(again, x.Result) {
		err = fmt.Errorf("its JSON would be other than what was recorded")
	}
	return v, err
}
